"""Parameter files, and what changed in them."""

from __future__ import annotations

import builtins
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.core.errors import InvalidFile
from pannier.formats import values

NAMES = st.text(st.sampled_from("abc_é "), min_size=1, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
PARAMS = st.dictionaries(NAMES, VALUES, max_size=5)
untimed = settings(deadline=None)


def paths(node: Any, path: str = "") -> list[str]:
    """The dotted name of every value within node."""
    if isinstance(node, dict):
        items = [(str(key), item) for key, item in node.items()]
    elif isinstance(node, list):
        items = [(str(index), item) for index, item in enumerate(node)]
    else:
        items = []
    return [path[1:]] * bool(path) + [
        found for key, item in items for found in paths(item, f"{path}.{key}")
    ]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("p.yaml", b"a: {b: [1, 2.5]}\nc: on\n"),
        ("p.yml", b"a: {b: [1, 2.5]}\nc: on\n"),
        ("p.json", b'{"a": {"b": [1, 2.5]}, "c": "on"}'),
        ("p.toml", b"c = 'on'\n[a]\nb = [1, 2.5]\n"),
        ("p.py", b"class a:\n    b = (1, 2.5)\nc = 'on'\n"),
        ("p.txt", b"a: {b: [1, 2.5]}\nc: on\n"),
        ("params", b"a: {b: [1, 2.5]}\nc: on\n"),
        ("UPPER.JSON", b'{"a": {"b": [1, 2.5]}, "c": "on"}'),
    ],
)
def test_the_extension_says_how_a_file_is_read(path: str, data: bytes) -> None:
    assert {"a": {"b": [1, 2.5]}, "c": "on"} == values.load_params(data, path)


@pytest.mark.parametrize("path", ["p.yaml", "p.toml", "p.py"])
def test_an_empty_file_holds_nothing(path: str) -> None:
    assert {} == values.load_params(b"", path)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("p.yaml", b"a: [\n"),
        ("p.yaml", b"- 1\n"),
        ("p.yaml", b"\xff"),
        ("p.json", b""),
        ("p.json", b"[1]"),
        ("p.json", b"\xff{}"),
        ("p.json", b"[" * 200_000),
        ("p.toml", b"a = \n"),
        ("p.toml", b"a = 1\na = 2\n"),
        ("p.toml", b"a = " + b"[" * 100_000),
        ("p.py", b"a = \n"),
        ("p.py", b"\xff"),
        ("p.py", b"a = 1\0"),
        ("p.py", b"a = " + b"(" * 100_000),
        ("p.py", b"a = " + b"-" * 100_000 + b"1"),
    ],
)
def test_what_cannot_be_read_is_named(path: str, data: bytes) -> None:
    with pytest.raises(InvalidFile) as caught:
        values.load_params(data, path)

    assert path == caught.value.path


def test_a_fault_has_its_line() -> None:
    for path, data in {"p.json": b'{\n"a": }', "p.py": b"a = 1\nb =\n"}.items():
        with pytest.raises(InvalidFile) as caught:
            values.load_params(data, path)

        assert 2 == caught.value.line


def test_python_is_read_and_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    source = b"import pannier_is_not_imported\nopen('pwned', 'w')\na = open('pwned', 'w')\nb = 2\n"
    monkeypatch.delattr(builtins, "open")

    assert {"b": 2} == values.load_params(source, "p.py")


@untimed
@given(params=PARAMS)
def test_no_names_select_the_whole_file(params: dict[str, Any]) -> None:
    assert (params, []) == values.select(params, ())


@untimed
@given(params=PARAMS)
def test_every_value_is_found_by_its_dotted_name(params: dict[str, Any]) -> None:
    names = paths(params)

    found, missing = values.select(params, names)

    assert [] == missing
    assert sorted(set(names)) == sorted(found)


def test_names_that_lead_nowhere_are_missing_in_the_order_asked() -> None:
    params = {"l": [{"k": 1}, 5], "s": "abc", "n": None, "a.b": 1}
    names = ["z", "l.9", "l[0]", "s.0", "n.x", "a.b", "l.x"]

    assert ({}, names) == values.select(params, names)


def test_list_items_count_from_either_end_and_keys_may_be_numbers() -> None:
    params = {"l": [{"k": 1}, 5], 7: {True: "x"}}

    assert {"l.-1": 5, "l.0.k": 1, "7.True": "x"} == values.select(
        params, ["l.-1", "l.0.k", "7.True"]
    )[0]


@untimed
@given(params=PARAMS, data=st.data())
def test_what_was_just_recorded_has_not_changed(
    params: dict[str, Any], data: st.DataObject
) -> None:
    wanted = data.draw(st.lists(st.sampled_from(paths(params)), max_size=4)) if params else []
    locked, _ = values.select(params, wanted)

    assert {} == values.diff_params(locked, params, wanted)


@untimed
@given(before=PARAMS, after=PARAMS)
def test_a_whole_file_differs_in_exactly_the_keys_that_differ(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    states = values.diff_params(before, after, ())

    for key in before.keys() | after.keys():
        if key not in before:
            assert "new" == states[key]
        elif key not in after:
            assert "deleted" == states[key]
        else:
            assert (before[key] != after[key]) == (states.get(key) == "modified")


def test_only_what_is_wanted_is_compared() -> None:
    locked = {"a": 1, "b.c": 2, "gone": 3, "other": 4}
    now = {"a": 2, "b": {"c": 2, "d": 5}, "z": 6}

    assert {"a": "modified", "gone": "deleted", "b.d": "new", "nowhere": "deleted"} == (
        values.diff_params(locked, now, ["a", "b.c", "gone", "b.d", "nowhere"])
    )


def test_numbers_compare_by_value_and_mappings_without_order() -> None:
    locked = {"f": 1.0, "t": 1, "m": {"x": 1, "y": 2}, "l": [1, 2]}
    now = {"f": 1, "t": True, "m": {"y": 2, "x": 1}, "l": [2, 1]}

    assert {"l": "modified"} == values.diff_params(locked, now, ())


def test_a_value_that_is_no_number_is_the_same_as_itself() -> None:
    """Else a stage of such a parameter would never be as it was recorded."""
    now = {"n": float("nan"), "l": [{"x": float("nan")}]}

    assert {} == values.diff_params({"n": math.nan, "l": [{"x": math.nan}]}, now, ["n", "l"])
    assert {"n": "modified"} == values.diff_params({"n": 1.0, "l": now["l"]}, now, ["n", "l"])


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("p.json", b"[" * 100 + b"]" * 100),
        ("p.json", b'{"a":' * 100 + b"1" + b"}" * 100),
        ("p.toml", b".".join([b"a"] * 100) + b" = 1"),
        ("p.yaml", b"[" * 100 + b"]" * 100),
    ],
)
def test_no_file_is_nested_deeper_than_what_reads_its_values_can_go(path: str, data: bytes) -> None:
    with pytest.raises(InvalidFile, match="nested deeper than"):
        values.load_any(data, path)
