"""YAML is read by the rules of YAML 1.2, within limits, and written as ruamel.yaml writes it."""

from __future__ import annotations

import datetime
import io
import math
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pannier.core.errors import InvalidFile
from pannier.formats import yamlio

SCALARS = {
    "on": "on",
    "yes": "yes",
    "y": "y",
    "no": "no",
    "true": True,
    "True": True,
    "FALSE": False,
    "tRue": "tRue",
    "null": None,
    "~": None,
    "": None,
    "1": 1,
    "-7": -7,
    "+7": 7,
    "010": 10,
    "08": 8,
    "0o17": 15,
    "0x_1F": 31,
    "0b101": 5,
    "1_000": 1000,
    "1:30": "1:30",
    "1e3": 1000.0,
    "1E-5": 1e-05,
    "1.": 1.0,
    ".5": 0.5,
    ".5e3": ".5e3",
    ".5e+3": 500.0,
    "1.5.2": "1.5.2",
    ".inf": math.inf,
    "-.INF": -math.inf,
    "inf": "inf",
    "nan": "nan",
    "344323213334552587277402700329083": 344323213334552587277402700329083,
    "12e45678901234567890123456789012": math.inf,
    "2024-01-31": datetime.date(2024, 1, 31),
    "2024-1-31": "2024-1-31",
    "2024-01-31 10:11:12": datetime.datetime(2024, 1, 31, 10, 11, 12),
    "2024-01-31T10:11:12.1234567Z": datetime.datetime(
        2024, 1, 31, 10, 11, 12, 123457, datetime.UTC
    ),
    "2024-01-31 23:59:59.9999999": datetime.datetime(2024, 2, 1),
    "'1'": "1",
    '"on"': "on",
    "!!str 1": "1",
    "!!int '1'": 1,
    "!!float 1": 1.0,
    "! 1": 1,
    "a b  c": "a b  c",
    "-": "-",
}


def load(text: str) -> Any:
    return yamlio.load(text.encode(), "file.yaml")


def refused(data: str | bytes) -> InvalidFile:
    with pytest.raises(InvalidFile) as caught:
        yamlio.load(data.encode() if isinstance(data, str) else data, "file.yaml")
    return caught.value


def ruamel_loads(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def same(one: Any, other: Any) -> bool:
    """Equal with types, order of keys and NaN taken seriously."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(a, b) and same(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)


@pytest.mark.parametrize("text", [text for text in SCALARS if text != "-"])
def test_a_scalar_means_what_yaml_1_2_says_and_dvc_reads(text: str) -> None:
    document = f"k: {text}\n"

    assert same({"k": SCALARS[text]}, load(document))
    assert same(ruamel_loads(document), load(document))


plain = st.text(st.sampled_from("-+.0123456789eExobaf_:nNuUlLtTrRiIsSzZ ~"), max_size=12)


@given(plain.filter(lambda text: text == text.strip()))
def test_any_plain_scalar_is_read_as_ruamel_reads_it(text: str) -> None:
    document = f"k: {text}\n"
    try:
        expected = ruamel_loads(document)
    except (YAMLError, ValueError):
        assert refused(document)
        return

    assert same(expected, load(document))


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
    | st.sampled_from(["on", "1e3", "010", "null", "~", "=", "<<", "", " ", "a: b", "# c"])
    | st.dates()
)
documents = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdef01 ", max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(documents)
def test_what_is_dumped_is_read_back(value: Any) -> None:
    assume(isinstance(value, dict | list))  # pointers, pipelines and locks are never bare scalars

    assert same(value, yamlio.load(yamlio.dump(value), "file.yaml"))


@given(documents)
def test_any_document_is_read_as_ruamel_reads_it(value: Any) -> None:
    text = yamlio.dump({"k": value}).decode()

    assert same(ruamel_loads(text), load(text))


def test_aliases_and_merge_keys_are_followed() -> None:
    text = "a: &x {q: 1, w: 2}\nb: &y {q: 2, e: 4}\nc:\n  p: 1\n  <<: [*x, *y]\n  w: 9\nd: *x\n"

    assert {
        "a": {"q": 1, "w": 2},
        "b": {"q": 2, "e": 4},
        "c": {"q": 1, "e": 4, "w": 9, "p": 1},
        "d": {"q": 1, "w": 2},
    } == load(text)
    assert same(ruamel_loads(text), load(text))


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n...\n"])
def test_an_empty_document_is_none(text: str) -> None:
    assert load(text) is None


@pytest.mark.parametrize("text", ["a: x\x85b\n", "a: x\u2028b\n", "%YAML 1.1\n---\na: on\n"])
def test_what_libyaml_reads_otherwise_is_read_as_by_dvc(text: str) -> None:
    assert same(ruamel_loads(text), load(text))


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ("a: b: c\n", "mapping values are not allowed here", 1, 5),
        ("a: [1\n", "expected ',' or ']', but got '<stream end>'", 2, 1),
        ("a: 1\nb: 2\na: 3\n", 'found duplicate key "a"', 3, 1),
        ("a: {1: x, true: y}\n", 'found duplicate key "True"', 1, 11),
        ("<<: {a: 1}\n<<: {b: 1}\n", 'found duplicate key "<<"', 2, 1),
        ("a: *b\n", "found undefined alias 'b'", 1, 4),
        ("a: &b [*b]\n", "found undefined alias 'b'", 1, 8),
        ("a: &b 1\nc: &b [*b]\n", "found undefined alias 'b'", 2, 8),
        ("? {a: 1}\n: 2\n", "found unhashable key", 1, 8),
        ("a: !x 1\n", "could not determine a constructor for the tag '!x'", 1, 4),
        ("a: !!python/object:os.system {}\n", "the tag 'tag:yaml.org,2002:python/object:os", 1, 4),
        ("<<: 3\n", "expected a mapping or a list of mappings to merge", 1, 5),
        ("a: 2024-99-99\n", "month must be in 1..12", 1, 4),
        ("a: +_\n", "cannot read an integer of 0 digits", 1, 4),
        ("a: 1\n---\nb: 1\n", "expected a single document, but found another", 2, 1),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, reason: str, line: int, column: int) -> None:
    error = refused(text)

    assert reason in error.reason
    assert (line, column) == (error.line, error.column)


def test_merge_conflict_marks_are_named() -> None:
    error = refused("a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> other\n")

    assert ("it holds the marks of a merge conflict", 2) == (error.reason, error.line)
    assert error.hint


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    error = refused(b"a: 1\nb: \xff\n")

    assert ("it is not UTF-8", 2) == (error.reason, error.line)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x7f"])
def test_a_forbidden_character_is_refused(character: str) -> None:
    error = refused(f"a: 1\nb: '{character}'\n")

    assert (f"the character #x{ord(character):04x} is not allowed", 2) == (error.reason, error.line)


@pytest.mark.parametrize("text", ["[" * 65, "- " * 65 + "x", "[" * 100_000])
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    assert "nested deeper than 64 levels" in refused(text).reason
    assert load("[" * 64 + "]" * 64)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    assert "its aliases stand for too many values" == refused("\n".join(lines)).reason


def test_many_uses_of_one_anchor_are_no_bomb() -> None:
    text = "a: &a [" + "x, " * 99 + "x]\n" + "".join(f"b{n}: *a\n" for n in range(500))

    assert 501 == len(load(text))


def test_a_file_that_is_too_big_is_refused() -> None:
    assert "bigger than 16777216 bytes" in refused(b"#" * (16 * 1024 * 1024 + 1)).reason


@pytest.mark.long
def test_too_many_values_are_refused() -> None:
    assert "more than 2000000 values" in refused("[" + "x," * 2_000_001 + "]").reason


def test_the_place_of_a_key_is_found_for_messages() -> None:
    data = b"# c\nouts:\n- path: a\n- path: b\n  size: 1\n"

    assert 2 == yamlio.line_of(data, ("outs",))
    assert 5 == yamlio.line_of(data, ("outs", 1, "size"))
    assert (4, 3) == yamlio.position_of(data, ("outs", 1, "md5"))
    assert (3, 3) == yamlio.position_of(data, ("outs", 0, "path"))
    assert yamlio.line_of(b"a: [", ("a",)) is None


def test_a_dump_looks_like_a_file_of_dvc() -> None:
    value = {"outs": [{"path": "é", "n": None, "list": [], "f": 1e-05}], "on": "true", "s": "a: b"}

    assert (
        "outs:\n- path: é\n  n:\n  list: []\n  f: 1e-05\non: 'true'\ns: 'a: b'\n"
    ).encode() == yamlio.dump(value)


def test_an_edit_keeps_comments_order_and_flow_style() -> None:
    data = textwrap.dedent(
        """\
        # top
        b: [1, 2]  # two
        a:
        # inside
        - x: 'q'  # quoted
          y: 2
        """
    )

    def change(root: Any) -> None:
        root["a"][0]["y"] = 3
        root["c"] = "on"

    assert (
        b"# top\nb: [1, 2]  # two\na:\n# inside\n- x: q    # quoted\n  y: 3\nc: on\n"
    ) == yamlio.edit(data.encode(), change)


def test_an_edit_that_changes_nothing_writes_what_dvc_would_write() -> None:
    text = "# c\na:   {x: 1,   y: [2]}\n\nb: |\n  text\n"
    expected = io.BytesIO()
    library = YAML()
    library.dump(library.load(text), expected)

    assert expected.getvalue() == yamlio.edit(text.encode(), lambda root: None)


@pytest.mark.parametrize("before", [b"", b"\n", b"# note\n", b"# note"])
def test_an_edit_of_an_empty_file_keeps_its_comments(before: bytes) -> None:
    def change(root: Any) -> None:
        root["a"] = 1

    comment = b"# note\n" if before.strip() else before
    assert comment + b"a: 1\n" == yamlio.edit(before, change)


def test_an_edit_of_a_broken_file_says_where_it_is_broken() -> None:
    with pytest.raises(InvalidFile) as caught:
        yamlio.edit(b"a: 1\na: 2\n", lambda root: None, "x.yaml")

    assert ("x.yaml", 2) == (caught.value.path, caught.value.line)


def test_neither_library_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, pannier.formats.pointer as p, pannier.formats.ignore\n"
        "p.parse(b'outs:\\n- md5: 344fd2323dd33d5c058b7cf27de029e8\\n  size: 8\\n  hash: md5\\n'"
        "b'  path: f\\n', 'f.dvc')\n"
        "print([m for m in ('yaml', 'ruamel.yaml', 'pathspec') if m in sys.modules])\n"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout

    assert b"[]\n" == printed
