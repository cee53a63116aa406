"""Lock files: read, applied, written and updated."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.errors import InvalidFile
from pannier.core.stage import Dep, Meta, Out, ParamsDep, Stage
from pannier.formats import lock_text, lockfile, yamlio

A, B, C = "a" * 32, "b" * 31 + "1", "c" * 31 + "0"
LOCK = f"""\
schema: '2.0'
stages:
  train:
    cmd: python train.py
    deps:
    - path: in.txt
      hash: md5
      md5: {A}
      size: 3
    params:
      params.yaml:
        lr: 0.1
        train.epochs: 3
      other.toml:
        a: 1
    outs:
    - path: model
      hash: md5
      md5: {B}.dir
      size: 3
      nfiles: 1
    - path: run.sh
      hash: md5
      md5: {C}
      size: 5
      isexec: true
"""
# As DVC 3.67.1 wrote it, for what needs servers: docs/formats.md, sections 9 and 12.
REMOTE = f"""\
schema: '2.0'
stages:
  s:
    cmd: echo 1 > o
    deps:
    - path: ds://d1
      dataset:
        name: d1
        url: ../src
        type: dvc
        path: f
        rev: v1
        rev_lock: 9e0d31edba4fff5eaeb11dc5b64ea4fd168fb23f
    - path: http://127.0.0.1:18999/x.txt
      hash: md5
      checksum: '"abc123"'
      size: 3
    - path: old
      md5: {A}
      size: 1
    - path: s3://bucket/key
      hash: md5
      etag: d41d8cd98f
      size: 4
      version_id: v7
    outs:
    - path: f
      hash: md5
      md5: {A}
      size: 2
      cloud:
        vs3:
          etag: {A}
          version_id: 2da7f10b
    - path: tree
      hash: md5
      files:
      - relpath: a
        md5: b026324c6904b2a9cb4b88d6d61c81d1
        size: 2
        cloud:
          vs3:
            etag: b026324c6904b2a9cb4b88d6d61c81d1
            version_id: 345718ea
      - relpath: b
        md5: 26ab0db90d72e28ad0ba1e22ee510510
        size: 2
    - path: unknown
      hash: md5
"""
REMOTE_STAGE = Stage(
    "dvc.yaml",
    "s",
    cmd="echo 1 > o",
    deps=tuple(
        Dep(path) for path in ("ds://d1", "http://127.0.0.1:18999/x.txt", "old", "s3://bucket/key")
    ),
    outs=tuple(Out(path) for path in ("unknown", "f", "tree")),
)
TRAIN = Stage(
    "dvc.yaml",
    "train",
    cmd="python train.py",
    deps=(Dep("in.txt"), Dep("new.txt")),
    outs=(Out("run.sh", cache=False), Out("model", extra={"desc": "d"}), Out("later")),
    params=(ParamsDep("params.yaml", ("train.epochs", "x")), ParamsDep("no.json")),
)

WORDS = st.sampled_from(
    "python train.py|a: b|a #b|- x|? x|yes|null|1|1e5|0x1f|2020-01-01|~|'q'|\"q\"| lead|trail |a\nb"
    "|[x]|{x}|&a|*a|!t|%p|@x|`x|...|---|=|<<|é|😀|tab\tx|a:|:a|a,b|#c|x"
    "|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "|echo 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 012|a  b|\\|/|.|_|a'b"
    "|.inf|1_0|1:30|+1|-1|0o7|on|x y".split("|")
)
TEXTS = WORDS | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
KEYS = TEXTS.filter(lambda text: 0 < len(text.strip()) == len(text) < 60 and text != "<<")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.fixed_dictionaries({"path": TEXTS, "size": st.integers(0)})
ENTRIES = st.fixed_dictionaries(
    {"cmd": TEXTS | st.lists(TEXTS, min_size=1, max_size=3)},
    optional={
        "deps": st.lists(
            st.fixed_dictionaries({"path": TEXTS, "size": st.integers(0)}), min_size=1
        ),
        "params": st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=2),
    },
)
STAGES = st.dictionaries(KEYS, ENTRIES, min_size=1, max_size=3)
emitting = settings(deadline=None, max_examples=60)  # ruamel.yaml needs 2 ms an entry


def parse(text: str) -> dict[str, lockfile.LockedStage]:
    return lockfile.parse(text.encode(), "dvc.lock")


def test_an_entry_gives_digests_sizes_command_and_values() -> None:
    train = lockfile.apply(TRAIN, parse(LOCK)["train"])

    assert "python train.py" == train.cmd_locked
    assert (Dep("in.txt", Digest(MD5, A), meta=Meta(3)), Dep("new.txt")) == train.deps
    assert (
        Out("run.sh", Digest(MD5, C), Meta(5, None, True), cache=False),
        Out("model", Digest(MD5, f"{B}.dir"), Meta(3, 1), extra={"desc": "d"}),
        Out("later"),
    ) == train.outs
    assert (
        ParamsDep("params.yaml", ("train.epochs", "x"), {"train.epochs": 3}),
        ParamsDep("no.json"),
    ) == train.params


def test_a_stage_without_an_entry_knows_nothing() -> None:
    assert TRAIN is lockfile.apply(TRAIN, None)


def test_the_whole_of_a_parameter_file_is_taken_when_no_names_are_wanted() -> None:
    stage = replace(TRAIN, params=(ParamsDep("params.yaml"),))

    applied = lockfile.apply(stage, parse(LOCK)["train"])

    assert {"lr": 0.1, "train.epochs": 3} == applied.params[0].locked


def test_a_list_of_commands_stays_one() -> None:
    locked = parse("schema: '2.0'\nstages:\n  a:\n    cmd:\n    - x\n    - y\n")["a"]

    assert ("x", "y") == locked.cmd


def test_an_entry_without_a_hash_name_is_of_the_old_kind() -> None:
    text = f"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: o\n      md5: {A}\n"

    locked = parse(text)["a"]

    assert Digest(LEGACY, A) == locked.outs["o"].digest


def test_a_digest_of_digits_alone_may_stand_without_quotes() -> None:
    """YAML makes a number of it."""
    digits = "1" * 32
    text = (
        f"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    deps:\n    - path: i\n      md5: {digits}\n"
    )

    assert Digest(LEGACY, digits) == parse(text)["a"].deps["i"].digest


def test_remote_checksums_versions_and_datasets_are_written_back_as_they_were() -> None:
    stage = lockfile.apply(REMOTE_STAGE, parse(REMOTE)["s"])
    other = parse(REMOTE.replace("etag: d41d8cd98f", "etag: changed"))["s"]
    manifest = (
        b'[{"md5": "b026324c6904b2a9cb4b88d6d61c81d1", "relpath": "a"}, '
        b'{"md5": "26ab0db90d72e28ad0ba1e22ee510510", "relpath": "b"}]'
    )

    assert ("checksum", '"abc123"') == stage.deps[1].checksum
    assert ("etag", "d41d8cd98f") == stage.deps[3].checksum
    assert Digest(MD5, hashlib.md5(manifest).hexdigest() + ".dir") == stage.outs[2].digest
    assert REMOTE.encode() == lockfile.update(None, {"s": lockfile.entry(stage)})
    assert "changed" == lockfile.entry(lockfile.apply(stage, other))["deps"][3]["etag"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("# comment\n", "it is empty"),
        ("train:\n  cmd: x\n", "extra keys not allowed, in train"),
        ("stages: {}\n", "required key not provided, in schema"),
        ("schema: '1.0'\n", "invalid schema version, in schema"),
        ("schema: 2.0\n", "invalid schema version"),
        ("schema: '2.0'\nstages:\n", "expected a dictionary, in stages"),
        ("schema: '2.0'\nfoo: 1\n", "extra keys not allowed, in foo"),
        ("schema: '2.0'\nstages:\n  a:\n", "expected a dictionary, in stages -> a"),
        ("schema: '2.0'\nstages:\n  1:\n    cmd: x\n", "expected str, in stages -> 1"),
        ("schema: '2.0'\nstages:\n  a:\n    outs: []\n", "required key not provided"),
        ("schema: '2.0'\nstages: {a: {cmd: 5}}\n", "expected str"),
        ("schema: '2.0'\nstages: {a: {cmd: [5]}}\n", "expected str"),
        ("schema: '2.0'\nstages: {a: {cmd: x, frozen: true}}\n", "extra keys not allowed"),
        ("schema: '2.0'\nstages: {a: {cmd: x, params: [a]}}\n", "expected a dictionary"),
        ("schema: '2.0'\nstages: {a: {cmd: x, params: {p: 1}}}\n", "expected a dictionary"),
        ("schema: '2.0'\nstages: {a: {cmd: x, params: {1: {}}}}\n", "expected str"),
        ("schema: '2.0'\nstages: {a: {cmd: x, outs: }}\n", "expected a list"),
        ("schema: '2.0'\nstages: {a: {cmd: x, outs: [o]}}\n", "outs -> 0"),
        ("schema: '2.0'\nstages: {a: {cmd: x, outs: [{md5: abc}]}}\n", "outs -> 0 -> path"),
        ("schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: o, cache: true}]}}\n", "-> cache"),
        ("schema: '2.0'\nstages: {a: {cmd: x, deps: [{path: o, repo: {}}]}}\n", "-> repo"),
        ("schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: o, size: x}]}}\n", "expected int"),
        ("schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: o, md5: ab}]}}\n", "not a valid"),
        ("schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: o, cloud: {r: {q: 1}}}]}}\n", "-> q"),
        (LOCK[:-1], "its last line has no end"),
        (LOCK + LOCK, "duplicate key"),
        ("<<<<<<< HEAD\n" + LOCK, "marks of a merge conflict"),
    ],
)
def test_what_is_no_lock_file_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        parse(text)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    "digest", ["../../../../etc/passwd", "x" * 32, A[:-1], A + "0", A + ".dirx", "7", "[1, 2, 3]"]
)
@pytest.mark.parametrize(
    "item", ["outs: [{path: o, md5: MD5}]", "deps: [{path: o, md5: MD5, hash: md5}]"]
)
def test_no_digest_of_a_lock_file_can_become_a_path(digest: str, item: str) -> None:
    text = f"schema: '2.0'\nstages: {{a: {{cmd: x, {item.replace('MD5', digest)}}}}}\n"

    with pytest.raises(InvalidFile):
        parse(text)


@pytest.mark.parametrize(
    "row", ["relpath: ../x", "relpath: /x", "relpath: x, md5: zz", "md5: abc", "relpath: a/.git/x"]
)
def test_no_member_of_a_versioned_directory_can_leave_it(row: str) -> None:
    text = f"schema: '2.0'\nstages: {{a: {{cmd: x, outs: [{{path: o, files: [{{{row}}}]}}]}}}}\n"

    with pytest.raises(InvalidFile):
        parse(text)


@pytest.mark.parametrize("size", range(0, len(LOCK) - 1, 7))
def test_a_cut_lock_file_never_passes_for_whole_within_a_line(size: int) -> None:
    if LOCK[:size].endswith("\n"):
        size += 1

    with pytest.raises(InvalidFile):
        parse(LOCK[:size])


def test_bytes_out_of_git_are_known_to_be_whole() -> None:
    assert parse(LOCK) == lockfile.parse(LOCK[:-1].encode(), "dvc.lock", whole=True)


def test_items_and_parameters_are_written_in_order() -> None:
    stage = Stage(
        "dvc.yaml",
        "s",
        cmd=("x", "y"),
        deps=(Dep("b"), Dep("B"), Dep("a/c"), Dep("a-b")),
        outs=(Out("z"), Out("m", kind="metric")),
        params=(
            ParamsDep("z.yaml", locked={"b": 1, "a": {"z": 1, "y": 2}}),
            ParamsDep("A.json", locked={}),
            ParamsDep("unread.toml", ("a",)),
            ParamsDep("params.yaml", locked={"x": 1}),
        ),
    )

    entry = lockfile.entry(stage)

    assert ["cmd", "deps", "params", "outs"] == list(entry)
    assert ["x", "y"] == entry["cmd"]
    assert ["B", "a-b", "a/c", "b"] == [item["path"] for item in entry["deps"]]
    assert ["m", "z"] == [item["path"] for item in entry["outs"]]
    assert ["params.yaml", "A.json", "z.yaml"] == list(entry["params"])
    assert [("a", {"z": 1, "y": 2}), ("b", 1)] == list(entry["params"]["z.yaml"].items())


def test_a_stage_with_a_command_alone_has_an_entry() -> None:
    assert {"cmd": "x"} == lockfile.entry(Stage("dvc.yaml", "s", cmd="x"))


@pytest.mark.parametrize("value", [date(2020, 1, 1), {"a": [date(2020, 1, 1)]}, {1}, b"x"])
def test_a_value_without_a_form_in_the_lock_file_is_refused(value: Any) -> None:
    stage = replace(TRAIN, params=(ParamsDep("params.yaml", locked={"t": value}),))

    with pytest.raises(InvalidFile, match="cannot be recorded"):
        lockfile.entry(stage)


def test_keys_without_an_order_are_refused() -> None:
    stage = replace(TRAIN, params=(ParamsDep("params.yaml", locked={"a": 1, 1: 2}),))

    with pytest.raises(InvalidFile, match="have no order"):
        lockfile.entry(stage)


@emitting
@given(stages=STAGES)
@example(stages={"s": {"cmd": "x", "params": {"p": {"a": [[1, [2]], {"b": []}], "c": {}}}}})
def test_every_entry_is_written_as_the_yaml_library_writes_it(stages: dict[str, Any]) -> None:
    for name, entry in stages.items():
        whole = yamlio.dump({"stages": {name: entry}})

        assert whole == b"stages:\n" + lock_text.render(name, entry)


@emitting
@given(text=st.text(st.sampled_from("aE1+_ .:#-/'\"{}[],&*!|>%@`~=?\\"), min_size=1, max_size=90))
def test_every_command_is_written_as_the_yaml_library_writes_it(text: str) -> None:
    whole = yamlio.dump({"stages": {"s": {"cmd": text}}})

    assert whole == b"stages:\n" + lock_text.render("s", {"cmd": text})


@pytest.mark.parametrize("length", [*range(56, 80), 128, 129])
def test_long_lines_are_folded_as_the_yaml_library_folds_them(length: int) -> None:
    """Each alone: one that needs folding takes its whole entry to the library."""
    word = "a" * length
    for value in (word, f"x {word}", [word], [f"x {word}"], {word: 1}, {word: "x"}, [{word: 1}]):
        entry = {"cmd": value}
        whole = yamlio.dump({"stages": {"s": entry}})

        assert whole == b"stages:\n" + lock_text.render("s", entry)


@emitting
@given(stages=STAGES)
def test_a_new_lock_file_reads_as_what_was_written(stages: dict[str, Any]) -> None:
    written = lockfile.update(None, stages)

    assert {"schema": "2.0", "stages": stages} == yamlio.load(written, "dvc.lock")


@emitting
@given(before=STAGES, after=STAGES)
def test_an_update_replaces_in_place_and_puts_new_entries_last(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    previous = lockfile.update(None, before)

    updated = lockfile.update(previous, after)

    assert updated == lockfile.update(None, {**before, **after})


@emitting
@given(stages=STAGES)
def test_an_update_with_what_is_there_changes_no_byte(stages: dict[str, Any]) -> None:
    previous = lockfile.update(None, stages) + b"# a comment that ruamel.yaml would keep\n"

    assert previous is lockfile.update(previous, stages)


def test_an_entry_in_another_order_is_written_anew() -> None:
    previous = b"schema: '2.0'\nstages:\n  a:\n    outs:\n    - path: o\n    cmd: x\n"
    entry = {"cmd": "x", "outs": [{"path": "o"}]}

    assert lockfile.update(None, {"a": entry}) == lockfile.update(previous, {"a": entry})


@emitting
@given(stages=STAGES, changed=st.data())
def test_other_entries_keep_their_bytes_when_the_file_has_comments(
    stages: dict[str, Any], changed: st.DataObject
) -> None:
    """The text form does not hold then; the YAML library changes the file."""
    name = changed.draw(st.sampled_from(sorted(stages)))
    previous = lockfile.update(None, stages).replace(b"stages:\n", b"stages:\n  # by hand\n", 1)

    updated = lockfile.update(previous, {name: {"cmd": "new"}})

    assert b"stages:\n  # by hand\n" in updated
    assert {**stages, name: {"cmd": "new"}} == yamlio.load(updated, "dvc.lock")["stages"]


@pytest.mark.parametrize(
    "previous",
    [
        "schema: '2.0'\nstages:\n  a:\n    cmd: \"x\n  b:\n    y\"\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: \"x\n  b:\n    y\"\n  b:\n    cmd: z\n",
        "schema: '2.0'\nstages:\n  'b':\n    cmd: x\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: |\n      stages:\n        b:\n",
        "schema: '2.0'\nstages:\n  a: {cmd: x}\n",
        "datasets:\n  stages:\n    b:\n      cmd: x\nschema: '2.0'\nstages:\n  a:\n    cmd: x\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n  b:\n    cmd: y\ndatasets:\n- name: d\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n...\n",
        "{schema: '2.0', stages: {a: {cmd: x}}}\n",
    ],
)
def test_a_text_that_looks_like_another_is_not_mistaken_for_it(previous: str) -> None:
    known = yamlio.load(previous.encode(), "dvc.lock")

    updated = yamlio.load(lockfile.update(previous.encode(), {"b": {"cmd": "new"}}), "dvc.lock")

    assert {**known, "stages": {**known["stages"], "b": {"cmd": "new"}}} == updated


def test_an_update_never_changes_a_number_of_another_stage() -> None:
    """Real DVC does: ruamel.yaml writes it with ...081e-08."""
    number = b"6.062599043956082e-08"
    previous = b"schema: '2.0'\nstages:\n  # by hand\n  a:\n    cmd: x\n    params:\n      p:\n"
    previous += b"        l:\n        - " + number + b"\n"

    assert number in lockfile.update(previous, {"b": {"cmd": "y"}})


def test_values_that_are_no_numbers_do_not_confuse_an_update() -> None:
    entry = {"cmd": "x", "params": {"p": {"n": math.nan}}}
    previous = lockfile.update(None, {"a": entry, "b": {"cmd": "y"}})

    updated = lockfile.update(previous, {"b": {"cmd": "z"}})

    assert previous.replace(b"cmd: y", b"cmd: z") == updated
