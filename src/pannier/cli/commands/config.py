"""dvc config."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError

from pannier.cli.context import Context, Options
from pannier.cli.levels import add_force, flat, masked, place_of, warn_of_secret
from pannier.core.errors import ConfigError
from pannier.core.typed import Any
from pannier.formats.settings import KNOWN, parse_value
from pannier.ops import own_settings, settings_edit
from pannier.project.config_files import (
    Level,
    dvc_dir_of,
    level_path,
    own_path,
    read_level,
    read_own,
)
from pannier.project.settings import Settings, load_settings

_NAME = re.compile(r"(?:(remote|db)\.)?([^.]*)\.([^.]*)")
_OWN = "pannier."


def _key(text: str) -> tuple[str, ...]:
    if text.lower().startswith(_OWN) and len(text) > len(_OWN):
        return ("pannier", text[len(_OWN) :].lower())
    found = re.fullmatch(_NAME, text.lower())
    if found is None:
        raise ArgumentTypeError(
            "name argument should look like remote.name.option or db.name.option or section.option"
        )
    return tuple(part for part in found.groups() if part is not None)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-u", "--unset", action="store_true", help="Unset option.")
    parser.add_argument(
        "name", nargs="?", type=_key, help="Option name (section.option or remote.name.option)."
    )
    parser.add_argument("value", nargs="?", help="Option value.")
    parser.add_argument("-l", "--list", action="store_true", help="List all defined config values.")
    parser.add_argument(
        "--show-origin",
        action="store_true",
        help="Show the source file containing each config value.",
    )
    add_force(parser)


def run(ctx: Context, opts: Options) -> int:
    if opts.show_origin and (opts.unset or opts.value is not None):
        return _refuse(ctx, "--show-origin", "-u/--unset, value")
    if opts.list:
        if opts.unset or opts.name or opts.value:
            return _refuse(ctx, "-l/--list", "-u/--unset, name, value")
        return _list(ctx, opts)
    if opts.name is None:
        ctx.ui.error("name argument is required")
        return 1
    if opts.name[0] == "pannier":
        return _own(ctx, opts, opts.name[1])
    if opts.unset:
        settings_edit.unset_option(place_of(ctx, opts), opts.name)
        return 0
    if opts.value is None:
        return _show(ctx, opts)
    place = place_of(ctx, opts)
    settings_edit.set_option(place, opts.name, opts.value, force=opts.force)
    warn_of_secret(ctx, place, opts.name, opts.value)
    return 0


def _refuse(ctx: Context, option: str, others: str) -> int:
    ctx.ui.error(f"{option} can't be used together with any of these options: {others}")
    return 1


def _settings(ctx: Context, level: str | None) -> Settings:
    dvc_dir = dvc_dir_of(ctx.cwd)
    if level is None:
        settings = load_settings(dvc_dir, check=False)
    else:
        settings = Settings([read_level(level, dvc_dir)], dvc_dir)
    ctx.ui.mask.learn(settings.secret_values())
    return settings


def _show(ctx: Context, opts: Options) -> int:
    """One value, as it is: a secret is shown to who asks for it by its name."""
    settings = _settings(ctx, opts.level)
    for level in reversed(settings.levels):
        try:
            section = settings_edit.section_of(level.tree, opts.name)
            value = section[opts.name[-1]]
        except (ConfigError, KeyError):
            continue
        ctx.ui.reveal(_origin(level.shown, opts) + _text(value))
        return 0
    if opts.level is not None:
        tree = settings.levels[0].tree
        settings_edit.section_of(tree, opts.name)
        raise settings_edit.no_option(opts.name)
    return 0


def _text(value: Any) -> str:
    return str(masked(value)) if isinstance(value, dict) else str(value)


def _origin(shown: str, opts: Options) -> str:
    return f"{shown}\t" if opts.show_origin else ""


def _list(ctx: Context, opts: Options) -> int:
    settings = _settings(ctx, opts.level)
    for level in settings.levels:
        for key, value in flat(level.tree):
            ctx.ui.write(f"{_origin(level.shown, opts)}{key}={value}")
        for name, own in read_own(level.name, settings.dvc_dir).items():
            ctx.ui.write(
                f"{_origin(_own_shown(level, settings.dvc_dir), opts)}pannier.{name}={own}"
            )
    return 0


# -- pannier.* -----------------------------------------------------------------------------------


def _own(ctx: Context, opts: Options, key: str) -> int:
    if opts.unset or opts.value is not None:
        place = place_of(ctx, opts)
        if opts.unset:
            own_settings.unset_own(place, key)
        else:
            own_settings.set_own(place, key, opts.value)
        return 0
    if key not in KNOWN:
        parse_value(key, "")  # refuses what is no setting
    settings = _settings(ctx, opts.level)
    for level in reversed(settings.levels):
        found = read_own(level.name, settings.dvc_dir)
        if key in found:
            ctx.ui.write(_origin(_own_shown(level, settings.dvc_dir), opts) + str(found[key]))
            return 0
    if opts.level is not None:
        raise ConfigError(f"option '{key}' doesn't exist in section 'pannier'")
    return 0


def _own_shown(level: Level, dvc_dir: str | None) -> str:
    """Our own file of a level, named in the way of DVC's file of the same level."""
    path = own_path(level.name, dvc_dir)
    inside = level.shown != level_path(level.name, dvc_dir)
    return f".dvc/{path.rpartition('/')[2]}" if inside else path
