"""dvc artifacts get."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.args import add_group
from pannier.cli.commands.get import add_destination
from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_config, add_jobs, source_options
from pannier.cli.transfers import telling_failures
from pannier.core.errors import PannierError, SourceError
from pannier.core.record import replace
from pannier.ops.artifacts import artifact_path
from pannier.ops.get import GetOptions, get, storage_url


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "artifacts")
    getting = add("get", "Download an artifact from a DVC project.", _get)
    getting.add_argument("url", help="Repository that has the artifact: a folder or a Git URL.")
    getting.add_argument("name", help="Name of the artifact there, as in dvc.yaml.")
    getting.add_argument(
        "--rev", nargs="?", metavar="<version>", help="Its version, or a Git revision."
    )
    getting.add_argument("--stage", nargs="?", metavar="<stage>", help="Stage that a version has.")
    add_destination(getting, "artifact")
    add_jobs(getting)
    getting.add_argument(
        "-f", "--force", action="store_true", help="Replace what is at the destination."
    )
    add_config(getting)


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `artifacts` names a sub-command with a function of its own")


def _get(ctx: Context, opts: Options) -> int:
    given = replace(source_options(opts), rev=None)
    try:
        sha, path = artifact_path(
            opts.url, opts.name, opts.rev, opts.stage, given, ctx.cwd, ctx.ui.progress
        )
        options = GetOptions(
            cwd=ctx.cwd,
            source=replace(given, rev=sha),
            out=opts.out,
            force=opts.force,
            jobs=opts.jobs,
        )
        if opts.show_url:
            ctx.ui.write(storage_url(opts.url, path, options, ctx.ui.progress))
            return 0
        with telling_failures(ctx):
            got = get(opts.url, path, options, ctx.ui.progress)
    except PannierError as error:
        if opts.show_url:
            raise
        origin = "" if isinstance(error, SourceError) else f" from '{opts.url}'"
        ctx.ui.error(f"failed to get '{opts.name}'{origin} - {error.message}", error.hint)
        return 1
    ctx.ui.write(f"Downloaded {got.count} file(s) to '{got.shown}'")
    return 0
