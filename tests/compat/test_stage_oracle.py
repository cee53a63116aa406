"""`stage add` and `stage list` beside real DVC: words, exit codes, dvc.yaml byte for byte."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.running import RunTwins, make_run_twins

WRITTEN = """\
# what comes first
stages:
  # before one
  one:
    cmd: echo hi   # behind it
    deps: [in]
params:
- other.yaml
"""


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> RunTwins:
    files = {"params.yaml": "lr: 1\n", "in": "in\n", "sub/keep": ""}
    return make_run_twins(tmp_path, oracle, dvc, files)


def do(twins: RunTwins, *lines: str, cwd: str = "") -> None:
    for line in lines:
        twins.dvc(*shlex.split(line), cwd=cwd)


def test_a_stage_is_written_as_dvc_writes_it(twins: RunTwins) -> None:
    do(
        twins,
        "stage add -n a -d in -o out1 -O out2 -m m.json -M m2.json --plots p.csv"
        " --plots-no-cache p2.csv -p lr -p other.json:x,y -p full.toml: --outs-persist op"
        " --outs-persist-no-cache opn -w . --desc 'hello d' --always-changed"
        " python x.py 'two words' 'a\"b'",
        "stage add -n a echo hi",
        "stage add -n a -f echo hi",
        "stage add -n w -w sub -o wo -d ../in ls",
        "stage add -n long -o lo 'echo aaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbb"
        " cccccccccccccccccccccc ddddddddddddddddddddd'",
        "stage list",
        "stage list --name-only",
        "stage list --all",
        "stage list a nope",
    )
    do(twins, "stage add -n inner -d x -o y ls", "stage list", cwd="sub")


def test_what_an_author_wrote_stays(twins: RunTwins) -> None:
    twins.write({"dvc.yaml": WRITTEN})
    do(
        twins,
        "stage add -n two -o out9 \"echo hi && echo 'x: y' # z\"",
        "stage add -n one -f -o o7 'echo #c'",
        "stage add -n three --run -o ro 'echo r > ro'",
        "stage list -R .",
    )


def test_what_cannot_be_a_stage_is_refused(twins: RunTwins) -> None:
    twins.write({"dvc.yaml": WRITTEN})
    do(
        twins,
        "stage add -n two -o out9 ls",
        "stage add -n x/y ls",
        "stage add -n c -o out9 ls",
        "stage add -n c -o out9/sub ls",
        "stage add -n c -d in -d in ls",
        "stage add -n c -d c1 -o c1 ls",
        "stage add -n c",
    )
