"""Random pipelines, and random edits and commands on them: real DVC beside ours after each step."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.running import RunTwins, make_run_twins
from tests.support.twins import Parted

STEPS = 9


def pipeline(rng: random.Random) -> str:
    """Some stages, each of which reads what others make."""
    made = ["in0", "in1"]
    lines = ["stages:"]
    for number in range(rng.randint(2, 4)):
        deps = sorted(rng.sample(made, min(len(made), rng.randint(1, 2))))
        is_folder = rng.random() < 0.3
        out = f"out{number}"
        target = f"{out}/file" if is_folder else out
        prepare = f"mkdir -p {out} && " if is_folder else ""
        reads = " ".join(f"`find {dep} -type f | sort`" for dep in deps)
        lines += [
            f"  stage{number}:",
            f"    cmd: {prepare}cat {reads} > {target} && echo {number} >> {target}",
            f"    deps: [{', '.join(deps)}]",
        ]
        if rng.random() < 0.4:
            lines.append(f"    params: [p{rng.randint(0, 1)}]")
        lines.append(f"    outs: [{out}]")
        made.append(out)
    return "\n".join(lines) + "\n"


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def step(twins: RunTwins, rng: random.Random) -> None:
    kind = rng.choice(["repro"] * 4 + ["input", "param", "remove", "status", "checkout", "commit"])
    if kind == "repro":
        some = ["-f", "-k", "--no-run-cache", "--force-downstream"]
        options = rng.sample(some, rng.choice([0, 0, 1]))
        target = rng.choice([[], [], ["stage1"], ["-s", "stage0"], ["--downstream", "stage0"]])
        twins.dvc("repro", *options, *target)
    elif kind == "input":
        twins.write({f"in{rng.randint(0, 1)}": f"{rng.randint(0, 3)}\n"})
    elif kind == "param":
        twins.write({"params.yaml": f"p0: {rng.randint(0, 2)}\np1: {rng.randint(0, 2)}\n"})
    elif kind == "remove":
        path = f"out{rng.randint(0, 1)}"
        twins.each(f"rm -r {path}", lambda repo: remove(repo / path))
    elif kind == "status":
        twins.dvc("status", "--json")
    elif kind == "checkout":
        twins.dvc("checkout")
    else:
        twins.dvc("commit", "-f")


def play(base: Path, oracle: Oracle, dvc: Program, seed: int) -> None:
    rng = random.Random(seed)
    files = {"in0": "0\n", "in1": "1\n", "params.yaml": "p0: 0\np1: 0\n", "dvc.yaml": pipeline(rng)}
    twins = make_run_twins(base, oracle, dvc, files)
    twins.dvc("repro")
    try:
        for _ in range(STEPS):
            step(twins, rng)
    except Parted:
        return  # as a row of docs/compat.md says; from here on they cannot be compared


@pytest.mark.parametrize("seed", range(3))
def test_both_programs_do_the_same_to_a_random_pipeline(
    tmp_path: Path, oracle: Oracle, dvc: Program, seed: int
) -> None:
    play(tmp_path, oracle, dvc, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_both_programs_do_the_same_to_many_random_pipelines(
    tmp_path: Path, oracle: Oracle, dvc: Program, seed: int
) -> None:
    play(tmp_path, oracle, dvc, seed)
