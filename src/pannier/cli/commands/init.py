"""dvc init."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.ops.init import init

DESCRIPTION = (
    "Initialize DVC repository in the given directory (defaults to the current working"
    " directory).\n"
    "Expects directory to be a Git repository unless --no-scm option is specified.\n"
    "Documentation: <https://man.dvc.org/init>"
)
_WELCOME = """\
What's next?
------------
- Check out the documentation: <https://dvc.org/doc>
- Get help and share ideas: <https://dvc.org/chat>
- Star us on GitHub: <https://github.com/treeverse/dvc>"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--no-scm",
        action="store_true",
        help="Initiate DVC in directory that is not tracked by any SCM tool (e.g. Git).",
    )
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="Overwrite existing '.dvc/' directory. This operation removes local cache.",
    )
    parser.add_argument(
        "--subdir",
        action="store_true",
        help="Necessary for running this command inside a subdirectory of a parent SCM repository.",
    )
    parser.add_argument(
        "directory",
        nargs="?",
        default=".",
        help="Directory to initialize DVC in. Defaults to the current working directory.",
    )


def run(ctx: Context, opts: Options) -> int:
    if opts.no_scm and opts.subdir:
        ctx.ui.error("Cannot initialize repo with `--no-scm` and `--subdir`")
        return 255
    report = init(
        opts.directory,
        no_scm=opts.no_scm,
        subdir=opts.subdir,
        force=opts.force,
        progress=ctx.ui.progress,
    )
    ctx.ui.write("Initialized DVC repository.\n")
    if report.in_git:
        ctx.ui.write("You can now commit the changes to git.\n")
    ctx.ui.write(_WELCOME)
    return 0
