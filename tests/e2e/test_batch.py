"""Stages as jobs of a batch system. Slurm and Sun Grid Engine are the real ones; of PBS, LSF and
HTCondor there are the programs that take and end jobs, which start them as processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_cluster import LIMIT_S, lines, locked, new_project, until
from tests.servers import gridengine, slurm
from tests.servers.batch import Batch
from tests.support.programs import Program
from tests.support.project import Project
from tests.unit.test_proc import is_alive

SUBMIT = {"pbs": "qsub", "lsf": "bsub", "htcondor": "condor_submit"}
AS_PROGRAMS = list(SUBMIT)
REAL = {"slurm": (slurm, slurm.Slurm), "sge": (gridengine, gridengine.GridEngine)}
ALL = [*AS_PROGRAMS, *(pytest.param(name, marks=pytest.mark.long) for name in REAL)]


def long(system: Any) -> Any:
    return pytest.param(system, marks=pytest.mark.long) if isinstance(system, str) else system


Server = Batch | slurm.Slurm | gridengine.GridEngine


@pytest.fixture
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with ExitStack() as stack:
        made: Server
        if system in REAL:
            module, start = REAL[system]
            if why := module.why_not():
                pytest.fail(f"{why}; 'make system-long' installs it")
            made = stack.enter_context(closing(start(tmp_path / system)))
        else:
            made = stack.enter_context(closing(Batch(tmp_path / system, system)))
        for name, value in made.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT", "1s")
        yield made


def configure(project: Project, system: str, base: Path, jobs: int) -> None:
    for key, value in (
        ("url", system),
        ("jobs", str(jobs)),
        ("cores", "1"),
        ("memory", "500MB"),
        ("resources", "MEMORY=4e8"),
        ("local_directory", str(base / "dask")),
    ):
        project.dvc("config", f"pannier.executor.hpc.{key}", value)


@pytest.mark.parametrize("system", ALL, indirect=True)
def test_jobs_of_a_batch_system_make_what_this_machine_makes(
    system: str, server: Server, tmp_path: Path, dvc: Program
) -> None:
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    configure(project, system, tmp_path, 2)
    project.dvc("repro", "--executor", "hpc")

    alone = new_project(tmp_path / "alone", dvc, tmp_path / "other")
    alone.dvc("repro")

    assert (project.root / "dvc.lock").read_bytes() == (alone.root / "dvc.lock").read_bytes()
    assert set(os.listdir(project.root)) == set(os.listdir(alone.root))
    if isinstance(server, Batch):
        assert [WISHES[system] <= set(options) for options in server.options()] == [True, True]
        until(lambda: not any(map(is_alive, server.pids())), "the jobs end")


WISHES = {
    "pbs": {"-l select=1:ncpus=1:mem=477MB", "-l walltime=00:30:00"},
    "lsf": {"-n 1", "-M 500000", "-W 00:30"},
    "htcondor": {"MY.DaskWorkerCores = 1", "MY.DaskWorkerMemory = 500000000"}
    | {"MY.DaskWorkerDisk = 1000000000"},
}
"""What a job asks for by the settings above, as each system's manual writes it."""


@pytest.mark.parametrize("system", [*ALL[:1], *map(long, ALL[1:])], indirect=True)
def test_a_job_that_is_cancelled_is_submitted_again_and_its_stage_runs_there(
    system: str, server: Server, tmp_path: Path, dvc: Program
) -> None:
    started, ids = tmp_path / "pids", tmp_path / "ids"
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    configure(project, system, tmp_path, 1)
    project.write(
        "train.sh",
        f"[ -e {tmp_path}/go ] || stay=300; echo ${server.job} >> {ids};"
        f" echo $$ >> {started}; exec sleep ${{stay:-0}}\n",
    )
    running = subprocess.Popen(
        [dvc.path, "repro", "-q", "--executor", "hpc", "train@1"], cwd=project.root
    )
    try:
        until(lambda: len(lines(started)) == 1, "the stage runs")
        (tmp_path / "go").touch()
        server.cancel(lines(ids)[0])
        with suppress(ProcessLookupError):  # a command may outlive its worker
            os.kill(int(lines(started)[0]), signal.SIGKILL)

        assert running.wait(LIMIT_S) == 0
    finally:
        running.kill()
    assert len(set(lines(ids))) == 2
    assert project.dvc("status", "train@1").stdout == "Data and pipelines are up to date.\n"


@pytest.mark.parametrize(
    "system", ["pbs", *(long(name) for name in ("slurm", "sge"))], indirect=True
)
def test_an_interrupt_ends_the_jobs_and_what_they_run(
    system: str, server: Server, tmp_path: Path, dvc: Program
) -> None:
    started = tmp_path / "pids"
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    configure(project, system, tmp_path, 1)
    project.write("train.sh", f"echo $$ >> {started}; echo $PPID >> {started}; sleep 300\n")
    running = subprocess.Popen(
        [dvc.path, "repro", "-q", "--executor", "hpc", "train@1"], cwd=project.root
    )
    try:
        until(lambda: len(lines(started)) == 2, "the stage runs")
        running.send_signal(signal.SIGINT)
        assert running.wait(LIMIT_S) == 252
    finally:
        running.kill()

    until(lambda: not any(is_alive(int(pid)) for pid in lines(started)), "command and worker end")
    assert locked(project) == {"prepare"}


@pytest.mark.parametrize("system", AS_PROGRAMS, indirect=True)
def test_a_job_that_is_refused_is_one_sentence(
    system: str, server: Server, tmp_path: Path, dvc: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What LSF's program says dask-jobqueue throws away."""
    monkeypatch.setenv("BATCH_REFUSES", "there is no such queue")
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    configure(project, system, tmp_path, 2)
    said = project.dvc("repro", "--executor", "hpc", check=False)

    assert said.rc == 255
    why = "it says nothing" if system == "lsf" else f"{SUBMIT[system]}: there is no such queue"
    assert f"{SUBMIT[system]} does not take the job: {why}\n" in said.stderr
    assert "Traceback" not in said.stderr + said.stdout
    assert not (project.root / "dvc.lock").exists()


@pytest.mark.parametrize("system", ["pbs"], indirect=True)
def test_jobs_that_do_not_begin_are_told_of(
    system: str, server: Server, tmp_path: Path, dvc: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_FAILS", "no disk")
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    configure(project, system, tmp_path, 2)
    project.dvc("config", "pannier.executor.hpc.death_timeout", "1")
    said = tmp_path / "said"
    with said.open("wb") as file:
        running = subprocess.Popen(
            [dvc.path, "repro", "--executor", "hpc"], cwd=project.root, stderr=file
        )
    try:
        words = "executor 'hpc': no job has begun for 1 seconds"
        until(lambda: words in said.read_text(), "it is told")
        running.send_signal(signal.SIGINT)
        assert running.wait(LIMIT_S) == 252
    finally:
        running.kill()

    assert said.read_text().count(words) == 1
    assert f"in '{project.root}/.dvc/tmp/pannier/jobs'" in said.read_text()


def test_a_machine_without_the_batch_system_is_one_sentence(
    tmp_path: Path, dvc: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "sh", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    monkeypatch.setenv("PATH", str(folder))
    for system, program in SUBMIT.items():
        said = project.dvc("repro", "--executor", system, check=False)

        assert said.rc == 255
        assert f"executor '{system}': there is no program '{program}'" in said.stderr


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("qeue", "long", "'qeue' is no option of pbs"),
        ("cores", "many", "'cores' must be a whole number"),
        ("memory", "much", "executor 'hpc': "),
        ("jobs", "many", "'jobs' must be a whole number, 1 or more"),
        ("jobs", "0", "'jobs' must be a whole number, 1 or more"),
        ("scheduler", "x", "'scheduler' is no option of pbs"),
    ],
)
@pytest.mark.parametrize("system", ["pbs"], indirect=True)
def test_an_option_that_cannot_be_is_one_sentence(
    server: Server, option: str, value: str, words: str, tmp_path: Path, dvc: Program
) -> None:
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    project.dvc("config", "pannier.executor.hpc.url", "pbs")
    project.dvc("config", f"pannier.executor.hpc.{option}", value)
    said = project.dvc("repro", "--executor", "hpc", check=False)

    assert said.rc == 251
    assert words in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("system", ["pbs", "htcondor"], indirect=True)
def test_options_of_several_lines_are_several_directives(
    system: str, server: Server, tmp_path: Path, dvc: Program
) -> None:
    given = {
        "pbs": ("-l gpu=1\n-m n", {"-l gpu=1", "-m n"}),
        "htcondor": ("RequestGPUs = 1\ngetenv=True", {"RequestGPUs = 1", "getenv = True"}),
    }
    text, wanted = given[system]
    project = new_project(tmp_path / "p", dvc, tmp_path / "store")
    configure(project, system, tmp_path, 1)
    project.dvc("config", "pannier.executor.hpc.job_extra_directives", "--", text)
    project.dvc("config", "pannier.executor.hpc.job_script_prologue", f"touch {tmp_path}/begun")
    project.dvc("repro", "--executor", "hpc", "prepare")

    assert isinstance(server, Batch)
    assert wanted <= set(server.options()[0])
    assert (tmp_path / "begun").exists()
