"""`gc -c` and `remote verify` at a real S3 server, from end to end."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import md5

import pytest

from tests.servers.proxy import FaultProxy
from tests.support.buckets import Bucket
from tests.support.project import Project, objects

OLD = {"data/a": b"one", "data/b": b"two", "file": b"three"}
NEW = {"data/a": b"one", "data/b": b"other", "file": b"four"}


def hexed(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


def all_keys(bucket: Bucket) -> list[str]:
    return bucket.keys()


def there(bucket: Bucket) -> set[str]:
    """Names of the objects in the bucket, quarantine left out."""
    keys = (key.removeprefix("x/files/md5/") for key in all_keys(bucket))
    return {key.replace("/", "") for key in keys if "/" in key and not key.startswith("quar")}


def here(project: Project) -> set[str]:
    keys = (path.removeprefix("files/md5/") for path in objects(project.cache))
    return {key.replace("/", "") for key in keys if key[2] == "/"}


def write(project: Project, files: dict[str, bytes], tag: str) -> set[str]:
    """A version that is added, pushed and committed; the names of its objects."""
    for path, data in files.items():
        project.write(path, data)
    project.dvc("add", "-q", "data", "file")
    project.dvc("push", "-q")
    project.commit_all(tag)
    project.git("tag", tag)
    pointer = (project.root / "data.dvc").read_text()
    return {*map(hexed, files.values()), pointer.split("md5: ")[1].split()[0]}


@pytest.fixture
def pushed(project: Project, s3_bucket: Bucket) -> tuple[Project, Bucket, set[str], set[str]]:
    """Two versions at the remote; the names of each one's objects."""
    project.dvc("remote", "add", "-q", "-d", "s3", f"s3://{s3_bucket.name}/x")
    for option, value in {
        "endpointurl": s3_bucket.endpoint,
        "region": "us-east-1",
        "access_key_id": s3_bucket.key_id,
        "secret_access_key": s3_bucket.secret,
    }.items():
        project.dvc("remote", "modify", "-q", "--local", "s3", option, value)
    old = write(project, OLD, "v1")
    new = write(project, NEW, "v2")
    return project, s3_bucket, old, new


Pushed = tuple[Project, Bucket, set[str], set[str]]


def test_gc_of_the_remote_leaves_what_is_in_use_and_cache_and_push_bring_the_rest_back(
    pushed: Pushed,
) -> None:
    project, bucket, old, new = pushed
    assert old | new == there(bucket)

    told = project.dvc("gc", "-w", "-c", "--dry")
    kept = there(bucket)
    done = project.dvc("gc", "-w", "-c", "-f")
    left, left_here = there(bucket), here(project)
    refused = project.dvc("gc", "-c", "--undo", check=False)
    would = project.dvc("gc", "--undo", "--dry")
    still = here(project)
    project.dvc("gc", "--undo")
    back = here(project)
    project.git("checkout", "-q", "v1")
    project.dvc("checkout", "-q")
    project.dvc("push", "-q")

    assert old | new == kept
    count = len(old - new)
    for name in old - new:
        assert f"Removing {bucket.name}/x/files/md5/{name[:2]}/{name[2:]}" in told.stdout.replace(
            "s3://", ""
        )
    assert f"Removed {count} objects from remote.\n" in done.stdout
    assert new == left == left_here == still
    assert refused.rc != 0
    assert f"Would bring back {count} objects.\n" == would.stdout
    assert "a remote has no trash" in refused.stderr
    assert "'dvc push' sends what is in use" in refused.stderr
    assert old | new == back
    assert old | new == there(bucket)
    assert OLD == {path: (project.root / path).read_bytes() for path in OLD}


def test_gc_of_the_remote_removes_nothing_while_a_list_is_nowhere(pushed: Pushed) -> None:
    project, bucket, _, new = pushed
    name = next(name for name in new if name.endswith(".dir"))
    key = f"x/files/md5/{name[:2]}/{name[2:]}"
    bucket.server.client.delete_object(Bucket=bucket.name, Key=key)
    (project.cache / "files/md5" / name[:2] / name[2:]).unlink()
    before, before_here = there(bucket), here(project)

    done = project.dvc("gc", "-w", "-c", "-f", check=False)

    assert 255 == done.rc
    assert name in done.stderr or "data" in done.stderr
    assert (before, before_here) == (there(bucket), here(project))


def test_remote_verify_finds_and_mends_what_is_wrong_at_the_server(
    pushed: Pushed,
) -> None:
    project, bucket, _, _ = pushed
    client = bucket.server.client
    keys = {path: _key(data) for path, data in NEW.items()}
    client.put_object(Bucket=bucket.name, Key=keys["file"], Body=b"fouR")
    client.delete_object(Bucket=bucket.name, Key=keys["data/b"])

    found = project.dvc("remote", "verify", check=False)
    aside = [key for key in all_keys(bucket) if "/quarantine/" in key]
    gone = {keys["file"], keys["data/b"]} & set(all_keys(bucket))
    project.dvc("remote", "verify", "--repair")
    clean = project.dvc("remote", "verify")

    assert 1 == found.rc
    assert hexed(b"four") in found.stdout
    assert hexed(b"other") in found.stdout
    assert 1 == len(aside)
    body = client.get_object(Bucket=bucket.name, Key=aside[0])["Body"].read()
    assert b"fouR" == body
    assert set() == gone
    for path, key in keys.items():
        data = client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
        assert NEW[path] == data
    assert "all are what their names say" in clean.stdout


def _key(data: bytes) -> str:
    name = hexed(data)
    return f"x/files/md5/{name[:2]}/{name[2:]}"


@pytest.mark.parametrize("tenths", [5, pytest.param(8, marks=pytest.mark.long)])
def test_remote_verify_asks_a_server_that_is_gone_for_nothing_more(
    pushed: Pushed, fault_proxy: Callable[[str], FaultProxy], tenths: int
) -> None:
    project, bucket, _, _ = pushed
    for number in range(80):
        project.write(f"many/{number}", str(number))
    project.dvc("add", "-q", "many")
    project.dvc("push", "-q")
    proxy = fault_proxy(bucket.endpoint)
    project.dvc("remote", "modify", "--local", "s3", "endpointurl", proxy.endpoint)
    project.dvc("remote", "verify", "-j", "8")
    whole = proxy.sent + proxy.received

    proxy.cut_after(whole * tenths // 10)
    found = project.dvc("remote", "verify", "-j", "8", "--repair", check=False)

    assert (1, 2) == (found.rc, len(found.lines)), str(found)
    sentence, total = found.lines
    assert "does not answer any more and is asked for nothing else: " in sentence
    if tenths == 5:  # the other layout comes last
        read, there = map(int, re.findall(r"Checked (\d+) of (\d+) objects", total)[0])
        assert 0 < read < there
        assert total.endswith(f" {there - read} could not be read.")
