"""Options and opening that commands on another project share."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from pannier.cli.amounts import positive
from pannier.cli.context import Context, Options
from pannier.core.errors import NotInProject
from pannier.project.project import Project, open_project
from pannier.project.sources import Source, SourceOptions, open_source


def add_url(parser: ArgumentParser, what: str, path_help: str) -> None:
    parser.add_argument("url", help=f"Location of DVC repository{what}")
    parser.add_argument("path", nargs="?", help=path_help)


def add_revision(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--rev", nargs="?", metavar="<commit>", help="Git revision (e.g. SHA, branch, tag)"
    )


def add_config(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="config",
        help="Path to a config file that will be merged with the config in the target repository.",
    )
    parser.add_argument(
        "--remote",
        metavar="remote",
        help="Remote name to set as a default in the target repository.",
    )
    parser.add_argument(
        "--remote-config",
        nargs="*",
        action="extend",
        type=_pair,
        metavar="<name>=<value>",
        help="Remote config options to merge with a remote's config (default or one specified by"
        " '--remote') in the target repository.",
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"'{text}' is not <name>=<value>")
    return name, value


def add_fs_config(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--fs-config",
        nargs="*",
        action="extend",
        type=_pair,
        metavar="<name>=<value>",
        help="Config options for the target url.",
    )


def add_jobs(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive,
        metavar="<number>",
        help="Number of jobs to run simultaneously; by default what does well at the source.",
    )


def project_around(cwd: str) -> Project | None:
    """The project that the user stands in, whose remotes `remote://` names; None outside."""
    try:
        return open_project(cwd)
    except NotInProject:
        return None


def source_options(opts: Options) -> SourceOptions:
    return SourceOptions(
        rev=opts.rev,
        config=opts.config,
        remote=opts.remote,
        remote_config=tuple(opts.remote_config or ()),
    )


def open_given(ctx: Context, opts: Options) -> Source:
    """The source that url, --rev and the options of its remote name."""
    return open_source(opts.url, source_options(opts), ctx.cwd, ctx.ui.progress)
