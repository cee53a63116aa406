"""The `datasets` of a `dvc.yaml` and of its lock file, edited by lines."""

from __future__ import annotations

import pytest

from pannier.core.errors import InvalidFile, PannierError
from pannier.formats import dataset_edit

NEW = {"name": "n", "url": "../x", "type": "url"}
TEXT = b"- name: n\n  url: ../x\n  type: url\n"


def test_an_entry_is_exchanged_or_added_and_all_else_stays_as_it_was() -> None:
    top = b"# top\nvars:\n- u:   'x'\ndatasets:\n# of a\n- name: a\n  url: ${u}\n\n"
    end = b"# end\nstages: {s:   {cmd: echo}}\n"

    changed = dataset_edit.declare(
        top + b"- type: dvc\n  name: n\n  url: q\n" + end, NEW, "dvc.yaml"
    )
    added = dataset_edit.declare(top + end, NEW, "dvc.yaml")
    between = dataset_edit.declare(b"datasets:\n- name: n\n\n# of b\n- name: b\n", NEW, "dvc.yaml")
    first = dataset_edit.declare(end, NEW, "dvc.yaml")

    assert top + TEXT + end == changed
    assert top.rstrip() + b"\n" + TEXT + b"\n" + end == added
    assert b"datasets:\n" + TEXT + b"\n# of b\n- name: b\n" == between
    assert end + b"datasets:\n" + TEXT == first


def test_comments_in_an_entry_stay_when_it_is_exchanged() -> None:
    old = b"datasets:\n- name: n   # mine\n  url: q # there\n  type: url\n"

    changed = dataset_edit.declare(old, NEW, "dvc.yaml")

    assert b"datasets:\n- name: n   # mine\n  url: ../x # there\n  type: url\n" == changed


def test_the_rest_of_a_lock_file_stays_byte_for_byte() -> None:
    rest = b"stages:\n  s:\n    cmd: x\n    params:\n      p:\n        v: 6.062599043956082e-08\n"
    head = b"schema: '2.0'\n"

    assert head + b"datasets:\n" + TEXT + rest == dataset_edit.record(
        head + b"datasets:\n- name: n\n  url: old\n" + rest, NEW, "dvc.lock"
    )
    assert head + rest + b"datasets:\n" + TEXT == dataset_edit.record(head + rest, NEW, "dvc.lock")
    assert rest in dataset_edit.record(head + b"datasets: []\n" + rest, NEW, "dvc.lock")


@pytest.mark.parametrize("data", [b"datasets: x\n", b"datasets:\n- url: q\n"])
def test_a_lock_file_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidFile):
        dataset_edit.recorded(data, "dvc.lock")


def test_an_entry_with_expressions_is_not_exchanged() -> None:
    with pytest.raises(PannierError, match="parametrized"):
        dataset_edit.refuse_parametrized(b"datasets:\n- name: n\n  url: ${u}\n", "n", "dvc.yaml")
