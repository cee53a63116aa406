"""File systems that others register with fsspec, beyond the contract of every transport."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, ConfigError, NotThere, TransportError
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from tests.contract.places import Shelf, every_call, failure, nothing
from tests.support.oracle import Oracle
from tests.support.project import Project
from tests.support.shelf import shelf_files
from tests.support.wanted import is_wanted


def test_who_says_no_password_gets_nothing_and_it_is_not_repeated(
    shelf: Path, tmp_path: Path
) -> None:
    config = RemoteConfig("far", f"shelf:/{tmp_path}/x", {"password": "not this one"})

    for error in every_call(open_transport(config), tmp_path):
        assert isinstance(error, AccessDenied)
        assert "not this one" not in str(error)


def test_options_reach_the_file_system_with_the_types_that_they_have(
    shelf: Path, tmp_path: Path
) -> None:
    options = {"password": shelf_files.PASSWORD, "shelves": "4", "jobs": "2"}
    url = f"shelf:/{tmp_path}/x"
    typed = open_transport(RemoteConfig("far", url, options, values={**options, "shelves": 4}))
    text = open_transport(RemoteConfig("far", url, options))

    typed.write("a", b"x")

    assert b"x" == typed.read("a")
    error = failure(lambda: text.read("a"))
    assert isinstance(error, ConfigError)
    assert "shelves must be a number" in str(error)


def test_what_can_neither_move_nor_copy_is_read_and_never_written(
    shelf: Path, tmp_path: Path
) -> None:
    place = Shelf(tmp_path / "remote", "counter")
    place.plant("a/b", b"bytes")
    transport = place.transport()
    source = tmp_path / "source"
    source.write_bytes(b"x")

    (up,) = transport.upload_many([(str(source), "c", "")], 1, nothing)

    assert isinstance(up.error, TransportError)
    assert "for reading only" in str(up.error)
    assert b"bytes" == transport.read("a/b")
    assert {"a/b"} == place.keys() == {entry.key for entry in transport.list("")}


@pytest.mark.parametrize("scheme", ["memory", "simplecache", "zip", "dvc", "nobody", "gist+x"])
def test_what_is_no_place_to_keep_data_is_refused(scheme: str) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", f"{scheme}://x")))

    assert f"Unsupported URL type {scheme}://" in str(error)


def test_a_kind_that_only_lacks_its_package_names_the_package() -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", "box://x")))

    assert "Unsupported URL type box://" in str(error)
    assert "boxfs" in str(error)


def test_without_fsspec_the_user_is_told_what_to_install() -> None:
    script = (
        "import sys; sys.modules['fsspec.registry'] = None\n"
        "from pannier.store.schemes import open_transport\n"
        "from pannier.store.remote_config import RemoteConfig\n"
        "try: open_transport(RemoteConfig('far', 'shelf://x'))\n"
        "except Exception as error: print(error, error.hint)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "pip install 'pannier[fsspec]'" in done.stdout


def test_members_that_would_lead_elsewhere_are_not_listed(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's word is no way out of the remote."""
    place = Shelf(tmp_path / "remote", "shelf")
    place.plant("good", b"")
    transport = place.transport()
    rows = [{"name": f"x/{name}", "type": "file", "size": 1} for name in ("../evil", "..", "a/b")]
    shown = shelf_files.ShelfFileSystem.ls

    monkeypatch.setattr("shelf_files.ShelfFileSystem.ls", lambda *a, **k: [*shown(*a, **k), *rows])

    assert {"good"} == {entry.key for entry in transport.list("")}


def test_a_remote_that_dvc_cannot_read_stays_out_of_its_files(
    shelf: Path, project: Project, oracle: Oracle
) -> None:
    root, url = project.root, f"shelf:/{project.root.parent}/far"
    assert is_wanted("remote-own-kinds")
    before = (root / ".dvc/config").read_text()

    said = project.dvc("remote", "add", "far", url).stdout
    refused = project.dvc("remote", "modify", "far", "password", "x", check=False)
    project.dvc("remote", "modify", "--local", "far", "password", shelf_files.PASSWORD)

    assert "Remote 'far' is kept in .dvc/pannier.toml: DVC cannot read" in said
    assert (251, "") == (refused.rc, refused.stdout)
    assert "--local far password" in refused.stderr
    assert before == (root / ".dvc/config").read_text()
    assert f'[remote.far]\nurl = "{url}"\n' == (root / ".dvc/pannier.toml").read_text()
    assert 0o600 == (root / ".dvc/pannier.local.toml").stat().st_mode & 0o777
    assert url in project.dvc("remote", "list").stdout
    assert shelf_files.PASSWORD not in project.dvc("config", "-l").stdout
    assert 251 == oracle("remote", "add", "other", url, cwd=root).rc
    assert 0 == oracle("status", cwd=root).rc

    project.dvc("remote", "rename", "far", "near")
    project.dvc("remote", "default", "near")
    assert "near" in project.dvc("remote", "default").stdout
    assert project.dvc("remote", "add", "near", url, check=False).rc == 251
    project.write("file", "x")
    project.dvc("add", "file")
    assert "1 file pushed\n" == project.dvc("push").stdout

    project.dvc("remote", "remove", "near")
    assert ["", ""] == [
        (root / f".dvc/pannier{name}.toml").read_text().strip() for name in ("", ".local")
    ]
    assert "" == before == (root / ".dvc/config").read_text().strip()


def test_options_of_such_a_remote_that_came_with_the_repository_do_not_count(
    shelf: Path, project: Project
) -> None:
    """Nobody but the file system knows which of them runs a program or names a file."""
    text = f'[remote.far]\nurl = "shelf:/{project.root}/far"\npassword = "x"\n'
    project.write(".dvc/pannier.toml", text)
    project.write("file", "x")
    project.dvc("add", "file")

    done = project.dvc("push", "-r", "far", check=False)

    assert (1, "") == (done.rc, done.stdout)
    assert "counts only from your own settings" in done.stderr
    assert not (project.root / "far").exists()


def test_a_secret_of_such_a_remote_is_in_no_log_and_undo_leaves_it(
    shelf: Path, project: Project
) -> None:
    project.dvc("remote", "add", "far", f"shelf:/{project.root}/far")
    for word in ("hidden-word-of-mine", "another"):
        project.dvc("remote", "modify", "--local", "far", "password", word)
    project.dvc("remote", "add", "near", f"shelf:/{project.root}/near")
    own = project.root / ".dvc/pannier.toml"

    project.dvc("undo")

    assert "near" not in own.read_text()
    assert "far" in own.read_text()
    holders = [path for path in (project.root / ".dvc").rglob("*") if path.is_file()]
    assert [] == [path for path in holders if b"hidden-word" in path.read_bytes()]


def test_a_url_in_dvcs_file_and_in_ours_is_refused(shelf: Path, project: Project) -> None:
    project.dvc("remote", "add", "far", "../far")
    project.write(".dvc/pannier.toml", '[remote.far]\nurl = "shelf://x"\n')
    project.write("file", "x")
    project.dvc("add", "file")

    done = project.dvc("push", "-r", "far", check=False)

    assert 0 != done.rc
    assert "one URL in DVC's settings and another in ours" in done.stderr


def test_a_key_that_names_nothing_has_no_part(shelf: Path, tmp_path: Path) -> None:
    transport = Shelf(tmp_path / "remote", "shelf").transport()

    assert isinstance(failure(lambda: transport.read("a")), NotThere)
