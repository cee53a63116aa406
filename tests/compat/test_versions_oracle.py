"""Remotes with cloud versions: pointers as real DVC writes them, and both on one bucket."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.swift import Swift
from tests.support.oracle import Oracle
from tests.support.programs import Completed, Program, Runner, git
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

pytestmark = pytest.mark.xdist_group("s3")

PIPELINE = """\
stages:
  make:
    cmd: mkdir -p o && cp data/a o/1 && cp f.txt m.txt
    deps: [data/a, f.txt]
    outs: [o, m.txt]
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    server: Swift
    name: str

    def put(self, key: str, data: str) -> str:
        answer = self.server.client.put_object(Bucket=self.name, Key=key, Body=data.encode())
        return str(answer["VersionId"])

    def remove(self, key: str) -> None:
        self.server.client.delete_object(Bucket=self.name, Key=key)

    def versions(self, prefix: str) -> list[tuple[str, str]]:
        answer = self.server.client.list_object_versions(Bucket=self.name, Prefix=prefix)
        return [(row["Key"], row["VersionId"]) for row in answer.get("Versions", ())]


@pytest.fixture(scope="session")
def bucket(s3_server: Swift) -> Bucket:
    return versioned_bucket(s3_server)


def versioned_bucket(server: Swift) -> Bucket:
    name = server.make_bucket()
    enabled = {"Status": "Enabled"}
    server.client.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled)
    return Bucket(server, name)


def begin(root: Path, program: Runner, bucket: Bucket, prefix: str, kind: str) -> Project:
    project = make_project(root, program)
    add_remote(project, "far", bucket, prefix, kind)
    project.dvc("remote", "default", "far")
    return project


def add_remote(project: Project, name: str, bucket: Bucket, prefix: str, kind: str = "") -> None:
    project.dvc("remote", "add", name, f"s3://{bucket.name}/{prefix}")
    private = {"access_key_id": bucket.server.key_id, "secret_access_key": bucket.server.secret}
    for option, value in private.items():
        project.dvc("remote", "modify", "--local", name, option, value)
    project.dvc("remote", "modify", name, "endpointurl", bucket.server.endpoint)
    if kind:
        project.dvc("remote", "modify", name, kind, "true")


def clone_of(project: Project, program: Runner) -> Project:
    root = project.root.with_name(f"{project.root.name}-clone")
    git("clone", "-q", str(project.root), str(root), cwd=project.root)
    shutil.copy(project.root / ".dvc/config.local", root / ".dvc/config.local")
    return Project(root, program)


def recorded(project: Project) -> dict[str, str]:
    """Pointers and lock files, with the ids of versions taken out."""
    files = [*project.root.glob("*.dvc"), *project.root.glob("dvc.lock")]
    return {
        path.name: re.sub(r"version_id: .*", "version_id: ID", path.read_text())
        for path in files
        if path.is_file()
    }


def said(done: Completed) -> list[str]:
    lines = [line for line in done.stdout.splitlines() if "Updating lock file" not in line]
    return [" ".join(sorted(line.split())) if "git add" in line else line for line in lines]


class Pair:
    """The same steps by both, each with a place of its own in the bucket; or by ours alone."""

    def __init__(self, theirs: Project | None, ours: Project) -> None:
        self.theirs, self.ours = theirs, ours

    def change(self, work: Callable[[Project], object]) -> None:
        for project in (self.theirs, self.ours):
            if project is not None:
                work(project)

    def dvc(self, *args: str) -> None:
        right = self.ours.dvc(*args, check=False)
        if self.theirs is None:
            return
        left = self.theirs.dvc(*args, check=False)
        assert (left.rc, said(left)) == (right.rc, said(right)), f"{left}\n{right}"
        assert recorded(self.theirs) == recorded(self.ours), f"after {args}"

    def same(self) -> None:
        """With the ids of versions: both import from one place."""
        assert self.theirs is None or exact(self.theirs) == exact(self.ours)


def fill(project: Project) -> None:
    for path in ("data/a", "data/s/b", "data/s-b", "data/ü c", "f.txt"):
        project.write(path, f"content of {path}\n")
    project.write("dvc.yaml", PIPELINE)


def edit(project: Project) -> None:
    project.write("data/a", "other\n")
    project.write("data/n", "n\n")
    (project.root / "data/s-b").unlink()


def test_pointers_and_lock_files_are_written_as_real_dvc_writes_them(
    bucket: Bucket, oracle: Oracle, dvc: Program, tmp_path: Path
) -> None:
    theirs = begin(tmp_path / "t", oracle, bucket, "theirs", "version_aware")
    pair = Pair(theirs, begin(tmp_path / "o", dvc, bucket, "ours", "version_aware"))
    pair.change(fill)
    pair.dvc("add", "-q", "data", "f.txt")
    theirs.dvc("repro", "-q")
    Project(pair.ours.root, oracle).dvc("repro", "-q")  # stages are not run here yet
    pair.dvc("push")
    pair.dvc("push")
    pair.dvc("add", "-q", "data", "f.txt")
    pair.dvc("status", "-c")
    pair.change(edit)
    pair.dvc("add", "-q", "data")
    pair.dvc("push")
    pair.change(lambda project: project.write("data/deep/er", "x"))
    pair.dvc("commit", "-q", "-f", "data.dvc")
    pair.dvc("push", "data.dvc")
    pair.dvc("gc", "-w", "-c", "-f")

    for project, program in ((pair.ours, oracle), (theirs, dvc)):
        project.commit_all()
        clone = clone_of(project, program)
        clone.dvc("pull")
        assert files(project) == files(clone)
        assert "Data and pipelines are up to date.\n" == clone.dvc("status", "data.dvc").stdout


@pytest.mark.long
@pytest.mark.parametrize("kind", ["version_aware", "worktree"])
def test_what_one_program_pushed_the_other_pulls(
    bucket: Bucket, oracle: Oracle, dvc: Program, tmp_path: Path, kind: str
) -> None:
    for first, second, name in ((oracle, dvc, "t"), (dvc, oracle, "o")):
        project = begin(tmp_path / name, first, bucket, f"{kind}-{name}", kind)
        fill(project)
        (project.root / "dvc.yaml").unlink()
        project.dvc("add", "-q", "data", "f.txt")
        project.dvc("push")
        project.commit_all()
        git("tag", "one", cwd=project.root)
        edit(project)
        project.dvc("add", "-q", "data")
        project.dvc("push")
        project.commit_all()
        other = clone_of(project, second)
        root = other.root

        other.dvc("pull")
        assert files(project) == files(other)
        assert "Data and pipelines are up to date.\n" == other.dvc("status").stdout
        assert "Everything is up to date.\n" == other.dvc("push").stdout
        git("checkout", "-q", "one", cwd=root)
        other.dvc("pull")
        assert b"content of data/a\n" == (root / "data/a").read_bytes()
        assert not (root / "data/n").exists()


def files(project: Project) -> dict[str, bytes]:
    found = [*(project.root / "data").rglob("*"), project.root / "f.txt"]
    return {str(p.relative_to(project.root)): p.read_bytes() for p in found if p.is_file()}


@pytest.mark.parametrize("beside", ["alone", pytest.param("real DVC", marks=pytest.mark.long)])
def test_an_import_records_versions_and_brings_those(
    bucket: Bucket, request: pytest.FixtureRequest, dvc: Program, tmp_path: Path, beside: str
) -> None:
    theirs = None
    if beside == "real DVC":
        theirs = make_project(tmp_path / "t", request.getfixturevalue("oracle"))
    for key in ("d/x", "d/s/y", "d/s-z", "f"):
        bucket.put(f"source/{key}", f"first {key}\n")
    pair = Pair(theirs, make_project(tmp_path / "o", dvc))
    pair.change(lambda project: add_remote(project, "src", bucket, "source"))
    pair.dvc("import-url", "--version-aware", "remote://src/d")
    pair.dvc("import-url", "--version-aware", "remote://src/f", "file")
    told = exact(pair.ours)["d.dvc"]
    assert 3 == told.count("version_id: ")
    assert "    version_aware: true\n" in told
    assert told.endswith("  push: false\n")
    pair.same()
    pair.dvc("status")
    first = bucket.versions("source/f")[0][1]

    bucket.put("source/d/x", "second\n")
    bucket.put("source/d/new", "new\n")
    bucket.put("source/f", "second\n")
    bucket.remove("source/d/s/y")
    pair.dvc("status")
    pair.change(lambda project: shutil.rmtree(project.cache))
    pair.change(lambda project: shutil.rmtree(project.root / "d"))
    pair.change(lambda project: (project.root / "file").unlink())
    pair.dvc("pull")
    assert "first d/x\n" == (pair.ours.root / "d/x").read_text()
    assert "first f\n" == (pair.ours.root / "file").read_text()

    pair.dvc("update", "d.dvc")
    pair.dvc("update", "file.dvc")
    pair.same()
    assert {"x", "new", "s-z"} == {
        path.name for path in (pair.ours.root / "d").iterdir() if path.is_file()
    }
    assert "second\n" == (pair.ours.root / "file").read_text()
    pair.dvc("update", "file.dvc", "--rev", first)
    pair.same()
    pair.dvc("status")

    assert is_wanted("version-in-url")
    pair.ours.dvc("import-url", f"remote://src/f?versionId={first}", "old")
    assert "first f\n" == (pair.ours.root / "old").read_text()
    assert "path: remote://src/f\n" in (pair.ours.root / "old.dvc").read_text()


def exact(project: Project) -> dict[str, str]:
    return {path.name: path.read_text() for path in project.root.glob("*.dvc") if path.is_file()}


def test_update_takes_what_others_changed_at_a_worktree(
    bucket: Bucket, oracle: Oracle, dvc: Program, tmp_path: Path
) -> None:
    ours = begin(tmp_path / "o", dvc, bucket, "worktree", "worktree")
    fill(ours)
    ours.write("data/new\nline", "odd")
    (ours.root / "dvc.yaml").unlink()
    ours.dvc("add", "-q", "data", "f.txt")
    ours.dvc("push")
    before = files(ours)
    bucket.put("worktree/data/a", "other a\n")
    bucket.put("worktree/data/more/n", "n\n")
    bucket.put("worktree/f.txt", "other f\n")
    bucket.remove("worktree/data/s-b")

    done = ours.dvc("update", "data.dvc", "f.txt.dvc")

    assert ("", 0) == (done.stdout, done.rc)
    del before["data/s-b"]
    changed = {"data/a": b"other a\n", "data/more/n": b"n\n", "f.txt": b"other f\n"}
    assert before | changed == files(ours)
    assert "Data and pipelines are up to date.\n" == ours.dvc("status").stdout
    assert "Everything is up to date.\n" == ours.dvc("push").stdout
    assert "Everything is up to date.\n" == oracle("push", cwd=ours.root).stdout
    assert "" == ours.dvc("update", "data.dvc").stdout


def test_nothing_is_uploaded_where_it_would_replace_what_is_there(
    s3_server: Swift, dvc: Program, tmp_path: Path
) -> None:
    """An unversioned bucket keeps one version: the last (docs/durability.md, promise 1)."""
    assert is_wanted("versions-unversioned")
    plain = Bucket(s3_server, s3_server.make_bucket())
    plain.server.client.put_object(Bucket=plain.name, Key="p/f.txt", Body=b"precious")
    project = begin(tmp_path / "p", dvc, plain, "p", "version_aware")
    project.write("f.txt", "new")
    project.dvc("add", "f.txt")
    before = recorded(project)

    done = project.dvc("push", check=False)

    assert 0 != done.rc
    assert "does not keep versions" in done.stderr
    assert before == recorded(project)
    answer = plain.server.client.get_object(Bucket=plain.name, Key="p/f.txt")
    assert b"precious" == answer["Body"].read()


def test_versions_are_believed_only_while_they_are_there(
    bucket: Bucket, oracle: Oracle, dvc: Program, tmp_path: Path
) -> None:
    project = begin(tmp_path / "p", dvc, bucket, "believed", "version_aware")
    project.write("data/a", "a")
    project.write("data/b", "b")
    project.dvc("add", "data")
    project.dvc("push")
    assert is_wanted("versions-gone")
    pointer = (project.root / "data.dvc").read_text()
    lost = next(found for found in bucket.versions("believed/") if found[0].endswith("/a"))
    bucket.server.client.delete_object(Bucket=bucket.name, Key=lost[0], VersionId=lost[1])

    assert is_wanted("versions-not-in-remote")
    asked = ("data", "status", "--not-in-remote", "--granular", "--json")
    assert ["data/", "data/a"] == project.dvc(*asked).json["not_in_remote"]
    assert "1 file pushed\n" == project.dvc("push").stdout
    assert [] == project.dvc(*asked).json.get("not_in_remote", [])
    assert pointer != (project.root / "data.dvc").read_text()
    assert 2 == len(bucket.versions("believed/"))

    (project.root / "data.dvc").write_text(pointer)
    shutil.rmtree(project.cache)
    shutil.rmtree(project.root / "data")
    gone = project.dvc("fetch", check=False)
    assert 1 == gone.rc
    assert "believed" not in gone.stderr
    assert "data/a" in gone.stderr
    assert "data/b" not in gone.stderr


def test_a_pointer_that_was_not_written_finds_its_versions_again(
    bucket: Bucket, dvc: Program, tmp_path: Path
) -> None:
    project = begin(tmp_path / "p", dvc, bucket, "again", "version_aware")
    project.write("data/a", "a")
    project.write("f.txt", "f")
    project.dvc("add", "data", "f.txt")
    before = exact(project)
    project.dvc("push")
    pushed = exact(project)
    for name, text in before.items():  # as after a kill between the uploads and the pointers
        (project.root / name).write_text(text)

    assert "Everything is up to date.\n" == project.dvc("push").stdout

    assert pushed == exact(project)
    assert is_wanted("versions-isexec")
    project.write("data/a", "new a").chmod(0o755)
    project.dvc("add", "data")
    project.dvc("push")
    assert "isexec: true" in exact(project)["data.dvc"]
    assert 3 == len(bucket.versions("again/"))


def test_what_versions_of_another_remote_name_is_not_lost(
    bucket: Bucket, dvc: Program, tmp_path: Path
) -> None:
    """A pointer has room for the versions of one remote; real DVC empties the list of a folder."""
    assert is_wanted("versions-of-another-remote")
    project = begin(tmp_path / "p", dvc, bucket, "one", "version_aware")
    add_remote(project, "two", bucket, "two", "version_aware")
    project.dvc("remote", "add", "plain", str(tmp_path / "plain"))
    project.write("data/a", "a")
    project.dvc("add", "data")
    project.dvc("push")
    before = exact(project)

    done = project.dvc("push", "-r", "two", check=False)

    assert 1 == done.rc
    assert "remote 'far'" in done.stderr
    assert before == exact(project)
    assert [] == bucket.versions("two/")
    assert "2 files pushed\n" == project.dvc("push", "-r", "plain").stdout
    shutil.rmtree(project.cache)
    assert "1 file fetched\n" == project.dvc("fetch", "-r", "plain").stdout
    assert before == exact(project)
