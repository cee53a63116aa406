"""Imports from Azure by versions, with real DVC beside us; the server, Azurite, keeps none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.servers.azurite import Azurite
from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

pytestmark = pytest.mark.xdist_group("azure")


@pytest.fixture
def container(azure_server: Azurite, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure_server.connection_string)
    made = azure_server.make_container()
    for key in ("file", "in/a", "in/b/c"):
        azure_server.write(made, key, b"one")
    return made


def test_where_there_are_no_versions_none_are_imported(
    container: str, dvc: Program, oracle: Oracle, tmp_path: Path
) -> None:
    ours, theirs = make_project(tmp_path / "o", dvc), make_project(tmp_path / "t", oracle)
    for name in ("file", "in"):
        done = ours.dvc("import-url", "--version-aware", f"azure://{container}/{name}", check=False)
        theirs.dvc("import-url", "--version-aware", f"azure://{container}/{name}")
        pointer = (theirs.root / f"{name}.dvc").read_text()

        assert is_wanted("versions-none")
        assert done.rc == 1
        assert "has no versions" in done.stderr
        assert not (ours.root / f"{name}.dvc").exists()
        assert "push: false" in pointer
        assert "version_id" not in pointer


def test_what_real_dvc_imported_without_versions_is_brought_while_it_is_the_same(
    container: str, azure_server: Azurite, dvc: Program, oracle: Oracle, tmp_path: Path
) -> None:
    theirs = make_project(tmp_path / "t", oracle)
    for name in ("file", "in"):
        theirs.dvc("import-url", "--version-aware", f"azure://{container}/{name}")
    ours = Project(theirs.root, dvc)
    shutil.rmtree(ours.cache)
    shutil.rmtree(ours.root / "in")
    (ours.root / "file").unlink()

    ours.dvc("pull")

    assert ["one"] * 3 == [(ours.root / p).read_text() for p in ("file", "in/a", "in/b/c")]
    shutil.rmtree(ours.cache)
    (ours.root / "file").unlink()
    azure_server.write(container, "file", b"two")
    assert ours.dvc("pull", "file", check=False).rc != 0
    assert not (ours.root / "file").exists()
