"""import-url, update and get-url from servers of every kind, in whole commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.places import GsBucket, Place
from tests.servers.rclone import Rclone
from tests.support.project import Project

KINDS = [
    pytest.param("ssh", marks=pytest.mark.xdist_group("ssh")),
    pytest.param("webdav", marks=pytest.mark.xdist_group("dav")),
    pytest.param("azure", marks=pytest.mark.xdist_group("azure")),
    pytest.param("gs", marks=pytest.mark.xdist_group("gs")),
]


@pytest.fixture
def gs_place(gs_server: Rclone) -> GsBucket:
    return GsBucket(gs_server, gs_server.make_bucket())


def told(project: Project, place: Place) -> None:
    """The place becomes a remote in the user's own settings."""
    options = {"url": place.config.url, **place.config.options}
    lines = [f'    {option} = "{value}"' for option, value in options.items()]
    project.write(".dvc/config.local", "\n".join(["['remote \"far\"']", *lines, ""]))


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_folders_of_a_server_are_imported_and_updated(
    kind: str, project: Project, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")
    for key, text in {"one": "1", "data/a": "a", "data/in/b": "b", "database": "no"}.items():
        place.plant(key, text.encode())
    told(project, place)

    project.dvc("import-url", "-q", "remote://far/one")
    project.dvc("import-url", "-q", "remote://far/data")
    project.dvc("get-url", "-q", "remote://far/data", "copy")
    unchanged = project.dvc("update", "one.dvc", "data.dvc").stdout

    assert "1" == (project.root / "one").read_text()
    for folder in ("data", "copy"):
        assert {"a": "a", "in/b": "b"} == tree(project.root / folder)
    assert "'one.dvc' didn't change, skipping\n'data.dvc' didn't change, skipping\n" == unchanged

    place.plant("one", b"22")
    place.plant("data/c", b"c")
    project.dvc("update", "-q", "one.dvc", "data.dvc")
    assert "22" == (project.root / "one").read_text()
    assert {"a": "a", "in/b": "b", "c": "c"} == tree(project.root / "data")
    gone = project.dvc("import-url", "remote://far/nothing", check=False)
    assert (1, True) == (gone.rc, "does not exist" in gone.stderr), gone


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.xdist_group("ssh")
def test_a_whole_url_is_enough_where_the_machine_knows_the_way(
    ssh_place: Place, project: Project
) -> None:
    ssh_place.plant("d/f", b"f")

    project.dvc("import-url", "-q", f"{ssh_place.config.url}/d")

    assert "f" == (project.root / "d/f").read_text()
    assert f"{ssh_place.config.url}/d\n" in (project.root / "d.dvc").read_text()
