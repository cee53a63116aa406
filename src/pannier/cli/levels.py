"""What commands about settings share: the level meant, secrets in a committed file, listings."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator

from pannier.cli.context import Context, Options
from pannier.cli.masking import STARS
from pannier.core.typed import Any
from pannier.formats import config_schema as schema
from pannier.project.config_files import REPO, dvc_dir_of
from pannier.project.config_write import Place, is_for_all_to_read


def place_of(ctx: Context, opts: Options) -> Place:
    """The level that a change goes to: the one named, else the project's."""
    return Place(opts.level or REPO, dvc_dir_of(ctx.cwd), ctx.cwd)


def add_force(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="Write a secret although the file is committed.",
    )


def warn_of_secret(ctx: Context, place: Place, key: tuple[str, ...], value: str | None) -> None:
    """Says so when a secret now lies in the file that is committed."""
    if not is_for_all_to_read(place, key[-1], value):
        return
    name, option = ".".join(key), key[-1]
    if key[0] == "remote":
        there = f"{ctx.program} remote modify --local {key[1]} {option} <value>"
        here = f"{ctx.program} remote modify --unset {key[1]} {option}"
    else:
        there, here = (
            f"{ctx.program} config --local {name} <value>",
            f"{ctx.program} config -u {name}",
        )
    what = "holds a password" if option == "url" else "is a secret"
    ctx.ui.warn(f"'{name}' {what}, and .dvc/config is committed to Git, where others can read it")
    ctx.ui.hint(f"keep it to yourself: {there}" + ("" if option == "url" else f"; then: {here}"))


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, text) of every option in a tree; secrets are hidden."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", STARS if key in schema.SECRETS else str(value)


def masked(value: dict[str, Any]) -> dict[str, Any]:
    """A section with its secrets hidden."""
    return {
        key: masked(inner)
        if isinstance(inner, dict)
        else (STARS if key in schema.SECRETS else inner)
        for key, inner in value.items()
    }
