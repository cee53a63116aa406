"""A project elsewhere, named by its address, runs nothing and is not believed (S5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import everything
from tests.support.programs import Program, git
from tests.support.project import Project, make_project


@pytest.fixture
def evil(tmp_path: Path, dvc: Program) -> Project:
    """A project whose settings run a program, committed ones of the local level among them."""
    project = make_project(tmp_path / "evil", dvc)
    project.write("d/a", "data")
    project.dvc("add", "-q", "d")
    trap = tmp_path / "ran"
    project.write("aws.cfg", f"[default]\ncredential_process = touch {trap}\n")
    remote = (
        "[core]\n    remote = there\n['remote \"there\"']\n    url = s3://bucket/data\n"
        "    configpath = ../aws.cfg\n    endpointurl = http://127.0.0.1:9\n"
    )
    project.write(".dvc/config", remote)
    project.write(".dvc/config.local", "['remote \"there\"']\n    configpath = ../aws.cfg\n")
    project.git("add", "-A", "-f", ".")
    project.git("rm", "-rq", "--cached", ".dvc/cache", ".dvc/tmp")
    project.git("commit", "-qm", "evil")
    return project


@pytest.mark.parametrize("command", ["list", "du"])
def test_settings_of_a_source_run_no_program(
    command: str, evil: Project, dvc: Program, tmp_path: Path
) -> None:
    found = dvc(command, f"file://{evil.root}", "d", cwd=tmp_path)

    assert found.rc != 0
    assert "counts only from your own settings" in found.stderr, str(found)
    assert not (tmp_path / "ran").exists()


def test_a_look_at_a_source_changes_nothing_there(
    evil: Project, dvc: Program, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    git("clone", "-q", str(evil.root), str(clone))
    before = everything(clone)
    for words in (
        ("list", str(clone), "-R", "--json"),
        ("list", str(clone), "--rev", "HEAD"),
        ("du", str(clone)),
        ("list", f"file://{clone}"),
    ):
        dvc(*words, cwd=tmp_path)

    assert before == everything(clone)


def test_an_object_that_a_source_names_is_not_moved(
    evil: Project, dvc: Program, tmp_path: Path
) -> None:
    """Its cache may be any folder: a file there that is no such object stays where it is."""
    pointer = (evil.root / "d.dvc").read_text()
    name = pointer.split("md5: ")[1].split("\n")[0]
    mine = tmp_path / "mine/files/md5" / name[:2] / name[2:]
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    evil.write(".dvc/config", f"[cache]\n    dir = {tmp_path}/mine\n")
    evil.write(".dvc/config.local", "")

    found = dvc("list", str(evil.root), "-R", cwd=tmp_path)

    assert found.rc == 255
    assert "precious" == mine.read_text()


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch ran'", "ssh://-oProxyCommand=touch ran/x", "-oProxyCommand=x:y"]
)
def test_an_address_that_runs_a_program_is_refused(url: str, dvc: Program, tmp_path: Path) -> None:
    found = dvc("list", "--", url, cwd=tmp_path)

    assert 1 == found.rc
    assert "Failed to clone repo" in found.stderr
    assert not (tmp_path / "ran").exists()
