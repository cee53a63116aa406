"""`repro` in a stranger's repository: it runs commands, and nothing else of it reaches out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.crash import World, everything
from tests.support.hostile import outside
from tests.support.project import Project

STAGE = "stages:\n  s:\n    cmd: {cmd}\n    deps: [in]\n    outs:\n    - {path}\n"


def lay(world: World, path: str, cmd: str = "'true'") -> None:
    world.write("in", b"1\n")
    (world.repo / "dvc.yaml").write_text(STAGE.format(path=path, cmd=cmd))


@pytest.mark.parametrize(
    "path", ["../canary/secret.txt", "link/secret.txt", ".git/config", ".dvc/config", ".gitignore"]
)
def test_no_output_outside_or_behind_a_link_is_cleared_or_stored(path: str, world: World) -> None:
    """S3, S4: what stands there would be taken away before the command, and stored after it."""
    (world.repo / "link").symlink_to(world.base / "canary")
    lay(world, path)
    before, config = outside(world), (world.repo / ".dvc/config").read_bytes()

    said = world.run("repro")

    assert said.rc != 0
    assert "Traceback" not in said.stderr
    assert before == outside(world)
    assert config == (world.repo / ".dvc/config").read_bytes()
    stored = [t.data for p, t in everything(world.repo).items() if p.startswith(".dvc/cache/files")]
    secret = (world.base / "canary/secret.txt").read_bytes()
    assert secret not in stored


def known(project: Project) -> Path:
    """A project whose run cache has one record, in its place."""
    project.write("in", "1\n")
    project.write("dvc.yaml", "stages:\n  s: {cmd: cat in > out, deps: [in], outs: [out]}\n")
    project.dvc("repro", "-q")
    (record,) = (project.cache / "runs").glob("*/*/*")
    for name in ("out", "dvc.lock"):
        (project.root / name).unlink()
    return record


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("path: out", "path: ../evil"),
        lambda text: text.replace("path: out", "path: .git/config"),
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[" * 5000,
        lambda text: text.replace("md5: ", "md5: ../../"),
        lambda text: text.replace("outs:", "outs: &a\n- *a\nother:"),
    ],
    ids=["outside", "git", "cut", "empty", "deep", "digest", "loop"],
)
def test_a_record_of_a_stranger_is_no_reason_to_write_anywhere(
    change: object, project: Project
) -> None:
    assert callable(change)
    record = known(project)
    record.write_text(change(record.read_text()))
    config = (project.root / ".git/config").read_bytes()

    said = project.dvc("repro", check=False)

    assert "Traceback" not in said.stderr
    assert "unexpected error" not in said.stderr
    assert 0 == said.rc, str(said)
    assert "1\n" == (project.root / "out").read_text()
    assert not (project.root.parent / "evil").exists()
    assert config == (project.root / ".git/config").read_bytes()


def test_records_of_a_remote_come_only_under_names_of_records(project: Project) -> None:
    record = known(project)
    remote = project.root.parent / "remote"
    shutil.copytree(project.cache / "runs", remote / "runs")
    shutil.rmtree(project.cache / "runs")
    inner = record.relative_to(project.cache / "runs")
    for name in ("x", "aa/bb/cc", f"{inner.parent}/{'0' * 63}", f"zz/{'z' * 64}/{'0' * 64}"):
        (remote / "runs" / name).parent.mkdir(parents=True, exist_ok=True)
        (remote / "runs" / name).write_bytes(b"cmd: x\nouts: []\n")
    torn = inner.with_name("1" * 64)
    (remote / "runs" / torn).write_bytes(b"cmd: [")
    project.dvc("remote", "add", "-q", "-d", "store", str(remote))

    said = project.dvc("fetch", "--run-cache")

    runs = project.cache / "runs"
    found = [path.relative_to(runs) for path in runs.rglob("*") if path.is_file()]
    assert [inner] == found
    assert "is no record" in said.stderr


def test_reading_a_pipeline_runs_nothing(project: Project) -> None:
    project.write("dvc.yaml", "stages:\n  s: {cmd: touch ../ran, outs: [o]}\n")

    for args in (
        ("status",),
        ("repro", "--dry"),
        ("stage", "list"),
        ("dag",),
        ("push",),
        ("checkout",),
        ("commit", "-f"),
        ("stage", "add", "-n", "t", "-o", "p", "touch ../ran"),
    ):
        project.dvc(*args, check=False)

    assert not (project.root.parent / "ran").exists()


def test_who_runs_a_pipeline_is_told_what_it_takes_in(project: Project) -> None:
    """S8, S8b: said before anything runs, and by nothing that only looks."""
    project.write("../v.yaml", "x: a; echo more\n")
    project.write("dvc.yaml", "vars: [../v.yaml]\nstages:\n  s: {cmd: 'echo ${x}', outs: [o]}\n")

    dry, looked = project.dvc("repro", "--dry"), project.dvc("status")

    assert "takes values from '../v.yaml', outside of the project" in dry.stderr
    assert "that the shell reads as more than words" in dry.stderr
    assert "WARNING" not in looked.stderr


def test_secrets_of_remotes_are_in_no_command_and_no_message(project: Project) -> None:
    project.write(
        "dvc.yaml",
        "stages:\n  s: {cmd: 'env > env; ls -l /proc/self/fd > fds', outs: [env, fds]}\n",
    )
    project.dvc("remote", "add", "-q", "-d", "far", "webdav://127.0.0.1:9/x")
    project.dvc("remote", "modify", "-q", "--local", "far", "user", "me")
    project.dvc("remote", "modify", "-q", "--local", "far", "password", "s3cr3t-word")

    said = project.dvc("repro", "--pull", "-v", check=False)

    assert (project.root / "env").exists(), str(said)
    texts = [said.stdout, said.stderr, *((project.root / n).read_text() for n in ("env", "fds"))]
    for folder, _, files in os.walk(project.root / ".dvc/tmp"):
        texts += [Path(folder, name).read_bytes().decode("latin-1") for name in files]
    assert [] == [text for text in texts if "s3cr3t-word" in text]
