"""dvc cache: dir, migrate, verify."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli import table
from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.levels import place_of
from pannier.cli.table import CACHE_VERIFY
from pannier.cli.verify_options import add_verify, run_in_project
from pannier.ops import settings_edit
from pannier.project.config_files import dvc_dir_of, read_level
from pannier.project.settings import Settings, load_settings

_KEY = ("cache", "dir")


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "cache")
    directory = add(
        "dir",
        "Configure cache directory location.",
        _dir,
        level="last",
        description="Manage cache settings.",
    )
    directory.add_argument("-u", "--unset", action="store_true", help="Unset option.")
    directory.add_argument(
        "value",
        nargs="?",
        help="Path to cache directory. Relative paths are resolved relative to the current"
        " directory and saved to config relative to the config file location. If no path is"
        " provided, it returns the current cache directory.",
    )
    verify = add(
        "verify",
        "Read every object in the cache again and compare it with its name.",
        _verify,
        link=False,
    )
    add_verify(verify)
    migrate = add(
        "migrate",
        "Migrate cached files to the DVC 3.0 cache location.",
        _migrate,
        description="Manage cache settings.",
    )
    migrate.add_argument(
        "--dvc-files",
        action="store_true",
        help="Migrate entries in all existing DVC files in the repository to the DVC 3.0 format.",
    )
    migrate.add_argument(
        "--dry",
        action="store_true",
        help="Only print actions which would be taken without actually migrating any data.",
    )


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `cache` names a sub-command with a function of its own")


def _verify(ctx: Context, opts: Options) -> int:
    return run_in_project(ctx, opts, CACHE_VERIFY)


def _dir(ctx: Context, opts: Options) -> int:
    if opts.unset:
        settings_edit.unset_option(place_of(ctx, opts), _KEY)
        return 0
    if opts.value is not None:
        settings_edit.set_option(place_of(ctx, opts), _KEY, opts.value)
        return 0
    dvc_dir = dvc_dir_of(ctx.cwd)
    if opts.level is None:
        settings = load_settings(dvc_dir, check=False)
        default = f"{dvc_dir}/cache" if dvc_dir else None
    else:
        settings, default = Settings([read_level(opts.level, dvc_dir)], dvc_dir), None
    path = settings.get("cache.dir") or default
    if path is None:
        raise settings_edit.no_option(_KEY)
    ctx.ui.write(path)
    return 0


def _migrate(ctx: Context, opts: Options) -> int:
    """Loads what it needs only here: `cache dir` is a short command."""
    code: int = table.load(table.CACHE_MIGRATE).run(ctx, opts)
    return code
