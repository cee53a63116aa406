"""What a remote with cloud versions has, for others: get, import, the API, verify, sync."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compat.test_versions_oracle import (
    Bucket,
    add_remote,
    begin,
    bucket,
    exact,
    files,
)
from tests.support.programs import Program, Runner, git, oracle_path, run
from tests.support.project import Project, make_project

pytestmark = pytest.mark.xdist_group("s3")
__all__ = ["bucket"]

NAMES = ("data/a", "data/s/b", "data/ü c", "f.txt")
READ = """
import json, sys
import dvc.api
url, rev = sys.argv[1:]
found = {}
for name in json.loads(sys.stdin.read()):
    found[name] = [dvc.api.read(name, repo=url, rev=rev), dvc.api.get_url(name, repo=url, rev=rev)]
found["data"] = dvc.api.get_url("data", repo=url, rev=rev)
fs = dvc.api.DVCFileSystem(url, rev=rev)
found["below"] = {k: v["size"] for k, v in fs.find("data", detail=True).items()}
fs.get("data", sys.argv[1].removeprefix("file://") + "-got-" + sys.argv[0], recursive=True)
print(json.dumps(found))
"""
NewSource = Callable[[str], Project]


@pytest.fixture
def new_source(
    bucket: Bucket, dvc: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> NewSource:
    """Makes a project with two commits, of whose data only a bucket has the versions."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.server.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.server.secret)

    def make(name: str) -> Project:
        project = begin(tmp_path / name, dvc, bucket, name, "version_aware")
        for state in ("one", "two"):
            for path in NAMES:
                project.write(path, f"{state} of {path}\n")
            project.dvc("add", "-q", "data", "f.txt")
            project.dvc("push")
            project.commit_all()
            git("tag", state, cwd=project.root)
        shutil.rmtree(project.cache)
        return project

    return make


def url_of(project: Project) -> str:
    return f"file://{project.root}"


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


BESIDE = pytest.mark.parametrize(
    "beside", ["alone", pytest.param("real DVC", marks=pytest.mark.long)]
)


@BESIDE
def test_get_and_import_bring_the_versions_of_a_revision(
    new_source: NewSource,
    request: pytest.FixtureRequest,
    dvc: Program,
    tmp_path: Path,
    beside: str,
) -> None:
    source = new_source("given")
    url = url_of(source)
    told: dict[str, tuple[Any, ...]] = {}
    programs: dict[str, Runner] = {"o": dvc}
    if beside == "real DVC":
        programs["t"] = request.getfixturevalue("oracle")
    for name, program in programs.items():
        root = make_project(tmp_path / name, program).root
        for args in (
            ("get", url, "data", "-o", "new"),
            ("get", "--rev", "one", url, "data", "-o", "old"),
            ("get", "--rev", "one", url, "data/ü c", "-o", "single"),
            ("import", "--rev", "one", url, "data"),
            ("import", url, "f.txt"),
        ):
            program(*args, cwd=root, check=True)
        shown = [
            program("get", "--show-url", url, path, cwd=root, check=True).stdout
            for path in ("data/s/b", "data", "f.txt")
        ]
        listed = program("list", "-R", "--dvc-only", "--size", "--show-hash", url, cwd=root).stdout
        imported = exact(Project(root, program))
        inside = {path: content(root / path) for path in ("new", "old")}
        single = (root / "single").read_text()
        told[name] = (shown, listed, imported, inside, single, (root / "data/s/b").read_text())

    assert told.get("t", told["o"]) == told["o"]
    found, folder, single = told["o"][0]
    assert re.fullmatch(r"s3://\S+/given/data/s/b\?versionId=\S+\n", found)
    assert folder.endswith("/given/data\n")
    assert "versionId=" in single
    assert "one of data/s/b\n" == (tmp_path / "o/old/s/b").read_text()
    assert "two of data/s/b\n" == (tmp_path / "o/new/s/b").read_text()
    shutil.rmtree(tmp_path / "o/data")
    shutil.rmtree(tmp_path / "o/.dvc/cache")
    dvc("pull", cwd=tmp_path / "o", check=True)
    assert "one of data/s/b\n" == (tmp_path / "o/data/s/b").read_text()
    dvc("update", "--rev", "two", "data.dvc", cwd=tmp_path / "o", check=True)
    assert "two of data/s/b\n" == (tmp_path / "o/data/s/b").read_text()


@BESIDE
def test_the_api_reads_the_versions_of_a_revision(
    new_source: NewSource, tmp_path: Path, beside: str
) -> None:
    source = new_source("read")
    url = url_of(source)
    pythons = {"o": sys.executable}
    if beside == "real DVC":
        pythons["t"] = str(oracle_path().with_name("python"))
    told = {}
    for name, python in pythons.items():
        script = tmp_path / name
        script.write_text(READ)
        done = run([python, name, url, "one"], cwd=tmp_path, check=True, stdin=json.dumps(NAMES))
        told[name] = json.loads(done.stdout)

    assert told.get("t", told["o"]) == told["o"]
    assert "one of data/s/b\n" == told["o"]["data/s/b"][0]
    assert "?versionId=" in told["o"]["data/s/b"][1]
    got = [content(Path(f"{source.root}-got-{name}")) for name in pythons]
    assert got[0] == got[-1]
    assert "one of data/s/b\n" == got[0]["s/b"]


def test_a_big_version_is_read_in_ranges(
    bucket: Bucket, dvc: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not what the name holds now."""
    project = begin(tmp_path / "p", dvc, bucket, "ranges", "version_aware")
    first = bytes(range(256)) * (40 << 10)
    (project.root / "big").write_bytes(first)
    project.dvc("add", "-q", "big")
    project.dvc("push")
    bucket.put("ranges/big", "other")
    shutil.rmtree(project.cache)
    (project.root / "big").unlink()
    monkeypatch.chdir(project.root)
    import dvc.api as api

    with api.open("big", mode="rb") as file:
        file.seek(9 << 20)
        assert first[9 << 20 : (9 << 20) + 1000] == file.read(1000)
    assert first == api.read("big", mode="rb")


def test_metrics_of_older_commits_are_read_from_their_versions(
    bucket: Bucket, dvc: Program, tmp_path: Path
) -> None:
    project = begin(tmp_path / "p", dvc, bucket, "metrics", "version_aware")
    stage = "stages:\n  make:\n    cmd: cp in m.json\n    deps: [in]\n    metrics: [m.json]\n"
    project.write("dvc.yaml", stage)
    for number in (1, 2):
        project.write("in", f'{{"loss": {number}}}')
        project.dvc("repro", "-q")
        project.dvc("push")
        project.commit_all()
    shutil.rmtree(project.cache)

    changed = project.dvc("metrics", "diff", "HEAD~1", "--json").json

    assert {"m.json": {"loss": {"old": 1, "new": 2, "diff": 1}}} == changed


def test_remote_verify_reads_the_versions_that_are_recorded_and_mends_them(
    bucket: Bucket, dvc: Program, tmp_path: Path
) -> None:
    project = begin(tmp_path / "p", dvc, bucket, "verified", "version_aware")
    for path in NAMES:
        project.write(path, f"content of {path}\n")
    project.dvc("add", "-q", "data", "f.txt")
    project.dvc("push")
    bucket.put("verified/data/a", "newer, and no concern of this project")
    assert 0 == project.dvc("remote", "verify").rc
    # The version that the pointer names has other bytes: as after bit rot.
    wrong = bucket.put("verified/f.txt", "wrong bytes")
    pointer = project.root / "f.txt.dvc"
    lines = [
        f"      version_id: '{wrong}'" if "version_id" in line else line
        for line in pointer.read_text().splitlines()
    ]
    pointer.write_text("\n".join(lines) + "\n")
    gone = next(v for v in bucket.versions("verified/data/s/b"))
    bucket.server.client.delete_object(Bucket=bucket.name, Key=gone[0], VersionId=gone[1])

    found = project.dvc("remote", "verify", "--json", check=False)

    assert 1 == found.rc
    assert (4, 3) == (found.json["total"], found.json["checked"])
    assert {"f.txt", "data/s/b"} == {row["path"] for row in found.json["damaged"]}
    mended = project.dvc("remote", "verify", "--repair", "--json")
    assert ["the cache"] * 2 == [row["repaired_from"] for row in mended.json["damaged"]]
    assert 0 == project.dvc("remote", "verify").rc
    before = files(project)
    shutil.rmtree(project.cache)
    for path in NAMES:
        (project.root / path).unlink()
    project.dvc("pull")
    assert before == files(project)


def test_remote_sync_copies_what_pointers_record_to_a_plain_remote(
    new_source: NewSource, bucket: Bucket, dvc: Program, tmp_path: Path
) -> None:
    source = new_source("synced")
    source.dvc("remote", "add", "plain", str(tmp_path / "plain"))

    assert (
        "5 files copied from 'far' to 'plain'\n"
        == source.dvc("remote", "sync", "far", "plain").stdout
    )

    assert "Everything is up to date.\n" == source.dvc("remote", "sync", "far", "plain").stdout
    before = files(source)
    shutil.rmtree(source.root / "data")
    (source.root / "f.txt").unlink()
    source.dvc("pull", "-r", "plain")
    assert before == files(source)
    assert 0 == source.dvc("remote", "verify", "-r", "plain").rc
    refused = source.dvc("remote", "sync", "plain", "far", check=False)
    assert "keeps cloud versions" in refused.stderr
    add_remote(source, "other", bucket, "nothing", "version_aware")
    before = exact(source)
    refused = source.dvc("remote", "sync", "far", "other", check=False)
    assert 1 < refused.rc
    assert "room for the versions of one remote" in refused.stderr
    assert "'dvc remote sync far <name>'" in refused.stderr
    assert before == exact(source)
    assert [] == bucket.versions("nothing/")
    assert "Everything is up to date.\n" == source.dvc("remote", "sync", "other", "plain").stdout


def test_cache_verify_finds_good_copies_among_versions(
    bucket: Bucket, dvc: Program, tmp_path: Path
) -> None:
    project = begin(tmp_path / "p", dvc, bucket, "copies", "version_aware")
    project.write("data/a", "precious\n")
    project.dvc("add", "-q", "data")
    project.dvc("push")
    (path,) = [p for p in project.cache.glob("files/md5/??/*") if p.suffix != ".dir"]
    path.chmod(0o644)
    path.write_text("spoiled!\n")
    (project.root / "data/a").unlink()

    done = project.dvc("cache", "verify", "--repair")

    assert "repaired from remote 'far'" in done.stdout
    assert "precious\n" == path.read_text()
