"""Stages on the workers of a real Dask cluster, which share nothing with us but a remote."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.dask_cluster import DaskCluster
from tests.support.programs import Completed, Program
from tests.support.project import Project, make_project, objects, picture
from tests.unit.test_proc import is_alive

pytestmark = pytest.mark.xdist_group("dask")

PIPELINE = """\
stages:
  prepare:
    cmd: cat data/* > mid && echo prepared
    deps: [data]
    outs: [mid]
  train:
    matrix:
      seed: [1, 2, 3]
    cmd:
    - mkdir models-${item.seed}
    - sh train.sh ${item.seed} > models-${item.seed}/weights
    - echo '{"seed":' ${item.seed}, '"lr":' ${lr}'}' > m-${item.seed}.json
    deps: [mid, train.sh]
    params: [lr]
    outs: ["models-${item.seed}"]
    metrics:
    - m-${item.seed}.json: {cache: false}
  report:
    wdir: reports
    cmd: cat ../models-*/weights > all.txt; chmod +x all.txt
    deps: [../models-1, ../models-2, ../models-3]
    outs: [all.txt]
"""
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with closing(DaskCluster(tmp_path_factory.mktemp("dask"))) as found:
        yield found


def new_project(root: Path, dvc: Program, remote: Path) -> Project:
    project = make_project(root, dvc)
    project.dvc("remote", "add", "-q", "-d", "store", str(remote))
    project.write("data/a", "a\n")
    project.write("data/b", "b\n")
    project.write("train.sh", 'echo model $1; cat mid; test -z "$2"\n')
    project.write("params.yaml", "lr: 0.5\n")
    project.write("reports/about.md", "What came out.\n")
    project.write("dvc.yaml", PIPELINE)
    project.dvc("add", "-q", "data")
    project.commit_all()
    project.write("train.sh", "echo an edit that is not committed; cat mid\n")
    return project


def until(reached: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def repro(project: Project, cluster: DaskCluster, *args: str, check: bool = True) -> Completed:
    return project.dvc("repro", "--executor", cluster.address, *args, check=check)


def entries(project: Project) -> dict[str, Any]:
    lock = project.root / "dvc.lock"
    return yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}


def locked(project: Project) -> set[str]:
    return set(entries(project))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_cluster_makes_what_this_machine_makes(
    tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    far = new_project(tmp_path / "far", dvc, tmp_path / "store")
    said = repro(far, cluster)
    alone = new_project(tmp_path / "alone", dvc, tmp_path / "other")
    alone.dvc("repro")
    beside = new_project(tmp_path / "beside", dvc, tmp_path / "other")
    beside.dvc("repro", "-j", "3")

    kept = (".dvc", ".git")
    assert picture(far.root, leave_out=kept) == picture(alone.root, leave_out=kept)
    assert picture(beside.root, leave_out=kept) == picture(alone.root, leave_out=kept)
    assert "prepare| prepared" in said.lines
    assert repro(far, cluster).lines[-1] == "Data and pipelines are up to date."
    assert far.dvc("status").stdout == "Data and pipelines are up to date.\n"


def test_a_stage_whose_worker_dies_runs_on_another(
    tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    started = tmp_path / "started"
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    pids = tmp_path / "pids"
    project.write(
        "train.sh",
        f"[ -e {tmp_path}/go ] || stay=300; echo $$ >> {pids};"
        f" echo $PANNIER_WORKER_DIR >> {started}; exec sleep ${{stay:-0}}\n",
    )
    running = subprocess.Popen(
        [dvc.path, "repro", "-q", "--executor", cluster.address, "train@1"], cwd=project.root
    )
    until(lambda: len(lines(started)) == 1, "the stage runs")
    (tmp_path / "go").touch()
    cluster.kill_worker(lines(started)[0])
    os.kill(int(lines(pids)[0]), signal.SIGKILL)  # a command outlives its worker

    assert running.wait(LIMIT_S) == 0
    assert len(set(lines(started))) == 2
    assert project.dvc("status", "train@1").stdout == "Data and pipelines are up to date.\n"


def test_what_was_finished_after_its_coordinator_died_is_not_run_again(
    tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    started, store = tmp_path / "started", tmp_path / "store"
    project = new_project(tmp_path / "p", dvc, store)
    project.write(
        "train.sh",
        f"echo $1 >> {started}; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; cat mid\n",
    )
    running = subprocess.Popen(
        [dvc.path, "repro", "-q", "--executor", cluster.address, "train@2"],
        cwd=project.root,
        start_new_session=True,
    )
    until(lambda: len(lines(started)) == 1, "the stage runs")
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    (tmp_path / "go").touch()
    until(lambda: len(list(store.glob("runs/*/*/*"))) == 2, "the worker tells what it made")

    said = repro(project, cluster, "train@2")

    assert "Stage 'train@2' is cached - skipping run, checking out outputs" in said.lines
    assert lines(started) == ["2"]
    assert (project.root / "models-2/weights").read_text() == "a\nb\n"


WIDE = """\
stages:
  prepare: {cmd: cat data/* > mid, deps: [data], outs: [mid]}
  train:
    matrix: {seed: [1, 2, 3, 4, 5, 6]}
    cmd: sh train.sh ${item.seed} > model-${item.seed}
    deps: [mid, train.sh]
    outs: ["model-${item.seed}"]
"""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_an_interrupt_ends_what_runs_elsewhere_and_what_waits_never_begins(
    number: int, tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    """Two workers have room for four stages; two more wait."""
    started, store = tmp_path / "started", tmp_path / "store"
    project = new_project(tmp_path / "p", dvc, store)
    project.write("dvc.yaml", WIDE)
    project.write(
        "train.sh", f"echo $$ >> {started}; [ -e {tmp_path}/go ] || sleep 300; cat mid; echo $1\n"
    )
    running = subprocess.Popen(
        [dvc.path, "repro", "-q", "--executor", cluster.address, "-j", "6"], cwd=project.root
    )
    until(lambda: len(lines(started)) == 4, "four stages run")

    running.send_signal(number)
    code = running.wait(LIMIT_S)
    pids = list(map(int, lines(started)))

    assert code == (252 if number == signal.SIGINT else -number)
    until(lambda: not any(map(is_alive, pids)), "the commands end")
    assert locked(project) == {"prepare"}
    assert len(list(store.glob("runs/*/*/*"))) == 1
    (tmp_path / "go").touch()
    repro(project, cluster)
    assert len(lines(started)) == 4 + 6
    assert project.dvc("status").stdout == "Data and pipelines are up to date.\n"


def lost(project: Project) -> set[str]:
    """What the lock file names and the cache does not have, but for what Git keeps."""
    outs = [out for entry in entries(project).values() for out in entry["outs"]]
    names = {out["md5"] for out in outs if not out["path"].endswith(".json")}
    stored = objects(project.cache)
    tracked = {"".join(path.split("/")[-2:]) for path in stored}
    return names - tracked


def try_killed(project: Project, cluster: DaskCluster, number: int) -> None:
    """Kills a run at its n-th change of a file, and runs it again."""
    command = ("repro", "--executor", cluster.address)
    said = project.program(*command, cwd=project.root, env={"PANNIER_FAULT": f"kill@{number}"})

    assert said.rc == -signal.SIGKILL
    assert lost(project) == set()
    again = repro(project, cluster, check=False)
    assert again.rc == 0, f"killed at {number}: {again}"
    assert lost(project) == set()
    assert project.dvc("status").stdout == "Data and pipelines are up to date.\n"


def points(project: Project, cluster: DaskCluster) -> int:
    """How often an undisturbed run changes a file."""
    log = project.root.parent / "changes.log"
    command = ("repro", "--executor", cluster.address)
    project.program(*command, cwd=project.root, env={"PANNIER_OPLOG": str(log)}, check=True)
    return len(lines(log))


@pytest.mark.parametrize("parts", [1, pytest.param(12, marks=pytest.mark.long)])
def test_a_run_that_is_killed_has_nothing_half_recorded_and_the_next_one_completes_it(
    parts: int, tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    whole = new_project(tmp_path / "whole/p", dvc, tmp_path / "whole/store")
    count = points(whole, cluster)

    for part in range(1, parts + 1):
        base = tmp_path / str(part)
        project = new_project(base / "p", dvc, base / "store")
        try_killed(project, cluster, count * part // (parts + 1))
        assert entries(project) == entries(whole)  # in whatever order they came to be known


def test_a_command_that_fails_elsewhere_says_what_it_said(
    tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    project.write("train.sh", "echo no luck >&2; exit 3\n")
    said = repro(project, cluster, "-k", check=False)

    assert said.rc == 255
    assert "train@1| no luck" in said.lines
    assert said.stderr.count("exited with 3") == 3
    assert not (project.root / "models-1").exists()


def test_an_output_that_a_worker_did_not_make_is_named(
    tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    text = PIPELINE.replace("cat data/* > mid &&", "")
    project.write("dvc.yaml", text)
    said = repro(project, cluster, "prepare", check=False)

    assert said.rc == 255
    assert "output 'mid' does not exist" in said.stderr


def test_an_executor_that_is_not_there_is_one_sentence(tmp_path: Path, dvc: Program) -> None:
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    unknown = project.dvc("repro", "--executor", "farm", check=False)
    project.dvc("config", "pannier.executor.farm.url", "dask://127.0.0.1:9")
    silent = project.dvc("repro", "--executor", "farm", check=False)

    assert (unknown.rc, silent.rc) == (251, 255)
    assert "there is no executor 'farm'; known are: local" in unknown.stderr
    assert "executor 'farm': dask://127.0.0.1:9 does not answer" in silent.stderr
    assert "Traceback" not in silent.stderr


# -- resources ----

WANTING = """\
stages:
  one:
    matrix: {n: [1, 2, 3]}
    cmd: >-
      mkdir %(busy)s; for i in 1 2 3 4; do sleep 0.1; done; rmdir %(busy)s;
      echo $PANNIER_WORKER_DIR > %(base)s/where-${item.n}; echo ${item.n} > out-${item.n}
    outs: ["out-${item.n}"]
    meta: {resources: {%(wish)s}}
"""


@pytest.fixture(scope="module")
def rich_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    folder = tmp_path_factory.mktemp("dask")
    with closing(DaskCluster(folder, 1, resources="GPU=1 MEMORY=4e9")) as found:
        yield found


def wanting(tmp_path: Path, dvc: Program, wish: str) -> Project:
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    values = {"busy": tmp_path / "busy", "base": tmp_path, "wish": wish}
    project.write("dvc.yaml", WANTING % values)
    return project


def test_stages_run_where_workers_declare_what_they_ask_for_and_no_more_than_that(
    tmp_path: Path, dvc: Program, rich_cluster: DaskCluster
) -> None:
    project = wanting(tmp_path, dvc, "gpu: 1, mem: 1G")
    said = repro(project, rich_cluster)

    where = [(tmp_path / f"where-{n}").read_text() for n in (1, 2, 3)]
    assert where == [f"{rich_cluster.rich}\n"] * 3
    assert "mkdir: " not in said.stdout  # never two at once
    assert "declares" not in said.stderr


def test_a_stage_that_no_worker_is_big_enough_for_is_refused_before_anything_runs(
    tmp_path: Path, dvc: Program, rich_cluster: DaskCluster
) -> None:
    project = wanting(tmp_path, dvc, "gpu: 1, mem: 8G")
    said = repro(project, rich_cluster, check=False)

    assert said.rc == 255
    assert "stage 'one@1' asks for " in said.stderr
    assert "and no worker of executor" in said.stderr
    assert entries(project) == {}


def test_what_no_worker_declares_does_not_count_and_is_told(
    tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    project = wanting(tmp_path, dvc, "gpu: 1")
    said = repro(project, cluster, "one@1")

    assert f"no worker of executor '{cluster.address}' declares 'gpu'" in said.stderr
    assert locked(project) == {"one@1"}
