"""dvc remote: add, default, modify, list, remove, rename, verify."""

from __future__ import annotations

import os
from argparse import ArgumentParser

from pannier.cli.amounts import add_rate, positive
from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.levels import add_force, place_of, warn_of_secret
from pannier.cli.render import tabbed
from pannier.cli.table import REMOTE_SYNC, REMOTE_VERIFY
from pannier.cli.verify_options import add_verify, run_in_project
from pannier.formats.config_schema import is_foreign
from pannier.ops import own_remotes, settings_edit
from pannier.project.config_files import dvc_dir_of, own_path, read_level
from pannier.project.settings import Settings, load_settings


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "remote")
    adding = add("add", "Add a new data remote.", _add, level="first")
    adding.add_argument("name", help="Name of the remote")
    adding.add_argument(
        "url",
        help="Remote location. See full list of supported URLs at <https://man.dvc.org/remote>",
    )
    adding.add_argument("-d", "--default", action="store_true", help="Set as default remote.")
    adding.add_argument(
        "-f", "--force", action="store_true", help="Force overwriting existing configs"
    )
    default = add("default", "Set/unset the default data remote.", _default, level="first")
    default.add_argument("name", nargs="?", help="Name of the remote")
    default.add_argument("-u", "--unset", action="store_true", help="Unset default remote.")
    modify = add("modify", "Modify the configuration of a data remote.", _modify, level="first")
    modify.add_argument("name", help="Name of the remote")
    modify.add_argument("option", help="Name of the option to modify.")
    modify.add_argument("value", nargs="?", help="(optional) Value of the option.")
    modify.add_argument("-u", "--unset", action="store_true", help="Unset option.")
    add_force(modify)
    add("list", "List all available data remotes.", _list, level="first")
    remove = add("remove", "Remove a data remote.", _remove, level="first")
    remove.add_argument("name", help="Name of the remote to remove.")
    rename = add("rename", "Rename a DVC remote", _rename, level="first")
    rename.add_argument("name", help="Remote to be renamed")
    rename.add_argument("new", help="New name of the remote")
    verify = add(
        "verify",
        "Read every object of a data remote and compare it with its name.",
        _verify,
        link=False,
    )
    verify.add_argument("-r", "--remote", metavar="<name>", help="Remote to read.")
    verify.add_argument(
        "-j", "--jobs", type=int, metavar="<number>", help="Requests in flight at once."
    )
    add_verify(verify)

    sync = add("sync", "Copy what one data remote has and another lacks.", _sync, link=False)
    sync.add_argument("source", help="Remote to copy from.")
    sync.add_argument("target", help="Remote to copy to.")
    sync.add_argument(
        "-j", "--jobs", type=positive, metavar="<number>", help="Requests in flight at once."
    )
    add_rate(sync)


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `remote` names a sub-command with a function of its own")


def _verify(ctx: Context, opts: Options) -> int:
    return run_in_project(ctx, opts, REMOTE_VERIFY)


def _sync(ctx: Context, opts: Options) -> int:
    return run_in_project(ctx, opts, REMOTE_SYNC)


def _add(ctx: Context, opts: Options) -> int:
    place, name = place_of(ctx, opts), opts.name.lower()
    own = is_foreign(opts.url)
    add = own_remotes.add_own_remote if own else settings_edit.add_remote
    add(place, name, opts.url, default=opts.default, force=opts.force)
    if own:
        where = os.path.relpath(own_path(place.level, place.dvc_dir), ctx.cwd)
        ctx.ui.write(f"Remote '{name}' is kept in {where}: DVC cannot read remotes of this kind.")
    if opts.default:
        ctx.ui.write(f"Setting '{name}' as a default remote.")
    warn_of_secret(ctx, place, ("remote", name, "url"), opts.url)
    return 0


def _default(ctx: Context, opts: Options) -> int:
    if opts.unset:
        settings_edit.unset_default(place_of(ctx, opts))
        return 0
    if opts.name is not None:
        place, name = place_of(ctx, opts), opts.name.lower()
        if own_remotes.is_own(place, name):
            own_remotes.set_own_default(place, name)
        else:
            settings_edit.set_default(place, name)
        return 0
    current = _settings(ctx, opts).merged.get("core", {}).get("remote")
    if current is None:
        ctx.ui.write("No default remote set")
        return 1
    ctx.ui.write(str(current))
    return 0


def _modify(ctx: Context, opts: Options) -> int:
    place, name = place_of(ctx, opts), opts.name.lower()
    own = own_remotes.is_own(place, name)
    modify = own_remotes.modify_own_remote if own else settings_edit.modify_remote
    modify(place, name, opts.option, opts.value, unset=opts.unset, force=opts.force)
    if not opts.unset:
        warn_of_secret(ctx, place, ("remote", name, opts.option), opts.value)
    return 0


def _list(ctx: Context, opts: Options) -> int:
    settings = _settings(ctx, opts)
    default = settings.default_remote()
    for name, section in {**settings.merged.get("remote", {}), **settings.own_remotes()}.items():
        url = section.get("url") if isinstance(section, dict) else None
        if url is None:
            continue  # at one level alone a remote may have options and no URL
        shown = ctx.ui.mask(str(url), result=True)  # before it has its place in the columns
        ctx.ui.write(tabbed([name, shown, *(["(default)"] if name == default else [])]))
    return 0


def _remove(ctx: Context, opts: Options) -> int:
    place, name = place_of(ctx, opts), opts.name.lower()
    own = own_remotes.is_own(place, name)
    (own_remotes.remove_own_remote if own else settings_edit.remove_remote)(place, name)
    return 0


def _rename(ctx: Context, opts: Options) -> int:
    place, name = place_of(ctx, opts), opts.name.lower()
    own = own_remotes.is_own(place, name)
    rename = own_remotes.rename_own_remote if own else settings_edit.rename_remote
    rename(place, name, opts.new.lower())
    return 0


def _settings(ctx: Context, opts: Options) -> Settings:
    dvc_dir = dvc_dir_of(ctx.cwd)
    if opts.level is None:
        settings = load_settings(dvc_dir, check=False)
    else:
        settings = Settings([read_level(opts.level, dvc_dir)], dvc_dir)
    ctx.ui.mask.learn(settings.secret_values())
    return settings
