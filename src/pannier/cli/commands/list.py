"""dvc list, ls."""

from __future__ import annotations

from argparse import ArgumentParser
from json.encoder import encode_basestring_ascii

from pannier.cli.colours import NameColours
from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_config, add_revision, add_url, open_given
from pannier.cli.render import short_size
from pannier.core.errors import BadTarget, ConfigError, InvalidFile, PannierError
from pannier.ops.listing import Listing, ListOptions, list_path
from pannier.project.overlay import Row

_MIDDLE, _LAST, _PASSING, _EMPTY = "├── ", "└── ", "│   ", "    "


def add_arguments(parser: ArgumentParser) -> None:
    add_url(parser, " to list", "Path to directory within the repository to list outputs for")
    parser.add_argument("-R", "--recursive", action="store_true", help="Recursively list files.")
    parser.add_argument(
        "-T", "--tree", action="store_true", help="Recurse into directories as a tree."
    )
    parser.add_argument(
        "-L", "--level", type=int, metavar="depth", help="Limit the depth of recursion."
    )
    parser.add_argument("--dvc-only", action="store_true", help="Show only DVC outputs.")
    parser.add_argument("--json", action="store_true", help="Show output in JSON format.")
    add_revision(parser)
    add_config(parser)
    parser.add_argument("--size", action="store_true", help="Show sizes.")
    parser.add_argument(
        "--show-hash", action="store_true", help="Display hash value for each item."
    )


def run(ctx: Context, opts: Options) -> int:
    if opts.tree and opts.json:
        raise PannierError("Cannot use --tree and --json options together.")
    if opts.level is not None and opts.level < 0:
        raise PannierError("--level must be at least 0")
    colours = NameColours() if ctx.ui.has_colours and not opts.json else None
    options = ListOptions(
        recursive=opts.recursive,
        tree=opts.tree,
        depth=opts.level,
        outs_only=opts.dvc_only,
        sizes=opts.json or opts.size or colours is not None,
    )
    try:
        source = open_given(ctx, opts)
    except PannierError as error:
        return _failed(ctx, opts, error)
    with source:
        try:
            listing = list_path(source, opts.path, options, ctx.ui.progress)
        except ConfigError as error:
            return _failed(ctx, opts, error)
        except (BadTarget, InvalidFile) as error:
            ctx.ui.error(error.message, error.hint)
            return 1
    if opts.json:
        ctx.ui.write(_json(listing.rows))
    elif listing.rows:
        ctx.ui.write("\n".join(lines_of(listing, opts, colours)))
    return 0


def _failed(ctx: Context, opts: Options, error: PannierError) -> int:
    ctx.ui.error(f"failed to list '{opts.url}' - {error.message}", error.hint)
    return 1


def _json(rows: list[Row]) -> str:
    """As `json.dumps` of a list of mappings; one pass, with nothing made for a row but its text."""
    quote, no, yes = encode_basestring_ascii, "false", "true"
    return (
        "["
        + ", ".join(
            [
                f'{{"isout": {yes if is_out else no}, "isdir": {yes if is_dir else no}, '
                f'"isexec": {yes if is_exec else no}, '
                f'"size": {"null" if size is None else size}, '
                f'"md5": {"null" if hex is None else quote(hex)}, "path": {quote(path)}}}'
                for path, is_out, is_dir, is_exec, size, hex in rows
            ]
        )
        + "]"
    )


def lines_of(listing: Listing, opts: Options, colours: NameColours | None) -> list[str]:
    """A listing as it is printed. opts: `size`, `show_hash`: which columns it has."""
    rows = listing.rows
    if colours is None:
        names = [row[0] for row in rows]
    else:
        names = [
            colours(path, is_out=is_out, is_dir=is_dir, is_exec=is_exec)
            for path, is_out, is_dir, is_exec, _, _ in rows
        ]
    if listing.levels:
        stems = _stems(listing.levels)
        names = [stem + name for stem, name in zip(stems, names, strict=True)]
    columns = []
    if opts.size:
        sizes = ["" if row[4] is None else short_size(row[4]) for row in rows]
        width = max(map(len, sizes))
        columns.append([size.rjust(width) for size in sizes])
    if opts.show_hash:
        hashes = [row[5] or "-" for row in rows]
        width = max(map(len, hashes))
        columns.append([hash.ljust(width) for hash in hashes])
    if not columns:
        return names
    return ["  ".join(cells) for cells in zip(*columns, names, strict=True)]


def _stems(levels: list[int]) -> list[str]:
    """What stands before each name of a tree. levels: in the order of the lines, 0 for the root."""
    stems: list[str] = []
    more: set[int] = set()
    """Levels on which another line follows before the one above them ends."""
    for level in reversed(levels):
        more = {one for one in more if one <= level}
        passing = [_PASSING if one in more else _EMPTY for one in range(1, level)]
        here = (_MIDDLE if level in more else _LAST) if level else ""
        stems.append("".join(passing) + here)
        more.add(level)
    return stems[::-1]
