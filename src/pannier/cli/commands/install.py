"""dvc install."""

from __future__ import annotations

import os
from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.core.errors import PannierError
from pannier.git.repo import GitRepo
from pannier.ops.hooks import add_to_pre_commit_tool, install_hooks, install_merge_drivers
from pannier.project.config_files import find_root
from pannier.project.settings import load_settings


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--use-pre-commit-tool",
        action="store_true",
        help="Install DVC hooks using pre-commit (https://pre-commit.com) if it is installed.",
    )


def run(ctx: Context, opts: Options) -> int:
    root = find_root(ctx.cwd)
    settings = load_settings(f"{root}/.dvc", check=False)
    git = None if settings.flag("core.no_scm") else GitRepo.find(root)
    if git is None:
        raise PannierError(f"the project '{root}' does not use Git, so there is no place for hooks")
    if opts.use_pre_commit_tool:
        ctx.ui.debug(f"wrote '{add_to_pre_commit_tool(git.root)}'")
        install_merge_drivers(git, root)
        return 0
    for path in install_hooks(git, ctx.recording):
        ctx.ui.debug(f"wrote '{os.path.relpath(path)}'")
    install_merge_drivers(git, root)
    return 0
