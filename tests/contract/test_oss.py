"""OSS remotes: what their settings mean; all else is the S3 transport's."""

from __future__ import annotations

import pytest

from pannier.core.errors import AccessDenied, ConfigError
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transports.oss import OssTransport, resolve_oss
from pannier.store.transports.s3_config import Settings, read_options
from tests.contract.places import OssBucket, failure

pytestmark = pytest.mark.xdist_group("s3")

GIVEN = {"oss_key_id": "id", "oss_key_secret": "secret"}


def settings(env: dict[str, str] | None = None, **options: str) -> Settings:
    config = RemoteConfig("far", "oss://things/pre")
    return resolve_oss(read_options(config), options, env or {})


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "https://things.s3.oss-cn-hangzhou.aliyuncs.com"),
        ("http://s3.oss-cn-beijing.aliyuncs.com/", "http://things.s3.oss-cn-beijing.aliyuncs.com"),
        ("oss.example.com:8000", "https://things.oss.example.com:8000"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://localhost:9000", "http://localhost:9000"),
    ],
)
def test_a_bucket_has_a_name_of_its_own_below_the_endpoint(endpoint: str, expected: str) -> None:
    assert expected == settings(**GIVEN, oss_endpoint=endpoint).endpoint


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("oss-us-west-1-internal.aliyuncs.com", "us-west-1"),
        ("https://oss.example.com", "us-east-1"),
    ],
)
def test_the_endpoint_says_the_region(endpoint: str, region: str) -> None:
    assert region == settings(**GIVEN, oss_endpoint=endpoint).region


def test_the_environment_fills_in_what_the_options_leave_out() -> None:
    env = {"OSS_ACCESS_KEY_ID": "other", "OSS_ACCESS_KEY_SECRET": "s2", "OSS_ENDPOINT": "x.com"}

    found = settings(env, oss_key_id="id")

    assert found.keys is not None
    assert ("id", "s2") == (found.keys.key_id, found.keys.secret)
    assert "https://things.x.com" == found.endpoint


@pytest.mark.parametrize("missing", ["oss_key_id", "oss_key_secret", "oss_endpoint"])
def test_what_is_missing_is_named(missing: str) -> None:
    given = {**GIVEN, "oss_endpoint": "x.com"}
    del given[missing]

    error = failure(lambda: settings(**given))

    assert isinstance(error, ConfigError)
    assert f"lacks '{missing}'" in str(error)
    assert "OSS_" in str(error.hint)


def test_amazons_variables_and_files_do_not_count(
    oss_place: OssBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "amazon")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "amazon")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    transport = oss_place.transport()

    transport.write("a/b", b"x")
    transport.write("a//b", b"y")

    assert isinstance(transport, OssTransport)
    assert {"a/b", "a//b"} == oss_place.keys()


def test_a_wrong_key_is_told_in_words_of_oss(oss_place: OssBucket) -> None:
    transport = open_transport(oss_place.config_with(oss_key_secret="SecretSecretSecret"))

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, AccessDenied)
    assert "OSS_ACCESS_KEY_ID" in str(error.hint)
    assert "AWS" not in f"{error} {error.hint}"
    assert "SecretSecret" not in f"{error} {error.hint}"
