"""The fast text form of pointers and the YAML library never disagree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.errors import InvalidFile
from pannier.core.stage import Meta, Out, Stage
from pannier.formats import pointer, yamlio
from pannier.formats.entries import local_path, reason_against_output

FILE = "some dir/x.dvc"
COMMENT = b"# a comment makes the fast form step aside\n"

hexes = st.text("0123456789abcdef", min_size=32, max_size=32)
# Digests that YAML takes for a number: digits only, or digits around one 'e'.
odd_hexes = st.text("0123456789", min_size=32, max_size=32) | st.integers(1, 30).map(
    lambda at: "1" * at + "e" + "1" * (31 - at)
)
words = st.text("abcdeEfinltruxz0123456789._-+ ~", min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=90)
names = (words | texts | st.text("ab 0", min_size=60, max_size=90)).map(
    lambda text: text.replace("/", "_")
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def allowed(path: str) -> bool:
    return local_path(path) == path and not reason_against_output(
        path, "some dir", FILE, cache=True
    )


@st.composite
def outs(draw: st.DrawFn) -> Out:
    name = draw(hexes | odd_hexes)
    directory = draw(st.booleans())
    meta = Meta(
        draw(st.none() | st.integers(0, 10**20)),
        draw(st.integers(0, 10**9)) if directory else None,
        False if directory else draw(st.booleans()),
    )
    digest = Digest(draw(st.sampled_from([MD5, LEGACY])), name + (".dir" if directory else ""))
    return Out(path=draw(paths.filter(allowed)), digest=digest, meta=meta)


stages = st.lists(outs(), min_size=1, max_size=3).map(
    lambda drawn: Stage(file=FILE, wdir="some dir", outs=tuple(drawn))
)


def by_the_library(stage: Stage) -> bytes:
    """What ruamel.yaml makes of a stage that holds outputs only."""
    rows: list[dict[str, Any]] = []
    for out in stage.outs:
        assert out.digest
        row: dict[str, Any] = {"md5": out.digest.hex}
        row |= {} if out.meta.size_bytes is None else {"size": out.meta.size_bytes}
        row |= {} if out.meta.nfiles is None else {"nfiles": out.meta.nfiles}
        row |= {"isexec": True} if out.meta.is_exec else {}
        row |= {"hash": "md5"} if out.digest.algorithm == MD5 else {}
        rows.append(row | {"path": out.path})
    return yamlio.dump({"outs": rows})


with_the_library = settings(deadline=None, max_examples=60)  # ruamel.yaml takes its time


def stage_with(path: str, digest: str = "a" * 32) -> Stage:
    return Stage(file=FILE, wdir="some dir", outs=(Out(path, Digest(MD5, digest), Meta(1)),))


@with_the_library
@given(stages)
@example(stage_with("x" * 80))
@example(stage_with("ab " * 26 + "c"))
@example(stage_with("a", "1" * 32))
@example(stage_with("a", "1" * 15 + "e" + "1" * 16))
@example(stage_with("1e3"))
def test_a_new_pointer_is_what_the_library_writes(stage: Stage) -> None:
    assert by_the_library(stage) == pointer.dump(stage, None)


@with_the_library
@given(stages)
@example(stage_with("\x85a"))
@example(stage_with("a\x85" * 40))
@example(stage_with("\x01\x7f\x9f"))
def test_what_is_written_is_read_back(stage: Stage) -> None:
    data = pointer.dump(stage, None)

    assert stage == pointer.parse(data, FILE)
    assert stage == pointer.parse(data + COMMENT, FILE)


@with_the_library
@given(before=stages, after=stages)
@example(before=stage_with("a\x85b"), after=stage_with("a\x85b", "b" * 32))
def test_a_changed_pointer_is_what_the_library_makes_of_it(before: Stage, after: Stage) -> None:
    previous = pointer.dump(before, None)

    slow = pointer.dump(after, previous + COMMENT)

    assert slow.replace(COMMENT, b"") == pointer.dump(after, previous)
    assert after == pointer.parse(slow, FILE)


@with_the_library
@given(stages)
def test_writing_what_was_read_changes_nothing(stage: Stage) -> None:
    data = pointer.dump(stage, None)

    assert data == pointer.dump(pointer.parse(data, FILE), data)
    assert data + COMMENT == pointer.dump(pointer.parse(data + COMMENT, FILE), data + COMMENT)


values = {
    "md5": hexes | odd_hexes | st.just("'0'") | hexes.map(lambda name: name + ".dir"),
    "size": st.sampled_from(["0", "12", "010", "1e3", "x", "-1", "''"]),
    "nfiles": st.sampled_from(["0", "3", "01"]),
    "isexec": st.sampled_from(["true", "false", "yes"]),
    "hash": st.sampled_from(["md5", "sha1", "''"]),
    "path": words | st.sampled_from(["a/b", "./a", "../a", "a//b", "x.dvc", "é", ".git/x", "/a"]),
}
lines = st.sampled_from(sorted(values)).flatmap(
    lambda key: values[key].map(lambda value: f"{key}: {value}\n")
)
entries = st.lists(lines, min_size=1, max_size=6).map(lambda drawn: "- " + "  ".join(drawn))
files = st.lists(entries, min_size=1, max_size=2).map(lambda drawn: "outs:\n" + "".join(drawn))


@with_the_library
@given(files)
@example("outs:\n- md5: 10000000000000000000000000000000\n  path: a\n")
@example("outs:\n- md5: 01000000000000000000000000000000\n  path: a\n")
@example("outs:\n- md5: 1000000000000e000000000000000000\n  path: a\n")
@example("outs:\n- path: a\n  path: b\n")
@example("outs:\n- size: 1\n  hash: md5\n")
@example("outs:\n- path: 1\n")
@example("outs:\n- path: a b \n")
@example("outs:\n- path: -\n")
def test_the_fast_form_reads_what_the_library_reads(text: str) -> None:
    data = text.encode()
    try:
        expected = pointer.parse(data + COMMENT, FILE)
    except InvalidFile as error:
        expected = error.reason

    try:
        found = pointer.parse(data, FILE)
    except InvalidFile as error:
        found = error.reason

    assert expected == found


@with_the_library
@given(files, stages)
def test_a_hand_made_pointer_is_changed_as_the_library_changes_it(text: str, after: Stage) -> None:
    previous = text.encode()
    try:
        pointer.parse(previous, FILE)
    except InvalidFile:
        return

    slow = pointer.dump(after, previous + COMMENT)

    assert slow.replace(COMMENT, b"") == pointer.dump(after, previous)


@with_the_library
@given(stages, st.data())
def test_a_cut_pointer_is_never_read(stage: Stage, data: st.DataObject) -> None:
    """Every way to cut a pointer of one output, at any byte (docs/durability.md, promise 11)."""
    whole = pointer.dump(replace(stage, outs=stage.outs[:1]), None)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    try:
        read = pointer.parse(cut, FILE)
    except InvalidFile:
        return

    raise AssertionError(f"{cut!r} was read as {read}")
