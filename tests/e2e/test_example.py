"""The example of a pipeline: one `dvc repro` from a fresh clone, then what a parameter changes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.dask_cluster import DaskCluster
from tests.support.programs import REPOSITORY, Program, git
from tests.support.project import Project

pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture(autouse=True)
def python_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of the example say `python`: the one that has NumPy."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    with closing(DaskCluster(tmp_path)) as found:
        yield found


def example(folder: Path, dvc: Program) -> Project:
    """The example as a clone of this repository has it: files that Git knows, and nothing else."""
    names = git("ls-files", "-co", "--exclude-standard", "examples/mnist", cwd=REPOSITORY).lines
    for name in names:
        target = folder / Path(name).relative_to("examples")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, target)
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "a clone", cwd=folder)
    return Project(folder / "mnist", dvc)


def lock(project: Project) -> bytes:
    return (project.root / "dvc.lock").read_bytes()


def test_one_repro_makes_the_model_and_one_parameter_remakes_what_depends_on_it(
    tmp_path: Path, dvc: Program
) -> None:
    project = example(tmp_path / "clone", dvc)
    project.dvc("repro")
    first = lock(project)

    shown = project.dvc("metrics", "show", "--json").json
    accuracy = shown[""]["data"]["metrics.json"]["data"]["accuracy"]
    assert accuracy["32"] > 0.9 > accuracy["8"] > 0.5
    assert project.dvc("status").stdout == "Data and pipelines are up to date.\n"

    params = project.root / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("rate: 0.8", "rate: 0.1"))
    ran = [line for line in project.dvc("repro").lines if line.startswith(("Running", "Stage"))]
    assert ran == [
        "Stage 'prepare' didn't change, skipping",
        "Running stage 'train@8':",
        "Running stage 'train@32':",
        "Running stage 'evaluate':",
    ]
    params.write_text(before)
    assert "Running" not in project.dvc("repro").stdout
    assert lock(project) == first


def test_in_parallel_and_on_a_cluster_the_lock_is_that_of_a_serial_run(
    tmp_path: Path, dvc: Program, cluster: DaskCluster
) -> None:
    locks = []
    for name, options in (("serial", ()), ("beside", ("-j", "2")), ("far", ())):
        project = example(tmp_path / name, dvc)
        if name == "far":
            project.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
            options = ("--executor", cluster.address)
        project.dvc("repro", *options)
        locks.append(lock(project))

    assert locks[1:] == [locks[0], locks[0]]
