"""Entries of the operation log: what is written is read, and a stranger's are read with care."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.formats import oplog
from pannier.formats.oplog import (
    AsideBack,
    AsideChange,
    FileChange,
    HooksChange,
    OutputChange,
    Row,
    UnknownChange,
)
from pannier.formats.oplog_reading import parse_entry

HEAD = oplog.head_line(1.5, ["add", "data"], None)
NOW = hashlib.md5(b"now", usedforsecurity=False).hexdigest()
OTHER = hashlib.md5(b"other", usedforsecurity=False).hexdigest()

hexes = st.sampled_from([NOW, OTHER, None])
paths = st.sampled_from(["a", "b/c", "b/\u00e4", "-", "x" * 200])
rows = st.builds(Row, paths, hexes, hexes, st.sampled_from([None, "1.kept/0", "12.kept/7"]))
outputs = st.builds(
    OutputChange,
    paths,
    st.just("md5"),
    st.sampled_from([None, NOW, f"{NOW}.dir"]),
    hexes,
    st.none() | st.lists(rows, max_size=3).map(tuple),
    st.booleans(),
)
files = st.builds(
    FileChange,
    st.sampled_from(["x.dvc", "a/.gitignore", ".dvc/config", "p/dvc.lock"]),
    st.none() | st.binary(max_size=40) | st.just(b"long " * 1000),
    st.sampled_from([0o644, 0o600]),
    hexes.map(lambda name: (name,)),
)
hooks = st.builds(HooksChange, st.just(("pre-push",)), st.booleans())


def line_of(change: oplog.Change) -> bytes:
    if isinstance(change, FileChange):
        return oplog.file_line(change.path, change.was, change.mode, change.now[0])
    if isinstance(change, OutputChange):
        return oplog.output_line(change)
    assert isinstance(change, HooksChange)
    return oplog.hooks_line(change)


@settings(deadline=None)
@given(st.lists(outputs | hooks | files, max_size=4, unique_by=lambda c: getattr(c, "path", c)))
def test_an_entry_is_read_as_it_was_written(changes: list[oplog.Change]) -> None:
    text = HEAD + b"".join(map(line_of, changes)) + oplog.end_line("done")

    entry = parse_entry(text, 7)

    assert entry == oplog.Entry(7, 1.5, ("add", "data"), None, tuple(changes), "done")


@settings(deadline=None)
@given(
    st.lists(outputs | hooks | files, max_size=4, unique_by=lambda c: getattr(c, "path", c)),
    st.floats(0, 0.999),
)
def test_of_an_entry_that_was_cut_short_the_whole_lines_count(
    changes: list[oplog.Change], part: float
) -> None:
    text = b"".join([HEAD, *map(line_of, changes), oplog.end_line("done")])
    left = text[: int(len(text) * part)]

    entry = parse_entry(left, 1)

    whole = left.count(b"\n")
    assert (entry is None) == (whole == 0)
    assert entry is None or tuple(changes[: whole - 1]) == entry.changes
    assert entry is None or entry.ended == ""


def test_later_changes_of_a_file_are_one_change_with_what_was_first() -> None:
    text = HEAD + oplog.file_line("x.dvc", b"was", 0o644, NOW)
    text += oplog.hooks_line(HooksChange(("pre-push",), True))
    text += oplog.file_again_line("x.dvc", OTHER) + oplog.file_again_line("x.dvc", None)

    entry = parse_entry(text, 1)

    assert entry is not None
    assert FileChange("x.dvc", b"was", 0o644, (NOW, OTHER, None)) == entry.changes[0]
    assert 2 == len(entry.changes)


def test_a_line_of_a_kind_that_is_not_known_is_told_apart() -> None:
    entry = parse_entry(HEAD + b'{"moon":"3"}\n', 1)

    assert entry is not None
    assert (UnknownChange("moon"),) == entry.changes


@pytest.mark.parametrize("kind", [AsideChange, AsideBack])
def test_a_folder_that_made_room_is_read_as_it_was_written(
    kind: type[AsideChange] | type[AsideBack],
) -> None:
    change = kind("a/\u00e4", "17.kept/3")

    entry = parse_entry(HEAD + oplog.aside_line(change), 17)

    assert entry is not None
    assert (change,) == entry.changes


@pytest.mark.parametrize(
    "path",
    ["x.dvc", "a/b/x.dvc", ".gitignore", "a/.dvcignore", "dvc.yaml", "a/dvc.lock", ".dvc/config"],
)
def test_files_of_metadata_are_known_by_their_names(path: str) -> None:
    assert oplog.is_metadata(path)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/x.dvc",
        "../x.dvc",
        "a/../../x.dvc",
        ".git/x.dvc",
        ".git/hooks/pre-push",
        "a/.GIT/.gitignore",
        ".dvc/tmp/x.dvc",
        ".dvc/cache/dvc.lock",
        "a/.dvc/config",
        ".dvc",
        "train.py",
        "config",
        "x.dvc/data",
        "",
    ],
)
def test_no_other_file_is_metadata(path: str) -> None:
    assert not oplog.is_metadata(path)


@pytest.mark.parametrize(
    "line",
    [
        b'{"file":"../x.dvc","was":null,"mode":null,"now":null}',
        b'{"file":"train.py","was":null,"mode":null,"now":null}',
        b'{"file":"x.dvc","was":null,"mode":null,"now":"no digest"}',
        b'{"file":"x.dvc","was":{"zlib":"!"},"mode":null,"now":null}',
        b'{"file":"x.dvc","now":null}',
        b'{"file":"x.dvc","was":5,"mode":null,"now":null}',
        b'{"output":"../d","algorithm":"md5","was":null,"now":null,"rows":[]}',
        b'{"output":".git","algorithm":"md5","was":null,"now":null,"rows":[]}',
        b'{"output":"d","algorithm":"md5","was":"../x","now":null,"rows":[]}',
        b'{"output":"d","algorithm":"md5","was":null,"now":null,"rows":[["../x",null,null,null]]}',
        b'{"output":"d","algorithm":"md5","was":null,"now":null,"rows":[["x",null,null,"../y"]]}',
        b'{"output":"d","algorithm":"md5","was":null,"now":null,"rows":[["x",null,null]]}',
        b'{"aside":"../d","kept":"1.kept/0"}',
        b'{"aside":"","kept":"1.kept/0"}',
        b'{"aside":".dvc","kept":"1.kept/0"}',
        b'{"aside":"a/.dvc","kept":"1.kept/0"}',
        b'{"aside":"a/.git","kept":"1.kept/0"}',
        b'{"aside":"d","kept":"../1.kept/0"}',
        b'{"aside":"d","kept":"1.kept"}',
        b'{"back":"../d","kept":"1.kept/0"}',
        b'{"aside":"d"}',
        b"[" * 100_000,
        b"[]",
        b"null",
    ],
    ids=range(24),
)
def test_nothing_is_believed_from_a_line_that_breaks_the_rules_on(line: bytes) -> None:
    entry = parse_entry(HEAD + line + b"\n" + oplog.hooks_line(HooksChange((), True)), 1)

    assert entry is not None
    assert () == entry.changes
