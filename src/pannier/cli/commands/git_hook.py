"""dvc git-hook: what the hooks call that `dvc install` writes. Outside of a project they do
nothing.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser

from pannier.cli import table
from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.dispatch import execute
from pannier.core.errors import PannierError
from pannier.git.repo import GitRepo
from pannier.project.config_files import dvc_dir_of
from pannier.project.index import load_index

DESCRIPTION = "Run GIT hook."
HAS_HELP = False


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "git-hook")
    for name, hook in (
        ("pre-commit", _pre_commit),
        ("post-checkout", _post_checkout),
        ("pre-push", _pre_push),
    ):
        sub = add(name, f"Run {name} GIT hook.", hook, link=False)
        sub.add_argument("args", nargs="*", help="Arguments passed by GIT or pre-commit tool.")
    driver = add("merge-driver", "Run GIT merge driver.", _merge_driver, link=False)
    for name, what in (
        ("ancestor", "Ancestor's version of the conflicting file."),
        ("our", "Current version of the conflicting file."),
        ("their", "Other branch's version of the conflicting file."),
    ):
        driver.add_argument(f"--{name}", metavar=name, required=True, help=what)


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `git-hook` names a hook with a function of its own")


def _pre_commit(ctx: Context, opts: Options) -> int:
    return _run_inside(ctx, "status")


def _pre_push(ctx: Context, opts: Options) -> int:
    """A project that tracks nothing yet and has no remote must not stop an unrelated push.

    One that tracks data without a remote stops it, as with DVC: the pointers would arrive where
    the data does not. `git push --no-verify` goes on.
    """
    return 0 if _has_nothing_to_push(ctx) else _run_inside(ctx, "push")


def _has_nothing_to_push(ctx: Context) -> bool:
    if dvc_dir_of(ctx.cwd) is None:
        return True
    try:
        project = table.open_project(ctx.cwd)
        return not project.settings.remote_names() and not load_index(project).outs()
    except PannierError:
        return False  # the command itself will say it


def _post_checkout(ctx: Context, opts: Options) -> int:
    """Only after a checkout of a branch, and not in the middle of a rebase."""
    kind = os.environ.get("PRE_COMMIT_CHECKOUT_TYPE")
    if kind is None:
        kind = opts.args[2] if len(opts.args) >= 3 else "0"
    if kind != "1":
        return 0
    git = GitRepo.find(ctx.cwd)
    if git is not None and os.path.isdir(f"{git.git_dir}/rebase-merge"):
        return 0
    return _run_inside(ctx, "checkout")


def _merge_driver(ctx: Context, opts: Options) -> int:
    """Outside of a project, too, it must not say that it merged: Git would believe it."""
    code: int = table.load(table.MERGE_DRIVER).run(ctx, opts)
    return code


def _run_inside(ctx: Context, command: str) -> int:
    """Runs a command in this process; its exit code is the hook's."""
    if dvc_dir_of(ctx.cwd) is None:
        return 0
    flags = ["-q"] if ctx.ui.quiet else ["-v"] * ctx.ui.verbose
    return execute([command, *flags], ctx.program)
