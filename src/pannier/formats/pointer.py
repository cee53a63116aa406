"""Pointers: `.dvc` files to stages and back.

Nearly all pointers are what `add` wrote: one output, six plain keys. Those are read and written by
a strict text form, everything else by YAML. Source: docs/formats.md, sections 7, 8, 9 and 22.
"""

from __future__ import annotations

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.errors import InvalidFile
from pannier.core.hashes import md5
from pannier.core.path import join, relative
from pannier.core.pattern import pattern
from pannier.core.record import replace
from pannier.core.stage import Meta, Out, Stage
from pannier.core.typed import Any
from pannier.formats import yamlio
from pannier.formats.entries import (
    CHECKSUMS,
    dep_fields,
    local_path,
    out_fields,
    read_dep,
    read_out,
    reason_against_output,
)
from pannier.formats.schema import (
    Keys,
    Reader,
    Schema,
    anything,
    checksum,
    flag,
    optional_text,
    text,
)
from pannier.formats.yaml_scalars import resolve_plain

SUFFIX = ".dvc"
PIPELINE_NAME = "dvc.yaml"

# One entry as `add` writes it, on its own lines, keys in any order. A digest needs one of the
# letters a, b, c, d, f: without, YAML may take it for a number. A path is a word, or words one
# blank apart, that no quoting rule of YAML touches.
_VALUE = (
    r"(?:md5: (?=[0-9e]*[a-df])[0-9a-f]{32}(?:\.dir)?|size: (?:0|[1-9][0-9]{0,17})"
    r"|nfiles: (?:0|[1-9][0-9]{0,17})|isexec: true|hash: md5|path: "
    r"[A-Za-z0-9_./][A-Za-z0-9_./@+=%,~-]*(?: [A-Za-z0-9_./@+=%,~-]+)*)\n"
)
_GENERATED = pattern(rf"outs:\n(?:- {_VALUE}(?:  {_VALUE})*)+\Z")
_LINE = pattern(r"([- ]) ([a-z0-9]+): (.*)\n")
_PLAIN_PATH = pattern(r"[A-Za-z0-9_./][A-Za-z0-9_./@+=%,~-]*(?: [A-Za-z0-9_./@+=%,~-]+)*\Z")
_SURE_DIGEST = pattern(r"[0-9e]*[a-df]")
# What the path rule and the rule for outputs could object to; all else they allow.
_UNUSUAL = pattern(r"(?:^|/)(?:[./]|$)|[^\0-}]|(?:\.dvc|dvc\.yaml|dvc\.lock)\Z|\0")
_LAST_LINE = pattern(r"(?:^|\n)[- ]*([a-z0-9_]+): ([^\n]*)\Z")
_FLAGS = ("frozen", "locked", "always_changed", "isexec", "cache", "persist", "push")
_MAX_UNFOLDED = 64  # characters of a path; the emitter folds what goes beyond column 80

_TOP: Schema = {
    "desc": text,
    "md5": checksum,
    "wdir": optional_text,
    "frozen": flag,
    "locked": flag,
    "deps": anything,
    "outs": anything,
    "always_changed": flag,
    "meta": anything,
}
_NOT_IN_CHECKSUM = frozenset(
    (
        *("desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist"),
        *("isexec", "size", "nfiles"),
    )
)


def pointer_name(path: str) -> str:
    """The pointer that `add` writes for a target."""
    return path + SUFFIX


def is_pointer_name(name: str) -> bool:
    """Tells whether a file name or path is a pointer's; `.dvc` alone is the project's folder."""
    return name.endswith(SUFFIX) and name != SUFFIX and not name.endswith("/" + SUFFIX)


def is_pipeline_name(name: str) -> bool:
    return name == PIPELINE_NAME or name.endswith("/" + PIPELINE_NAME)


def parse(data: bytes, file: str, *, whole: bool = False) -> Stage:
    """Reads a pointer. file: its root-relative POSIX path.

    whole: the bytes are known to be all of the file, as those out of Git are. Else a last line
    without a newline is refused, unless its value is one that no cut could leave: neither DVC nor
    we write one, so the file may have been cut within a path. Raises InvalidFile for everything
    that is not a complete, allowed pointer; an empty file never means "no outputs"
    (docs/durability.md, promise 11).
    """
    entries = _scan(data)
    if entries is not None:
        stage = _stage_of_entries(entries, file)
        if stage is not None:
            return stage
    return _parse_document(data, file, whole)


def dump(stage: Stage, previous: bytes | None) -> bytes:
    """Writes a pointer: a new file, or the previous text with what differs changed.

    previous: the file as it is; its comments, key order, flow style and `meta` survive, new keys
    go to the end of their entry, defaults that were spelled out go (docs/formats.md, 7.3).
    None or blank for a new file. Raises InvalidFile when previous cannot be read.
    """
    entries = _entries_of_stage(stage)
    if previous is None or not previous.strip():
        if entries is not None:
            return _write_entries(entries)
        return yamlio.dump(_document(stage, {}))
    if entries is not None:
        before = _scan(previous)
        if before is not None:
            return _write_entries(_patched_entries(before, entries))
    known = yamlio.load(previous, stage.file)
    if not isinstance(known, dict):
        raise InvalidFile(stage.file, "expected a dictionary")
    wanted = _document(stage, known)
    return yamlio.edit(previous, lambda root: _patch(root, wanted), stage.file)


def patched(previous: bytes, wanted: dict[str, Any], file: str) -> bytes:
    """The file with these values, and what its author wrote around them."""
    return yamlio.edit(previous, lambda root: _patch(root, wanted), file)


def stage_checksum(stage: Stage) -> str:
    """The `md5` that belongs at the top of an import's pointer (docs/formats.md, section 7.4)."""
    return _checksum(_document(stage, {}))


def _scan(data: bytes) -> list[dict[str, str]] | None:
    """The entries of a file of the strict form, keys and values as written, else None."""
    try:
        content = data.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not _GENERATED.match(content):
        return None
    entries: list[dict[str, str]] = []
    count = 0
    for lead, key, value in _LINE.findall(content):
        if lead == "-":
            entries.append({})
        entries[-1][key] = value
        count += 1
    if count != sum(map(len, entries)):
        return None  # a key twice
    for entry in entries:
        if not isinstance(resolve_plain(entry.get("path", "null")), str):
            return None  # a number or a date, or no path
    return entries


def _stage_of_entries(entries: list[dict[str, str]], file: str) -> Stage | None:
    """The stage of a strict file; None when something needs a closer look or an error message."""
    wdir = file.rpartition("/")[0]
    outs = []
    for entry in entries:
        path, name, size = entry["path"], entry.get("md5"), entry.get("size")
        if _UNUSUAL.search(f"{wdir}/{path}" if wdir else path) and (
            local_path(path) != path or reason_against_output(path, wdir, file, cache=True)
        ):
            return None
        count = entry.get("nfiles")
        outs.append(
            Out(
                path,
                Digest(MD5 if "hash" in entry else LEGACY, name) if name else None,
                Meta(
                    int(size) if size else None,
                    int(count) if count else None,
                    "isexec" in entry,
                ),
            )
        )
    return Stage(file, None, wdir, tuple(outs))


def _entries_of_stage(stage: Stage) -> list[dict[str, str]] | None:
    """The stage as strict entries, or None when it holds more, or what YAML may quote or fold."""
    if (
        stage.deps
        or not stage.outs
        or stage.frozen
        or stage.always_changed
        or stage.md5
        or stage.desc
        or stage.wdir != stage.file.rpartition("/")[0]
    ):
        return None
    entries = []
    for out in stage.outs:
        if out.extra or out.cloud or out.files or out.remote or out.persist:
            return None
        if not (out.cache and out.push and out.digest and _SURE_DIGEST.match(out.digest.hex)):
            return None
        if not _PLAIN_PATH.match(out.path) or not isinstance(_resolved(out.path), str):
            return None
        if len(out.path) > _MAX_UNFOLDED:
            return None
        fields = out_fields(out)
        entries.append(
            {key: "true" if key == "isexec" else str(value) for key, value in fields.items()}
        )
    return entries


def _resolved(path: str) -> Any:
    try:
        return resolve_plain(path)
    except ValueError:
        return None


def _patched_entries(
    before: list[dict[str, str]], wanted: list[dict[str, str]]
) -> list[dict[str, str]]:
    if len(before) != len(wanted):
        return wanted
    return [
        {key: new[key] for key in (*(k for k in old if k in new), *new)}
        for old, new in zip(before, wanted, strict=True)
    ]


def _write_entries(entries: list[dict[str, str]]) -> bytes:
    lines = ["outs:\n"]
    for entry in entries:
        lead = "- "
        for key, value in entry.items():
            lines.append(f"{lead}{key}: {value}\n")
            lead = "  "
    return "".join(lines).encode("ascii")


def _parse_document(data: bytes, file: str, whole: bool) -> Stage:
    reader = Reader(file, data)
    document = yamlio.load(data, file)
    if document is None:
        raise InvalidFile(
            file,
            "it is empty",
            hint=f"bring it back with 'git checkout -- {file}', or remove it",
        )
    fields = reader.mapping(document, _TOP, ())
    if not (whole or data.endswith(b"\n") or _ends_whole(data, file)):
        raise InvalidFile(
            file,
            "its last line has no end, it may have been cut",
            line=len(data.splitlines()),
            hint="if the file is complete, add a newline at its end",
        )
    directory = file.rpartition("/")[0]
    wdir = join(directory, fields.get("wdir") or ".")
    deps = tuple(read_dep(reader, raw, at) for raw, at in _items(reader, fields, "deps"))
    outs = tuple(read_out(reader, raw, at, wdir) for raw, at in _items(reader, fields, "outs"))
    if not outs and not deps:
        reader.fail("it names neither outputs nor dependencies")
    stage = Stage(
        file=file,
        wdir=wdir,
        outs=outs,
        deps=deps,
        frozen=fields.get("frozen", False) or fields.get("locked", False),
        always_changed=fields.get("always_changed", False),
        md5=str(fields["md5"]) if fields.get("md5") else None,
        computed_md5=None,
        desc=fields.get("desc") or None,
    )
    if not stage.is_import:
        return stage
    return replace(stage, computed_md5=_checksum(_document(stage, fields)))


def _ends_whole(data: bytes, file: str) -> bool:
    """True when the value of the last line, which has no newline, cannot be a part of a longer one.

    That is so for the path that the file is named after, for a flag, for `hash: md5`, and for the
    digest of a folder. A size, a word or the digest of a file may have gone on.
    """
    found = _LAST_LINE.search(data.decode("utf-8", "replace"))
    if found is None:
        return False
    key, value = found.groups()
    if key == "path":
        return pointer_name(value) == file.rpartition("/")[2]
    return (key, value) == ("hash", MD5) or (
        value in ("true", "false") if key in _FLAGS else key == "md5" and value.endswith(".dir")
    )


def _items(reader: Reader, fields: dict[str, Any], key: str) -> list[tuple[Any, Keys]]:
    raw = fields.get(key)
    if raw is None:
        return []
    return [(item, (key, index)) for index, item in enumerate(reader.sequence(raw, (key,)))]


def _document(stage: Stage, known: dict[str, Any]) -> dict[str, Any]:
    """The whole file as values, in the order of a new one, defaults left out.

    known: what the file holds now, for what a stage does not carry: `meta`, and whether entries
    without an MD5 of their own say `hash`.
    """
    directory = stage.file.rpartition("/")[0]
    fields = {
        "desc": stage.desc,
        "md5": stage.md5,
        "wdir": _wdir_from(stage.wdir, directory),
        "frozen": stage.frozen,
        "deps": _entries(map(dep_fields, stage.deps), known.get("deps")),
        "outs": _entries(map(out_fields, stage.outs), known.get("outs")),
        "always_changed": stage.always_changed,
        "meta": known.get("meta"),
    }
    return {key: value for key, value in fields.items() if value}


def _wdir_from(wdir: str, directory: str) -> str | None:
    if wdir == directory:
        return None
    if wdir == ".." or wdir.startswith("../"):
        return "../" * (directory.count("/") + 1 if directory else 0) + wdir
    return wdir if wdir.startswith("/") else relative(wdir, directory)


def _entries(wanted: Any, known: Any) -> list[dict[str, Any]]:
    """Leaves `hash` out where an old entry has none and got no MD5: DVC 2 did not write it."""
    entries = list(wanted)
    if not isinstance(known, list) or len(known) != len(entries):
        return entries
    for new, old in zip(entries, known, strict=True):
        same = all(new.get(key) == old.get(key) for key in (*CHECKSUMS, "files"))
        if "hash" in new and "hash" not in old and "md5" not in new and same:
            del new["hash"]
    return entries


def _checksum(document: dict[str, Any]) -> str:
    import json  # of imports only

    own = {key: value for key, value in document.items() if key != "md5"}
    stripped = json.dumps(_stripped(own), sort_keys=True)
    return md5(stripped.encode()).hexdigest()


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _stripped(v) for k, v in value.items() if k not in _NOT_IN_CHECKSUM}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


def _patch(node: Any, wanted: Any) -> None:
    """Makes a round-trip node equal to wanted and touches nothing that is so already."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            old = node.get(key)
            if isinstance(value, dict | list) and isinstance(old, type(value)):
                _patch(old, value)
            elif key not in node or old != value:
                node[key] = value
        for key in [key for key in node if key not in wanted]:
            del node[key]
    elif len(wanted) != len(node):
        node[:] = wanted
    else:
        for index, value in enumerate(wanted):
            if isinstance(value, dict | list) and isinstance(node[index], type(value)):
                _patch(node[index], value)
            elif node[index] != value:
                node[index] = value
