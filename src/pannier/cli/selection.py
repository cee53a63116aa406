"""Options that several data commands share: which stages, which revisions, how many at once."""

from __future__ import annotations

import os
from argparse import ArgumentParser

from pannier.cli.amounts import positive
from pannier.cli.context import Context, Options
from pannier.project.targets import RevisionOptions, TargetOptions


def root_cwd(ctx: Context) -> str:
    """The current directory, relative to the project's root; '' at the root."""
    path = os.path.relpath(os.path.realpath(ctx.cwd), ctx.project.root)
    return "" if path == "." else path


def shown_paths(ctx: Context, paths: list[str]) -> list[str]:
    """Root-relative paths as they are typed from the current directory."""
    cwd = root_cwd(ctx)
    return [os.path.relpath("/" + path, "/" + cwd) for path in paths] if cwd else paths


def add_targets(parser: ArgumentParser, *, what: str) -> None:
    parser.add_argument("targets", nargs="*", help=f"Limit {what} to these targets.")


def add_expansion(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-d", "--with-deps", action="store_true", help="Also the stages upstream of the targets."
    )
    parser.add_argument(
        "-R", "--recursive", action="store_true", help="Targets are directories to search."
    )


def add_revisions(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-a", "--all-branches", action="store_true", help="Also the data of all branches."
    )
    parser.add_argument("-T", "--all-tags", action="store_true", help="Also the data of all tags.")
    parser.add_argument(
        "-A", "--all-commits", action="store_true", help="Also the data of all commits."
    )


def add_remote(parser: ArgumentParser) -> None:
    parser.add_argument("-r", "--remote", metavar="<name>", help="Remote to use.")
    parser.add_argument(
        "-j", "--jobs", type=positive, metavar="<number>", help="Requests in flight at once."
    )


def add_two_revisions(parser: ArgumentParser) -> None:
    parser.add_argument("a_rev", nargs="?", default="HEAD", help="Old revision (default: HEAD).")
    parser.add_argument(
        "b_rev", nargs="?", default="workspace", help="New revision (default: the workspace)."
    )


def add_forms(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    parser.add_argument("--md", action="store_true", help="Print a Markdown table.")


def form_of(opts: Options) -> str:
    return "json" if opts.json else "md" if opts.md else "text"


def target_options(ctx: Context, opts: Options) -> TargetOptions:
    return TargetOptions(
        with_deps=getattr(opts, "with_deps", False),
        recursive=getattr(opts, "recursive", False),
        glob=getattr(opts, "glob", False),
        cwd=root_cwd(ctx),
    )


def revision_options(opts: Options) -> RevisionOptions:
    return RevisionOptions(opts.all_branches, opts.all_tags, opts.all_commits)
