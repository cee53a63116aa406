"""What bringing data from elsewhere asks for: only what was asked for travels."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pannier.core.events import Silent
from pannier.ops.get import GetOptions, get
from pannier.project.sources import SourceOptions
from pannier.store import schemes
from tests.support import memory_transport
from tests.support.memory_transport import Place, place_of
from tests.support.programs import Program, git
from tests.support.project import Project, make_project


@pytest.fixture
def source(tmp_path: Path, dvc: Program) -> Project:
    """A project whose folder `d` has 50 files in two folders; its data is at the remote only."""
    project = make_project(tmp_path / "source", dvc)
    for number in range(50):
        project.write(f"d/{'left' if number % 5 else 'right'}/{number}", f"content {number}")
    project.write("other", "of no interest")
    project.write("code.py", "code")
    project.dvc("add", "-q", "d", "other")
    project.dvc("remote", "add", "-q", "-d", "there", str(tmp_path / "remote"))
    project.dvc("push", "-q")
    shutil.rmtree(project.root / ".dvc/cache")
    return project


@pytest.fixture
def remote(source: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same objects at a remote that counts."""
    monkeypatch.setitem(schemes._TRANSPORTS, "s3", memory_transport.WHERE)
    place = place_of(f"s3:/{tmp_path}")
    for path in (tmp_path / "remote").rglob("*"):
        if path.is_file():
            place.objects[path.relative_to(tmp_path / "remote").as_posix()] = path.read_bytes()
    config = source.root / ".dvc/config"
    config.write_text(config.read_text().replace(str(tmp_path / "remote"), f"s3:/{tmp_path}"))
    git("add", "-A", cwd=source.root)
    git("commit", "-qm", "data", cwd=source.root)
    return place


@pytest.mark.parametrize(
    ("path", "files", "lists"), [("d/right", 10, 1), ("d/left/1", 1, 1), ("other", 1, 0)]
)
def test_only_what_was_asked_for_travels(
    path: str, files: int, lists: int, source: Project, remote: Place, tmp_path: Path
) -> None:
    options = GetOptions(cwd=str(tmp_path), source=SourceOptions(), out="got")

    get(f"file://{source.root}", path, options, Silent())

    assert files == remote.requests["download"]
    assert lists == remote.requests["read"]
    assert 0 == remote.requests["list"] == remote.requests["stat"]


def test_a_file_of_git_asks_no_remote(source: Project, remote: Place, tmp_path: Path) -> None:
    options = GetOptions(cwd=str(tmp_path), source=SourceOptions(), out="got")

    get(f"file://{source.root}", "code.py", options, Silent())

    assert {} == {kind: n for kind, n in remote.requests.items() if n}
    assert "code" == (tmp_path / "got").read_text()
