"""get-url, import-url, list-url and update on a real S3 server: real DVC beside ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.buckets import Bucket
from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import differences
from tests.support.twins import Twins, make_twins, normal
from tests.support.wanted import is_wanted

KEYS = {"top/f.txt": b"1\n", "top/d/a": b"a\n", "top/d/s/b": b"b\n", "top/d/s/same": b"a\n"}


@pytest.fixture
def twins(
    tmp_path: Path,
    oracle: Oracle,
    dvc: Program,
    s3_bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> Twins:
    for name, value in {
        "AWS_ACCESS_KEY_ID": s3_bucket.key_id,
        "AWS_SECRET_ACCESS_KEY": s3_bucket.secret,
        "AWS_ENDPOINT_URL": s3_bucket.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    for key, data in KEYS.items():
        put(s3_bucket, key, data)
    made = make_twins(tmp_path, oracle, dvc)
    made.dvc("init")
    return made


def put(bucket: Bucket, key: str, data: bytes) -> None:
    bucket.server.client.put_object(Bucket=bucket.name, Key=key, Body=data)


def same(twins: Twins, *words: str) -> None:
    """Runs one command on both sides, and compares all but the caches."""
    assert is_wanted("import-url-etag-list")
    theirs, ours = (side.run(*words) for side in (twins.theirs, twins.ours))
    found = differences(twins.theirs.workspace(), twins.ours.workspace())

    assert theirs.rc == ours.rc, f"{theirs}\n{ours}"
    assert normal(theirs.stdout) == normal(ours.stdout), f"{theirs}\n{ours}"
    assert [] == found, f"{theirs}\n{ours}"


def test_data_of_a_bucket_is_taken_as_dvc_takes_it(twins: Twins, s3_bucket: Bucket) -> None:
    url = f"s3://{s3_bucket.name}/top"
    twins.dvc("get-url", f"{url}/f.txt")
    twins.dvc("get-url", f"{url}/d", "copy")
    twins.dvc("get-url", f"{url}/nope")
    twins.dvc("list-url", url)
    twins.dvc("list-url", url, "-R", "--size")
    twins.dvc("import-url", f"{url}/f.txt", "file")
    twins.dvc("import-url", f"{url}/f.txt", "no-data", "--no-download")
    twins.dvc("import-url", f"{url}/f.txt", "pointer-only", "--no-exec")
    twins.dvc("import-url", f"{url}/nope")
    same(twins, "import-url", f"{url}/d")
    same(twins, "status")
    same(twins, "update", "file.dvc", "d.dvc")
    put(s3_bucket, "top/f.txt", b"22\n")
    put(s3_bucket, "top/d/new", b"new\n")
    same(twins, "update", "file.dvc")
    same(twins, "update", "d.dvc", "no-data.dvc")
    same(twins, "unfreeze", "file.dvc")
    same(twins, "status")
    put(s3_bucket, "top/f.txt", b"333\n")
    same(twins, "status")


def test_a_place_below_a_remote_is_read_with_its_settings(
    twins: Twins, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with nothing else: the machine knows neither the server nor a key."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    twins.dvc("remote", "add", "there", f"s3://{s3_bucket.name}/top")
    for option, value in {
        "endpointurl": s3_bucket.endpoint,
        "access_key_id": s3_bucket.key_id,
        "secret_access_key": s3_bucket.secret,
    }.items():
        twins.dvc("remote", "modify", "--local", "there", option, value)
    twins.dvc("get-url", "remote://there/d", "d")
    twins.dvc("import-url", "remote://there/f.txt")
    twins.dvc("import-url", "--to-remote", "-r", "there", "remote://there/d/a", "sent")
    twins.dvc("list-url", "remote://there", "-R")
