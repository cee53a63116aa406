"""What is to be done about a stage, from what differs: every combination."""

from __future__ import annotations

from itertools import product

import pytest

from pannier.core.digest import MD5, Digest
from pannier.core.stage import Dep, Out, Stage
from pannier.core.verdict import (
    ALWAYS,
    BRING,
    CHECKSUM,
    COMMAND,
    DELETED,
    DEP,
    MODIFIED,
    NOT_IN_CACHE,
    OUT,
    PARAM,
    RUN,
    SKIP,
    VERIFY,
    Change,
    decide,
)

OLD, NEW = Digest(MD5, "0" * 32), Digest(MD5, "1" * 32)
COMMANDED = Stage("dvc.yaml", "a", cmd="x", deps=(Dep("in", OLD),), outs=(Out("o", OLD),))
DATA = Stage("o.dvc", outs=(Out("o", OLD),))
IMPORT = Stage("o.dvc", outs=(Out("o", OLD),), deps=(Dep("s3://b/o"),))


def frozen(stage: Stage) -> Stage:
    return Stage(stage.file, stage.name, "", stage.outs, stage.deps, (), stage.cmd, frozen=True)


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize(
    ("stage", "action"),
    [
        (COMMANDED, RUN),
        (DATA, VERIFY),
        (IMPORT, BRING),
        (frozen(COMMANDED), VERIFY),
        (frozen(IMPORT), VERIFY),
    ],
)
def test_a_stage_is_left_alone_unless_something_counts(
    stage: Stage, action: str, forced: bool
) -> None:
    assert (action if forced else SKIP) == decide(stage, [], forced=forced).action
    assert action == decide(stage, [Change(OUT, "o", MODIFIED)], forced=forced).action


@pytest.mark.parametrize("kind", [DEP, PARAM, ALWAYS])
def test_what_goes_into_a_frozen_stage_does_not_count(kind: str) -> None:
    changes = [Change(kind, "in", MODIFIED)]

    assert SKIP == decide(frozen(COMMANDED), changes).action
    assert RUN == decide(COMMANDED, changes).action


@pytest.mark.parametrize("kind", [COMMAND, CHECKSUM, OUT])
def test_the_rest_of_a_frozen_stage_counts(kind: str) -> None:
    assert VERIFY == decide(frozen(COMMANDED), [Change(kind, "o", MODIFIED)]).action


@pytest.mark.parametrize(
    ("kind", "state"), list(product([DEP, OUT, PARAM, COMMAND], [MODIFIED, DELETED, NOT_IN_CACHE]))
)
def test_with_allow_missing_only_what_is_not_there_is_passed_over(kind: str, state: str) -> None:
    path = {DEP: "in", OUT: "o"}.get(kind, "p")
    missing = {(OUT, DELETED), (OUT, NOT_IN_CACHE), (DEP, DELETED), (PARAM, DELETED)}
    passed = (kind, state) in missing

    verdict = decide(COMMANDED, [Change(kind, path, state)], allow_missing=True)

    assert (SKIP if passed else RUN) == verdict.action


@pytest.mark.parametrize(("now", "action"), [(OLD, SKIP), (NEW, RUN), (None, RUN)])
def test_a_missing_input_that_was_made_anew_counts(now: Digest | None, action: str) -> None:
    changes = [Change(DEP, "in", DELETED)]

    verdict = decide(COMMANDED, changes, allow_missing=True, remade=[("in", now)])

    assert action == verdict.action


def test_reasons_are_never_none_when_something_is_to_be_done() -> None:
    for kind in (DEP, PARAM, OUT, COMMAND, ALWAYS):
        assert all(decide(COMMANDED, [Change(kind, "p", MODIFIED, "n", "1", "2")]).reasons)
    assert ["it was asked for"] == decide(COMMANDED, [], forced=True).reasons
    found = decide(COMMANDED, [Change(PARAM, "p.yaml", MODIFIED, "lr", "0.1", None)])
    assert ["parameter 'lr' of 'p.yaml' changed: 0.1 -> nothing"] == found.reasons


def test_a_parameter_that_is_gone_from_its_file_is_no_missing_data() -> None:
    change = Change(PARAM, "p", DELETED, "lr", "0.1")

    assert RUN == decide(COMMANDED, [change], allow_missing=True).action
