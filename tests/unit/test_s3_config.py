"""What an S3 remote's settings mean, from options, environment and ~/.aws files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pannier.core.errors import ConfigError
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.s3_aws_files import Keys
from pannier.store.transports.s3_config import Settings, read_options, resolve, with_region
from pannier.store.transports.s3_errors import Place, explain
from pannier.store.transports.s3_listing import just_before
from pannier.store.transports.s3_odd_keys import is_odd


def config(
    *, url: str = "s3://bucket/pre/fix", protected: tuple[str, ...] = (), **options: str
) -> RemoteConfig:
    return RemoteConfig("far", url, options, frozenset(protected))


@pytest.fixture
def aws(clean_machine: Path) -> Path:
    folder = clean_machine / ".aws"
    folder.mkdir()
    return folder


def settings(env: dict[str, str] | None = None, **options: str) -> Settings:
    return resolve(read_options(config(**options)), env or {})


# -- options ----


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://b", "b", ""),
        ("s3://b/", "b", ""),
        ("s3://b/p", "b", "p/"),
        ("s3://b/p/q/", "b", "p/q/"),
        ("S3://b/p?x#y", "b", "p?x#y/"),
        ("s3://b//p", "b", "/p/"),
    ],
)
def test_a_url_names_bucket_and_prefix(url: str, bucket: str, prefix: str) -> None:
    options = read_options(config(url=url))

    assert (bucket, prefix) == (options.bucket, options.prefix)


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://key:secret@bucket/x"])
def test_a_url_without_a_plain_bucket_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(config(url=url))

    assert "s3://bucket/path" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [("configpath", "../aws.cfg"), ("credentialpath", "keys"), ("ssl_verify", "ca.pem")],
)
def test_a_file_named_by_the_repository_does_not_count(option: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(config(**{option: value}))

    assert f"dvc remote modify --local far {option} {value}" in str(caught.value.hint)
    read_options(config(protected=(option,), **{option: value}))


@pytest.mark.parametrize(
    "options",
    [
        {"access_key_id": "a"},
        {"secret_access_key": "b"},
        {"read_timeout": "soon"},
        {"connect_timeout": "0"},
        {"sse": "rot13"},
        {"sse_customer_key": "short"},
        {"sse_customer_key": "x" * 44},
        {"sse_customer_key": "A" * 43 + "=", "sse_kms_key_id": "k"},
        {"sse_customer_key": "A" * 43 + "=", "sse": "AES256"},
        {"sse_customer_key": "A" * 43 + "=", "sse_customer_algorithm": "DES"},
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        read_options(config(**options))


@pytest.mark.parametrize(
    ("options", "sse"),
    [
        ({}, None),
        ({"sse": "AES256"}, "AES256"),
        ({"sse_kms_key_id": "k"}, "aws:kms"),
        ({"sse": "aws:kms:dsse", "sse_kms_key_id": "k"}, "aws:kms:dsse"),
        ({"sse_customer_key": "A" * 43 + "="}, "sse-c"),
    ],
)
def test_the_kind_of_encryption_follows_from_its_keys(
    options: dict[str, str], sse: str | None
) -> None:
    assert sse == read_options(config(**options)).sse


@pytest.mark.parametrize(
    ("value", "verify"), [(None, True), ("true", True), ("False", False), ("/ca.pem", "/ca.pem")]
)
def test_certificates_are_checked_unless_said_otherwise(
    value: str | None, verify: bool | str
) -> None:
    given = {} if value is None else {"ssl_verify": value}

    options = read_options(config(protected=("ssl_verify",), **given))

    assert verify == resolve(options, {}).verify


# -- endpoint and region ----


@pytest.mark.parametrize(
    ("options", "env", "endpoint"),
    [
        ({"region": "eu-west-1"}, {}, "https://bucket.s3.eu-west-1.amazonaws.com"),
        ({"region": "cn-north-1"}, {}, "https://bucket.s3.cn-north-1.amazonaws.com.cn"),
        ({"region": "r", "use_ssl": "false"}, {}, "http://bucket.s3.r.amazonaws.com"),
        ({"region": "r", "url": "s3://dotted.name/x"}, {}, "https://s3.r.amazonaws.com"),
        ({}, {}, "https://bucket.s3.amazonaws.com"),
        ({"endpointurl": "http://here:9000"}, {}, "http://here:9000"),
        (
            {"endpointurl": "http://here:9000/"},
            {"AWS_ENDPOINT_URL": "http://x"},
            "http://here:9000",
        ),
        ({}, {"AWS_ENDPOINT_URL": "http://a"}, "http://a"),
        ({}, {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}, "http://b"),
        (
            {"region": "r"},
            {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://bucket.s3.r.amazonaws.com",
        ),
    ],
)
def test_the_endpoint_is_found_in_botocores_order(
    options: dict[str, str], env: dict[str, str], endpoint: str
) -> None:
    assert endpoint == settings(env, **options).endpoint


@pytest.mark.parametrize("endpoint", ["here:9000", "ftp://here", "https://", "http://u:p@here"])
def test_an_endpoint_that_is_no_url_is_refused_without_showing_it(endpoint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(endpointurl=endpoint)

    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("style", "custom", "amazon"),
    [
        ("", "http://here:9000", "https://bucket.s3.r.amazonaws.com"),
        ("auto", "http://here:9000", "https://bucket.s3.r.amazonaws.com"),
        ("path", "http://here:9000", "https://s3.r.amazonaws.com"),
        ("virtual", "http://bucket.here:9000", "https://bucket.s3.r.amazonaws.com"),
    ],
)
def test_the_place_of_the_bucket_follows_the_profile(
    aws: Path, style: str, custom: str, amazon: str
) -> None:
    (aws / "config").write_text(f"[default]\ns3 =\n  addressing_style = {style}\n")

    assert custom == settings(endpointurl="http://here:9000").endpoint
    assert amazon == settings(region="r").endpoint


@pytest.mark.parametrize(
    ("options", "env", "region"),
    [
        ({"region": "a"}, {"AWS_DEFAULT_REGION": "b"}, "a"),
        ({}, {"AWS_DEFAULT_REGION": "b", "AWS_REGION": "c"}, "b"),
        ({}, {"AWS_REGION": "c"}, "c"),
        ({}, {}, "from-profile"),
        ({"profile": "bare"}, {}, None),
        ({"profile": "bare", "endpointurl": "http://here"}, {}, "us-east-1"),
    ],
)
def test_the_region_is_found_in_order(
    aws: Path, options: dict[str, str], env: dict[str, str], region: str | None
) -> None:
    (aws / "config").write_text("[default]\nregion = from-profile\n[profile bare]\noutput = x\n")

    assert region == settings(env, **options).region


def test_a_region_found_later_moves_the_endpoint() -> None:
    assert "https://bucket.s3.eu-west-1.amazonaws.com" == (
        with_region(settings(), "eu-west-1").endpoint
    )


# -- keys ----


def test_the_remotes_own_keys_come_first(aws: Path) -> None:
    (aws / "credentials").write_text("[default]\naws_access_key_id=f\naws_secret_access_key=f\n")
    env = {"AWS_ACCESS_KEY_ID": "e", "AWS_SECRET_ACCESS_KEY": "e", "AWS_SESSION_TOKEN": "e"}

    own = settings(env, access_key_id="o", secret_access_key="o")

    assert Keys("o", "o") == own.keys
    assert Keys("e", "e", "e") == settings(env).keys
    assert Keys("f", "f") == settings().keys


def test_a_profile_named_by_the_remote_comes_before_the_environment(aws: Path) -> None:
    (aws / "credentials").write_text("[w]\naws_access_key_id=f\naws_secret_access_key=f\n")
    env = {"AWS_ACCESS_KEY_ID": "e", "AWS_SECRET_ACCESS_KEY": "e"}

    assert Keys("f", "f") == settings(env, profile="w").keys
    assert Keys("e", "e") == settings({**env, "AWS_PROFILE": "w"}).keys


def test_keys_may_stand_in_either_file(aws: Path) -> None:
    lines = "aws_access_key_id = k\naws_secret_access_key = s\naws_session_token = t\n"
    (aws / "config").write_text(f"[profile w]\n{lines}")

    assert Keys("k", "s", "t") == settings(profile="w").keys


@pytest.mark.parametrize(
    "line",
    [
        "role_arn = r\nsource_profile = default",
        "credential_process = p",
        "sso_session = s",
        "sso_start_url = u",
        "web_identity_token_file = f",
        "login_session = l",
    ],
)
def test_a_profile_with_more_than_keys_is_left_to_botocore(aws: Path, line: str) -> None:
    keys = "aws_access_key_id=k\naws_secret_access_key=s\n"
    (aws / "config").write_text(f"[profile w]\n{line}\n")
    (aws / "credentials").write_text(f"[default]\n{keys}[w]\n{keys}")

    assert settings(profile="w").keys is None


def test_without_keys_anywhere_botocore_is_asked() -> None:
    assert settings().keys is None


def test_an_anonymous_remote_has_no_keys() -> None:
    env = {"AWS_ACCESS_KEY_ID": "e", "AWS_SECRET_ACCESS_KEY": "e"}

    assert settings(env, allow_anonymous_login="true").keys is None


def test_a_profile_that_does_not_exist_is_named(aws: Path) -> None:
    (aws / "config").write_text("[profile here]\nregion = r\n")

    with pytest.raises(ConfigError, match="'gone'"):
        settings(profile="gone")


def test_the_environment_moves_the_files(aws: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("[default]\naws_access_key_id=o\naws_secret_access_key=o\n")

    assert Keys("o", "o") == settings({"AWS_SHARED_CREDENTIALS_FILE": str(other)}).keys


def test_a_file_that_is_not_well_formed_is_named_but_not_quoted(aws: Path) -> None:
    (aws / "credentials").write_text("[default]\nMySecretKeyWithoutAName\n")

    with pytest.raises(ConfigError) as caught:
        settings()

    assert str(aws / "credentials") in str(caught.value)
    assert "MySecret" not in str(caught.value)


def test_no_secret_shows_in_any_value(aws: Path) -> None:
    key = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
    (aws / "credentials").write_text(
        "[default]\naws_access_key_id=k\naws_secret_access_key=fileSecret\n"
    )
    options = read_options(
        config(access_key_id="k", secret_access_key="ownSecret", sse_customer_key=key)
    )

    shown = repr(options) + repr(resolve(options, {})) + repr(settings())

    assert "ownSecret" not in shown
    assert "fileSecret" not in shown
    assert key not in shown


# -- small rules ----


@pytest.mark.parametrize(
    ("key", "odd"),
    [
        ("files/md5/ab/cd", False),
        ("...", False),
        ("..a/b", False),
        ("a b~", False),
        ("", True),
        ("a//b", True),
        ("/a", True),
        ("a/", True),
        ("./a", True),
        ("a/..", True),
        ("a\nb", True),
        ("a\x7f", True),
    ],
)
def test_keys_that_obstore_cannot_name_are_known(key: str, odd: bool) -> None:
    assert odd == is_odd(key)


@pytest.mark.parametrize("prefix", ["files/md5/0", "files/md5/a1", "runs", "é", "a/~"])
def test_a_listing_begins_before_all_that_it_must_tell(prefix: str) -> None:
    found = just_before(prefix)

    assert found < prefix
    assert found
    assert all(prefix[:-1] + chr(ord(prefix[-1]) - 1) + c < found for c in "09azAZ/_-.")


def test_an_answer_is_never_quoted() -> None:
    place = Place("far", "s3://b", "b", "https://here", None, ("SECRET",))

    class GenericError(Exception): ...

    for status, code in ((400, "InvalidRequest"), (403, "X"), (500, "Y"), (418, "")):
        text = f"status code: {status} <Code>{code}</Code><Message>about SECRET</Message> SECRET"
        assert "SECRET" not in str(explain(GenericError(text), place, "key"))
    assert "SECRET" not in str(explain(GenericError("SECRET"), place, "key"))
