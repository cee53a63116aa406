"""dvc root."""

from __future__ import annotations

import os
from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.project.config_files import find_root


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(ctx: Context, opts: Options) -> int:
    ctx.ui.write(os.path.relpath(find_root(ctx.cwd), os.path.realpath(ctx.cwd)))
    return 0
