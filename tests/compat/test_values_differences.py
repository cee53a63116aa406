"""Rows of docs/compat.md about parameters and metrics, held against both programs."""

from __future__ import annotations

import json

from tests.support.pair import Pair, both, run
from tests.support.project import Project
from tests.support.wanted import is_wanted

STAGE = "stages:\n  one:\n    cmd: echo 1 > out\n    params: [n, inner]\n    outs: [out]\n"
NO_NUMBER = "n: .nan\ninner:\n  l: [.nan, .inf]\n"


def test_a_parameter_that_is_no_number_is_as_it_was(pair: Pair) -> None:
    assert is_wanted("values-nan")

    def prepare(project: Project) -> None:
        project.write("params.yaml", NO_NUMBER)
        project.write("dvc.yaml", STAGE)
        project.dvc("repro", "-q")
        project.commit_all()

    both(pair, prepare)

    status, differences, committed = (
        run(pair, *words.split()) for words in ("status", "params diff", "commit")
    )

    assert [True, False] == ["modified" in done.stdout for done in status]
    assert [True, False] == ["nan" in done.stdout for done in differences]
    assert [1, 0] == [done.rc for done in committed]
    both(pair, lambda project: project.write("params.yaml", NO_NUMBER.replace(".nan", "1", 1)))
    assert ["modified" in done.stdout for done in run(pair, "status")] == [True, True]


def test_two_values_that_would_have_one_name_are_both_shown(pair: Pair) -> None:
    assert is_wanted("values-same-name")

    def prepare(project: Project) -> None:
        project.write("m.json", json.dumps({"a.b": 1, "a": {"b": 2}}))
        project.write("dvc.yaml", "metrics: [m.json]\nparams: [m.json]\n")
        project.commit_all()
        project.write("m.json", json.dumps({"a.b": 3, "a": {"b": 5}}))

    both(pair, prepare)

    found = {"a.b": {"old": 2, "new": 5, "diff": 3}, '"a.b"': {"old": 1, "new": 3, "diff": 2}}
    for what in ("metrics", "params"):
        theirs, ours = run(pair, what, "diff", "--json")

        assert 255 == theirs.rc
        assert {"m.json": found} == json.loads(ours.stdout)
    theirs, ours = run(pair, "metrics", "show")
    assert 255 == theirs.rc
    assert [["Path", '"a.b"', "a.b"], ["m.json", "3", "5"]] == [row.split() for row in ours.lines]
