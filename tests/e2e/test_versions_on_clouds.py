"""Cloud versions on Azure and Google, whose servers are those of tests/servers/keeping.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import rclone
from tests.servers.drive import Drive
from tests.servers.keeping import Keeping, KeepingAzure, KeepingGs
from tests.support.programs import Program, git
from tests.support.project import Project, make_project

KEY = "a2V5a2V5a2V5a2V5"
NAMES = ("data/a", "data/s/b", "data/ü c", "f.txt")
Begin = Callable[..., Project]


@pytest.fixture(params=["azure", "gs"])
def server(request: pytest.FixtureRequest) -> Iterator[Keeping]:
    made = KeepingAzure() if request.param == "azure" else KeepingGs()
    yield made
    made.close()


@pytest.fixture
def begin(server: Keeping, dvc: Program, tmp_path: Path) -> Begin:
    """Makes a project with data, and the server's bucket as its remote."""

    def made(kind: str = "version_aware") -> Project:
        project = make_project(tmp_path / "project", dvc)
        if isinstance(server, KeepingAzure):
            url = f"azure://{server.bucket}/far"
            login = f"AccountName=me;AccountKey={KEY};BlobEndpoint={server.endpoint}/me"
            options = {"connection_string": login}
        else:
            url = f"gs://{server.bucket}/far"
            account = tmp_path / "account.json"
            account.write_text(json.dumps(rclone.ACCOUNT))
            options = {"endpointurl": server.endpoint, "credentialpath": str(account)}
        project.dvc("remote", "add", "-d", "far", url)
        project.dvc("remote", "modify", "far", kind, "true")
        for option, value in options.items():
            project.dvc("remote", "modify", "--local", "far", option, value)
        fill(project, "one")
        project.dvc("add", "-q", "data", "f.txt")
        return project

    return made


def fill(project: Project, state: str) -> None:
    for path in NAMES:
        project.write(path, f"{state} of {path}\n")


def kept(server: Keeping) -> dict[str, list[bytes]]:
    return {name: list(found.versions.values()) for name, found in server.names.items()}


def without_data(project: Project) -> None:
    shutil.rmtree(project.cache)
    shutil.rmtree(project.root / "data")
    (project.root / "f.txt").unlink()


def read(project: Project, name: str) -> str:
    return (project.root / name).read_text()


def test_versions_are_pushed_recorded_and_brought_again(begin: Begin, server: Keeping) -> None:
    project = begin()
    assert "4 files pushed\n" == project.dvc("push").stdout
    assert "Everything is up to date.\n" == project.dvc("push").stdout
    assert 3 == read(project, "data.dvc").count("version_id: ")
    project.commit_all()
    git("tag", "one", cwd=project.root)
    fill(project, "two")
    project.dvc("add", "-q", "data")
    project.dvc("push")
    project.commit_all()
    server.put("far/f.txt", b"what somebody else wrote")

    without_data(project)
    project.dvc("pull")

    assert "two of data/s/b\n" == read(project, "data/s/b")
    assert "one of f.txt\n" == read(project, "f.txt")
    git("checkout", "-q", "one", cwd=project.root)
    without_data(project)
    project.dvc("pull")
    assert "one of data/ü c\n" == read(project, "data/ü c")
    assert 0 == project.dvc("remote", "verify").rc
    assert {f"far/{name}" for name in NAMES} <= kept(server).keys()
    assert [b"one of data/a\n", b"two of data/a\n"] == kept(server)["far/data/a"]


def test_a_version_that_is_gone_is_told_and_pushed_again(begin: Begin, server: Keeping) -> None:
    project = begin()
    project.dvc("push")
    (lost,) = server.names["far/data/a"].versions
    server.lose("far/data/a", lost)
    asked = ("data", "status", "--not-in-remote", "--granular", "--json")

    assert ["data/", "data/a"] == project.dvc(*asked).json["not_in_remote"]
    found = project.dvc("remote", "verify", "--json", check=False)
    assert ["data/a"] == [row["path"] for row in found.json["damaged"]]
    assert "1 file pushed\n" == project.dvc("push").stdout
    assert 0 == project.dvc("remote", "verify").rc


def test_nothing_is_replaced_in_a_bucket_without_versions(begin: Begin, server: Keeping) -> None:
    server.versions = False
    server.put("far/f.txt", b"precious")
    project = begin()
    before = read(project, "f.txt.dvc")

    done = project.dvc("push", check=False)

    assert 0 != done.rc
    assert "does not keep versions" in done.stderr
    assert {"far/f.txt": [b"precious"]} == kept(server)
    assert before == read(project, "f.txt.dvc")


TRIAL = "far/.pannier-versions"


def test_who_may_read_the_settings_of_a_bucket_tries_nothing(begin: Begin, server: Keeping) -> None:
    """Azure has no such question."""
    project = begin()
    project.dvc("push")
    fill(project, "two")
    project.dvc("add", "-q", "data")
    assert "3 files pushed\n" == project.dvc("push").stdout

    assert (TRIAL in server.names) == isinstance(server, KeepingAzure)
    assert TRIAL not in server.names or server.names[TRIAL].now is None


def test_what_a_trial_left_goes_with_the_next_push(begin: Begin, server: Keeping) -> None:
    """As after a kill in its middle, or where nobody may delete."""
    if isinstance(server, KeepingGs):
        server.tells = False
    project = begin()
    project.dvc("push")
    server.deletes = False
    fill(project, "two")
    project.dvc("add", "-q", "data")
    assert "3 files pushed\n" == project.dvc("push").stdout
    assert server.names[TRIAL].now is not None
    server.deletes = True
    project.write("more", "replaces nothing")
    project.dvc("add", "-q", "more")

    assert "1 file pushed\n" == project.dvc("push").stdout

    assert server.names[TRIAL].now is None
    assert [] == list((Path.home() / ".cache/pannier/uploads").iterdir())


def test_update_takes_what_others_changed_at_a_worktree(begin: Begin, server: Keeping) -> None:
    project = begin("worktree")
    project.dvc("push")
    server.put("far/data/a", b"other\n")
    server.put("far/data/more/n", b"new\n")

    project.dvc("update", "data.dvc")

    assert "other\n" == read(project, "data/a")
    assert "new\n" == read(project, "data/more/n")
    assert "one of data/s/b\n" == read(project, "data/s/b")
    assert "Everything is up to date.\n" == project.dvc("push").stdout


def test_get_and_the_urls_name_a_version(
    begin: Begin, server: Keeping, dvc: Program, tmp_path: Path
) -> None:
    project = begin()
    project.dvc("push")
    project.commit_all()
    shutil.rmtree(project.cache)
    shutil.rmtree(project.root / "data")

    dvc("get", str(project.root), "data", "-o", "got", cwd=tmp_path, check=True)

    assert "one of data/s/b\n" == (tmp_path / "got/s/b").read_text()
    shown = dvc("get", "--show-url", str(project.root), "f.txt", cwd=tmp_path, check=True).stdout
    (version,) = server.names["far/f.txt"].versions
    mark = "?versionid=" if isinstance(server, KeepingAzure) else "#"
    assert shown.endswith(f"/far/f.txt{mark}{version}\n")


def test_only_what_was_uploaded_and_recorded_counts_as_repaired(
    begin: Begin, server: Keeping
) -> None:
    project = begin()
    project.write("kept.txt", "not pushed again\n")
    project.dvc("add", "-q", "kept.txt")
    project.dvc("push")
    pointer = project.root / "kept.txt.dvc"
    pointer.write_text(pointer.read_text().replace("  path:", "  push: false\n  path:"))
    for path in ("kept.txt", "f.txt", "data/a"):
        versions = server.names[f"far/{path}"].versions
        versions.update(dict.fromkeys(versions, b"rotten"))
    folder = project.root / "data.dvc"  # one of its files is another remote's
    folder.write_text("other:".join(folder.read_text().rsplit("far:", 1)))
    before = pointer.read_text(), folder.read_text()

    done = project.dvc("remote", "verify", "--repair", "--json", check=False)

    assert 1 == done.rc
    assert not done.json["clean"]
    repaired = {row["path"]: row["repaired_from"] for row in done.json["damaged"]}
    assert {"kept.txt": None, "f.txt": "the cache", "data/a": None} == repaired
    assert before == (pointer.read_text(), folder.read_text())
    assert "'data' was not uploaded: its versions are those of remote 'other'" in done.stderr
    again = project.dvc("remote", "verify", "--repair", check=False)
    assert 1 == again.rc
    assert "2 wrong or missing, 0 of them repaired" in again.stdout
    assert 2 == again.stdout.count("not repaired: that takes")


@pytest.mark.parametrize("kind", ["version_aware", "plain"])
def test_what_the_server_does_not_give_is_no_damage_and_is_left_alone(
    begin: Begin, server: Keeping, kind: str
) -> None:
    project = begin()
    if kind == "plain":
        project.dvc("remote", "modify", "--unset", "far", "version_aware")
    project.dvc("push")
    names = {name for name in server.names if name.startswith("far/")}
    rotten, unread, *_ = sorted(name for name in names if not name.endswith(".dir"))
    versions = server.names[rotten].versions
    versions.update(dict.fromkeys(versions, b"rotten"))
    server.failing = dict.fromkeys([unread, *(n for n in names if n.endswith(".dir"))], 400)
    before = kept(server)

    found = project.dvc("remote", "verify", "--repair", "--json", check=False)
    told = project.dvc("remote", "verify", "--repair", check=False)

    assert (1, 1) == (found.rc, told.rc)
    assert not found.json["clean"]
    assert ["the cache"] == [row["repaired_from"] for row in found.json["damaged"]]
    assert len(server.failing) == len(found.json["unread"])
    assert found.json["total"] == found.json["checked"] + len(server.failing)
    assert all(before[name] == kept(server)[name] for name in server.failing)
    assert "it could not be read: " in told.stdout
    assert f"all are what their names say. {len(server.failing)} could not be" in told.stdout
    server.failing = {}
    assert 0 == project.dvc("remote", "verify").rc


def test_a_server_that_is_gone_is_no_reason_to_rewrite_a_pointer(
    begin: Begin, server: Keeping
) -> None:
    project = begin()
    project.dvc("push")
    before = read(project, "data.dvc"), read(project, "f.txt.dvc"), kept(server)
    server.failing = dict.fromkeys(server.names, 503)

    done = project.dvc("remote", "verify", "--repair", "--json", check=False)

    assert 1 == done.rc
    assert ([], 4) == (done.json["damaged"], len(done.json["unread"]))
    assert before == (read(project, "data.dvc"), read(project, "f.txt.dvc"), kept(server))


def test_imports_from_a_url_name_versions(
    begin: Begin, server: Keeping, drive: Drive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As of S3: a folder, the latest version of a file, and one that the URL names."""
    project = begin()
    root = reached_by_url(server, drive, monkeypatch, tmp_path)
    olds = {name: server.put(name, b"one") for name in ("in/a", "in/s/b", "file")}
    news = {name: server.put(name, b"two") for name in ("in/a", "file")}
    mark = "?versionid=" if isinstance(server, KeepingAzure) else "#"

    project.dvc("import-url", "--version-aware", f"{root}/in")
    project.dvc("import-url", "--version-aware", f"{root}/file", "latest")
    project.dvc("import-url", "--version-aware", f"{root}/file{mark}{olds['file']}", "older")
    server.put("in/a", b"three")
    server.put("file", b"three")
    told = project.dvc("status", "--json").json
    for folder in (project.cache, project.root / "in"):
        shutil.rmtree(folder)
    for name in ("latest", "older"):
        (project.root / name).unlink()
    project.dvc("pull", "in", "latest", "older")

    found = {name: read(project, name) for name in ("in/a", "in/s/b", "latest", "older")}
    assert {"in/a": "two", "in/s/b": "one", "latest": "two", "older": "one"} == found
    assert news["in/a"] in read(project, "in.dvc")
    assert "push: false" in read(project, "in.dvc")
    assert f"version_id: '{olds['file']}'" in read(project, "older.dvc")
    assert {"in.dvc", "latest.dvc"} <= told.keys()
    project.dvc("update", "in.dvc", "latest.dvc")
    assert ("three", "three") == (read(project, "in/a"), read(project, "latest"))


def test_a_place_without_versions_cannot_be_imported_by_them(
    begin: Begin, server: Keeping, drive: Drive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Google's objects have a number there, too, so only Azure's can be told."""
    server.versions = False
    project = begin()
    root = reached_by_url(server, drive, monkeypatch, tmp_path)
    server.put("file", b"one")

    done = project.dvc("import-url", "--version-aware", f"{root}/file", check=False)

    assert done.rc == (1 if isinstance(server, KeepingAzure) else 0)
    assert ("has no versions" in done.stderr) == isinstance(server, KeepingAzure)


def reached_by_url(
    server: Keeping, drive: Drive, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> str:
    """The URL of the bucket; who asks is in the environment."""
    if isinstance(server, KeepingAzure):
        login = f"AccountName=me;AccountKey={KEY};BlobEndpoint={server.endpoint}/me"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", login)
        return f"azure://{server.bucket}"
    (folder / "mine.json").write_text(json.dumps(drive.account()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "mine.json"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    return f"gs://{server.bucket}"
