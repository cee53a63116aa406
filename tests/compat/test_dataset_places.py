"""dataset add and update of data elsewhere, and get_dataset: real DVC beside ours, real servers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.azurite import Azurite
from tests.servers.canned import Answer, CannedServer
from tests.servers.nginx import PASSWORD, USER, Nginx
from tests.servers.sshd import Sshd
from tests.support.buckets import Bucket
from tests.support.oracle import Oracle
from tests.support.programs import Program, git, oracle_path, run
from tests.support.project import Project, differences
from tests.support.twins import Twins, make_twins, normal
from tests.support.wanted import is_wanted

ASK = """\
import dvc.api, json, sys
def ask(name):
    try: return dvc.api.get_dataset(name)
    except Exception as error:
        kinds = [kind for kind in (KeyError, ValueError) if isinstance(error, kind)]
        return [kinds[0].__name__, str(error).partition(":")[0]]
print(json.dumps({name: ask(name) for name in sys.argv[1:]}))
"""
STAGE = "stages:\n  s:\n    cmd: echo hi\n    deps:\n    - ds://d\n    - ds://f\n"


def asked(folder: Path, python: str | Path, names: tuple[str, ...]) -> Any:
    return json.loads(run([python, "-c", ASK, *names], cwd=folder, check=True).stdout)


def same_answers(twins: Twins, *names: str, cwd: str = "") -> dict[str, Any]:
    """What both answer to programs that ask for data sets."""
    theirs = asked(twins.theirs.repo / cwd, oracle_path().with_name("python"), names)
    ours = asked(twins.ours.repo / cwd, sys.executable, names)
    assert theirs == ours
    found: dict[str, Any] = ours
    return found


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> Twins:
    made = make_twins(tmp_path, oracle, dvc)
    made.dvc("init", "-q")
    return made


@pytest.fixture
def bucket(s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in {
        "AWS_ACCESS_KEY_ID": s3_bucket.key_id,
        "AWS_SECRET_ACCESS_KEY": s3_bucket.secret,
        "AWS_ENDPOINT_URL": s3_bucket.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return s3_bucket


def same(twins: Twins, *words: str) -> None:
    """Runs one command on both sides, and compares all but the caches: DVC leaves a list of ETags
    of a folder there."""
    assert is_wanted("import-url-etag-list")
    theirs, ours = (side.run(*words) for side in (twins.theirs, twins.ours))
    found = differences(twins.theirs.workspace(), twins.ours.workspace())

    assert theirs.rc == ours.rc, f"{theirs}\n{ours}"
    assert normal(theirs.stdout) == normal(ours.stdout), f"{theirs}\n{ours}"
    assert [] == found, (
        f"{text(twins.theirs.base, 'dvc.lock')}\n{text(twins.ours.base, 'dvc.lock')}"
    )


def put(bucket: Bucket, *keys: str, more: str = "") -> None:
    for key in keys:
        bucket.server.client.put_object(
            Bucket=bucket.name, Key=f"top/{key}", Body=(key + more).encode()
        )


def test_a_bucket_that_keeps_versions_is_recorded_and_told_as_by_dvc(
    twins: Twins, bucket: Bucket
) -> None:
    put(bucket, "old")
    bucket.server.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    put(bucket, "f", "d/b", "d/gone", "d/sub-x", "d/sub/e")
    top = f"s3://{bucket.name}/top"
    for name in ("f", "d", "old"):
        same(twins, "ds", "add", "--url", f"{top}/{name}", name)
    for side in (twins.theirs, twins.ours):
        (side.repo / "dvc.yaml").write_text(STAGE + text(side.base))
    same(twins, "repro")
    put(bucket, "f", "d/b", more=" changed")
    put(bucket, "d/a", "d/z")
    bucket.server.client.delete_object(Bucket=bucket.name, Key="top/d/gone")
    for name in ("f", "d"):
        same(twins, "ds", "update", name)
    same(twins, "status")

    found = same_answers(twins, "f", "d", "old")
    assert [f"{top}/d/{name}" for name in ("a", "b", "sub-x", "sub/e", "z")] == [
        url.partition("?versionId=")[0] for url in found["d"]["files"]
    ]
    assert "?versionId=" in found["f"]["path"]


def test_a_bucket_without_versions_is_recorded_and_told_as_by_dvc(
    twins: Twins, bucket: Bucket
) -> None:
    put(bucket, "f", "d/b", "d/c")
    top = f"s3://{bucket.name}/top"
    same(twins, "remote", "add", "r", top)
    same(twins, "ds", "add", "--url", f"{top}/f", "f")
    same(twins, "ds", "add", "--url", "remote://r/d", "d")
    same(twins, "ds", "add", "--url", f"{top}/none", "none")
    same(twins, "ds", "update", "d")

    found = same_answers(twins, "f", "d", "none")
    assert [f"{top}/d/{name}?versionId=null" for name in "bc"] == found["d"]["files"]
    assert f"{top}/f" == found["f"]["path"]


def text(base: Path, name: str = "dvc.yaml") -> str:
    return (base / "repo" / name).read_text()


def test_data_in_azure_is_recorded_and_told_as_by_dvc(
    twins: Twins, azure_server: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ETags have their quotes there, also those of imports."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure_server.connection_string)
    container = azure_server.make_container()
    for key in ("d/a", "d/s/b", "f"):
        azure_server.write(container, key, key.encode())
    same(twins, "ds", "add", "--url", f"azure://{container}/d", "d")
    same(twins, "import-url", f"azure://{container}/f", "imported")
    azure_server.write(container, "d/new", b"new")
    same(twins, "ds", "update", "d")

    assert 3 == len(same_answers(twins, "d")["d"]["files"])


def test_programs_are_told_of_data_sets_as_by_dvc(twins: Twins, tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "d").mkdir(parents=True)
    (source / "d/a").write_text("1")
    git("init", "-q", cwd=source)
    git("add", "-A", cwd=source)
    git("commit", "-qm", "one", cwd=source)
    git("tag", "v1", cwd=source)
    twins.dvc("ds", "add", "--dvc", "../../src", "--path", "d", "--rev", "v1", "part")
    twins.dvc("ds", "add", "--dvc", "../../src", "whole")
    twins.dvc("ds", "add", "--url", "../../src/d/a", "file")
    twins.dvc("ds", "add", "--url", "../../src/d", "folder")
    twins.dvc("ds", "add", "--url", "../../src/d", "other")
    twins.touch(
        "other data is named",
        lambda base: (
            (base / "repo/dvc.yaml").write_text(text(base).replace("v1", "main"))
            and (base / "repo/sub").mkdir()
        ),
    )

    names = ("part", "whole", "file", "folder", "none")
    found = same_answers(twins, *names)
    assert found == same_answers(twins, *names, cwd="sub")
    assert ["ValueError", "KeyError"] == [found["part"][0], found["none"][0]]
    assert ["path", "sha", "type", "url"] == sorted(found["whole"])


def test_a_web_server_tells_by_its_checksum(
    project: Project, oracle: Oracle, web_server: Nginx
) -> None:
    """DVC ends with an error of its own there, and takes the latest version for an older one."""
    assert is_wanted("dataset-places")
    page = web_server.root / "data.csv"
    page.write_text("1,2\n")
    page.chmod(0o644)
    url = "remote://web/data.csv"
    project.dvc("remote", "add", "web", web_server.endpoint)
    for option in (("auth", "basic"), ("user", USER), ("password", PASSWORD)):
        project.dvc("remote", "modify", "--local", "web", *option)
    theirs = oracle("ds", "add", "--url", url, "n", cwd=project.root)
    assert (255, True) == (theirs.rc, "unexpected error" in theirs.stderr)

    project.dvc("ds", "add", "--url", url, "n")
    before = (project.root / "dvc.lock").read_text()
    again = project.dvc("ds", "update", "n").stdout
    page.write_text("1,2,3\n")
    changed = project.dvc("ds", "update", "n").stdout

    assert f"  url: {url}\n  type: url\n  meta:\n    size: 4\n    checksum: " in before
    assert "Nothing to update\n" == again
    assert changed.startswith(f"Updating n ({url})\n")
    assert before != (project.root / "dvc.lock").read_text()
    assert {"type": "url", "files": [], "path": f"{web_server.endpoint}/data.csv"} == asked(
        project.root, sys.executable, ("n",)
    )["n"]


def test_an_older_version_that_is_named_is_the_one_that_is_recorded(
    project: Project, bucket: Bucket
) -> None:
    client = bucket.server.client
    client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    put(bucket, "f")
    put(bucket, "f", more=" and more")
    versions = client.list_object_versions(Bucket=bucket.name, Prefix="top/f")["Versions"]
    (old,) = [one["VersionId"] for one in versions if not one["IsLatest"]]

    project.dvc("ds", "add", "--url", f"s3://{bucket.name}/top/f?versionId={old}", "n")

    assert f"    size: 1\n    version_id: '{old}'\n" in (project.root / "dvc.lock").read_text()


def test_what_tells_nothing_is_refused_and_nothing_is_written(
    project: Project, oracle: Oracle, ssh_server: Sshd, clean_machine: Path, tmp_path: Path
) -> None:
    assert is_wanted("dataset-datachain")
    ssh_server.let_in(clean_machine)
    (tmp_path / "far").write_text("x")
    bare = CannedServer(lambda _: Answer(200, b"abc"))
    try:
        said = {
            f"--url {ssh_server.url(tmp_path / 'far')}": "does not tell by what a change",
            f"--url {bare.endpoint}/x": "does not tell by what a change",
            "--url http://127.0.0.1:1/x": "127.0.0.1:1",
            "--url foo://x/y": "Unsupported URL type foo://",
            "--url remote://nope/x": "remote 'nope' doesn't exist",
            "--dc name": "datasets of DataChain are not supported",
        }
        for line, words in said.items():
            done = project.dvc("ds", "add", *line.split(), "n", check=False)
            assert 0 != done.rc
            assert words in done.stderr, done
            assert 2 >= len(done.stderr.splitlines()), done
    finally:
        bare.close()

    assert (
        "datachain is not installed"
        in oracle("ds", "add", "--dc", "name", "n", cwd=project.root).stderr
    )
    assert [] == list(project.root.glob("dvc.*"))
