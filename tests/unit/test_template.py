"""Expressions: `${...}` in a text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.core.errors import InvalidFile
from pannier.formats import template
from pannier.formats.template import CommandStyle, Resolver, Unresolved

NAMES = st.text(st.sampled_from("abz09_-é $:/'\""), min_size=1, max_size=6).filter(
    lambda name: name == name.strip()
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
TEXTS = st.text(st.sampled_from("ab${}\\\n. [0]"), max_size=40)
untimed = settings(deadline=None)


def resolver(style: CommandStyle | None = None) -> Resolver:
    return Resolver("dvc.yaml", b"stages:\n  a:\n    cmd: x\n", style or CommandStyle())


def resolve(text: Any, variables: dict[str, Any], **options: Any) -> Any:
    return resolver().value(text, variables, "stages.a.desc", ("stages", "a", "cmd"), **options)


def command(text: str, variables: dict[str, Any], style: CommandStyle | None = None) -> Any:
    place = ("stages", "a", "cmd")
    return resolver(style).command(text, variables, "stages.a.cmd", place)


def leaves(node: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every value within node and an expression for it, in both spellings of a part."""
    items: Any = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    found = [(path, node)] if path else []
    for key, item in items:
        found += leaves(item, f"{path}[{key}]" if path and len(path) % 2 else f"{path}.{key}")
    return [(name.removeprefix("."), value) for name, value in found]


@untimed
@given(text=TEXTS)
def test_the_pieces_of_a_text_make_the_text(text: str) -> None:
    pieces = list(template.split(text))

    assert text == "".join(p if isinstance(p, str) else "${" + p[0] + "}" for p in pieces)


@untimed
@given(text=TEXTS)
def test_an_expression_ends_at_the_first_brace_of_its_line(text: str) -> None:
    for piece in template.split(text):
        if not isinstance(piece, str):
            assert not set(piece[0]) & set("}\n")


@untimed
@given(text=st.text(max_size=30).filter(lambda text: "${" not in text))
def test_a_text_without_expressions_stays(text: str) -> None:
    assert text == resolve(text, {})


@untimed
@given(variables=st.dictionaries(NAMES, VALUES, max_size=4))
def test_every_value_can_be_named_and_keeps_its_type(variables: dict[str, Any]) -> None:
    for name, value in leaves(variables):
        assert value is resolve("${" + name + "}", variables, collections=True)


@untimed
@given(
    variables=st.dictionaries(NAMES, VALUES, max_size=4), before=st.sampled_from(["", "x ", "$"])
)
def test_within_a_text_a_scalar_is_written_out(variables: dict[str, Any], before: str) -> None:
    for name, value in leaves(variables):
        if not isinstance(value, list | dict):
            shown = template.to_text(value).replace("\\${", "${")
            assert f"{before}{shown}!" == resolve(before + "${" + name + "}!", variables)


def test_a_boolean_is_written_in_small_letters() -> None:
    assert "true false None" == resolve("${t} ${f} ${n}", {"t": True, "f": False, "n": None})


def test_an_escaped_expression_loses_its_backslash() -> None:
    assert "${x} 1 \\ $x" == resolve("\\${x} ${x} \\ $x", {"x": 1})


def test_a_value_that_holds_an_expression_is_not_looked_at_again() -> None:
    assert "${y}" == resolve("${x}", {"x": "${y}", "y": 1})


def test_keys_of_mappings_are_replaced_too() -> None:
    assert {"1": ["a", {"true": None}]} == resolve(
        {"${x}": ["${y}", {"${z}": None}]}, {"x": 1, "y": "a", "z": True}
    )


def test_what_is_not_there_is_named_in_the_words_of_dvc() -> None:
    with pytest.raises(Unresolved) as caught:
        resolve("x ${ d.nope [ 0 ] }", {"d": {}})

    assert "failed to parse 'stages.a.desc' in 'dvc.yaml': Could not find ' d.nope . 0 '" == str(
        caught.value
    )
    assert ("dvc.yaml", 3) == (caught.value.path, caught.value.line)


@pytest.mark.parametrize("text", ["", "a..b", "a.", ".a", "[a]", "a[b", "a]", "a.[b]", "a[b]c"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Unresolved, match="is not a name in the variables"):
        resolve("${" + text + "}", {"a": {"b": 1}})


@pytest.mark.parametrize(("kind", "value"), [("list", [1]), ("dict", {"k": 1})])
def test_a_collection_has_no_place_in_a_text(kind: str, value: Any) -> None:
    for text in ("${x}", "say ${x}"):
        with pytest.raises(Unresolved, match=f"Cannot interpolate data of type '{kind}'"):
            resolve(text, {"x": value})


def test_a_mapping_in_a_command_becomes_options() -> None:
    value = {
        "lr": 0.1,
        "on": True,
        "off": False,
        "l": [1, "a b"],
        "none": [],
        "n": {"m": {"k": ""}},
    }

    assert "run --lr 0.1 --on --l 1 'a b' --n.m.k '' ." == command("run ${x} .", {"x": value})


def test_settings_say_how_false_and_lists_become_options() -> None:
    style = CommandStyle(bools="boolean_optional", lists="append")
    value = {"on": True, "off": False, "l": [1, "a b"]}

    assert "run --on --no-off --l 1 --l 'a b'" == command("run ${x}", {"x": value}, style)


def test_an_option_name_cannot_run_a_program() -> None:
    assert "run '--a;touch p' 1" == command("run ${x}", {"x": {"a;touch p": 1}})


def test_a_list_within_a_list_is_no_option() -> None:
    with pytest.raises(Unresolved, match=r"Cannot interpolate nested iterable in 'n\.l'"):
        command("run ${x}", {"x": {"n": {"l": [[1]]}}})


@pytest.mark.parametrize("text", ["${" * 3_000_000, "${\n" * 300_000, "${a} " * 100_000 + "${"])
def test_a_hostile_text_is_split_in_linear_time(text: str) -> None:
    """Quadratic, each would take minutes."""
    assert len(text) == sum(
        len(piece) if isinstance(piece, str) else len(piece[0]) + 3
        for piece in template.split(text)
    )


def test_a_small_text_cannot_stand_for_a_huge_one() -> None:
    text = "${x}" * 1000
    one = resolver()

    with pytest.raises(InvalidFile, match="more than 67108864 characters"):
        one.value(text, {"x": "a" * 100_000}, "vars", ("stages",))


def test_a_small_structure_cannot_stand_for_a_huge_one() -> None:
    row = ["a"] * 100_000
    one = resolver()

    with pytest.raises(InvalidFile, match="more than 2000000 values"):
        one.value([row] * 25, {}, "vars", ("stages",))
