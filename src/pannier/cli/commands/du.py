"""dvc du."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_config, add_revision, add_url, open_given
from pannier.cli.render import short_size
from pannier.ops.disk_usage import disk_usage


def add_arguments(parser: ArgumentParser) -> None:
    add_url(parser, "", "Path to directory within the repository")
    add_revision(parser)
    parser.add_argument("-s", "--summarize", action="store_true", help="Show total disk usage.")
    add_config(parser)


def run(ctx: Context, opts: Options) -> int:
    with open_given(ctx, opts) as source:
        usage = disk_usage(source, opts.path, opts.summarize, ctx.ui.progress)
    prefix = f"{opts.path.rstrip('/')}/" if opts.path else ""
    lines = [(short_size(size), prefix + name) for name, size in usage.entries]
    lines.append((short_size(usage.total), opts.path or ""))
    width = max(len(size) for size, _ in lines)
    ctx.ui.write("\n".join(f"{size:<{width}}  {name}" if name else size for size, name in lines))
    return 0
