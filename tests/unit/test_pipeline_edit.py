"""Changes of a `dvc.yaml` that touch only what they are about."""

from __future__ import annotations

import pytest

from pannier.formats import lockfile
from pannier.formats.pipeline_edit import is_parametrized, with_frozen, without_stages

TEXT = b"""\
# the file
vars: [{v: 1}]
stages:
  # about one
  one: # here
    cmd: "echo 1"   # quoted

    # about its outputs
    outs:
    - o1
  # about two
  two:
    cmd: |
      echo 2
      echo 3
    frozen:   true

  # about three
  three: {cmd: 'echo 3'}
  many:
    foreach: [a]
    do: {cmd: x}
  spoken:
    cmd: echo ${v}
plots:
- p.csv
# the end
"""


@pytest.mark.parametrize(
    ("names", "gone"),
    [
        (["one"], (b'  one: # here\n    cmd: "echo 1"', b"    - o1\n")),
        (["two"], (b"  two:\n", b"    frozen:   true\n")),
        (["three"], (b"  three:", b"'echo 3'}\n")),
    ],
)
def test_a_stage_goes_with_its_own_lines_alone(names: list[str], gone: tuple[bytes, ...]) -> None:
    start, last = TEXT.index(gone[0]), TEXT.index(gone[-1]) + len(gone[-1])

    assert TEXT[:start] + TEXT[last:] == without_stages(TEXT, names, "dvc.yaml")


def test_several_stages_go_at_once() -> None:
    left = without_stages(TEXT, ["three", "one"], "dvc.yaml")

    assert left is not None
    assert b"  # about one\n  # about two\n  two:\n" in left
    assert b"# about three\n  many:\n" in left


def test_what_is_left_without_stages_stays() -> None:
    text = b"# about it\nstages:\n  one:\n    cmd: x\nmetrics:\n- m.json\n"

    assert b"# about it\nmetrics:\n- m.json\n" == without_stages(text, ["one"], "dvc.yaml")


def test_nothing_is_left_of_a_file_with_one_stage() -> None:
    assert without_stages(b"# x\nstages:\n  one:\n    cmd: x\n", ["one"], "dvc.yaml") is None


def test_a_file_in_flow_style_is_edited_too() -> None:
    text = b"stages: {one: {cmd: x}, two: {cmd: y}} # why\n"

    left = without_stages(text, ["one"], "dvc.yaml") or b""
    frozen = with_frozen(text, "two", True, "dvc.yaml")

    assert b"stages: {two: {cmd: y}} # why".split() == left.split()
    assert b"stages: {one: {cmd: x}, two: {cmd: y, frozen: true}} # why".split() == frozen.split()


def test_a_stage_is_frozen_and_thawed_by_one_line() -> None:
    frozen = with_frozen(TEXT, "one", True, "dvc.yaml")
    at = TEXT.index(b"  # about two")

    assert TEXT[:at] + b"    frozen: true\n" + TEXT[at:] == frozen
    assert TEXT == with_frozen(frozen, "one", False, "dvc.yaml")
    assert TEXT == with_frozen(TEXT, "two", True, "dvc.yaml")
    thawed = with_frozen(TEXT, "two", False, "dvc.yaml")
    assert TEXT.replace(b"    frozen:   true\n", b"") == thawed


def test_a_last_line_without_an_end_is_given_one() -> None:
    text = b"stages:\n  one:\n    cmd: x"

    assert text + b"\n    frozen: true\n" == with_frozen(text, "one", True, "dvc.yaml")


@pytest.mark.parametrize(
    ("name", "answer"), [("one", False), ("many", True), ("many@a", True), ("spoken", True)]
)
def test_a_stage_that_stands_for_others_is_told(name: str, answer: bool) -> None:
    assert answer == is_parametrized(TEXT, name, "dvc.yaml")


LOCK = b"""\
schema: '2.0'
stages:
  one:
    cmd: echo 1
    params:
      params.yaml:
        lr: 6.062599043956082e-08
  two:
    cmd: echo 2
"""


def test_a_lock_entry_goes_and_the_others_stay_byte_for_byte() -> None:
    assert LOCK.replace(b"  two:\n    cmd: echo 2\n", b"") == lockfile.without(LOCK, ["two"])
    assert LOCK == lockfile.without(LOCK, ["three"])
    assert lockfile.without(LOCK, ["one", "two"]) is None


def test_a_lock_file_with_comments_or_datasets_keeps_them() -> None:
    text = LOCK.replace(b"  two:", b"  # a comment\n  two:")
    datasets = b"schema: '2.0'\nstages:\n  one:\n    cmd: x\ndatasets:\n- name: d\n"

    assert b"6.062599043956082e-08" in (lockfile.without(text, ["two"]) or b"")
    left = lockfile.without(datasets, ["one"]) or b""
    assert b"- name: d\n" in left
    assert {} == lockfile.parse(left, "dvc.lock")
