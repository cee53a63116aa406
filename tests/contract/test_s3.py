"""The S3 transport where it differs from others: servers, credentials, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Entry, Facts, Transport
from pannier.store.transports import big_uploads
from pannier.store.transports.s3 import S3Transport
from pannier.store.transports.s3_aws_files import Keys
from pannier.store.transports.s3_config import read_options, resolve
from pannier.store.transports.s3_credentials import Signed
from pannier.store.transports.s3_errors import Place
from pannier.store.transports.s3_region import bucket_region
from tests.contract.places import Bucket, by_key, errors, every_call, failure, nothing
from tests.servers.canned import Answer, CannedServer, Request, s3_error
from tests.servers.proxy import FaultProxy
from tests.servers.swift import Swift
from tests.support.programs import started
from tests.unit.test_proc import PATIENCE_S, until

pytestmark = pytest.mark.xdist_group("s3")

MIB = 1 << 20
SOON_S = 45.0
"""Less than the least time after which a silent server is given up."""
PLACE = Place("far", "s3://things/pre", "things", "Amazon S3", None, ())
SECRET, TOKEN = "SecretSecretSecret", "TokenTokenToken"
KEYS = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": SECRET, "session_token": TOKEN}
LONG_AGO = "Thu, 01 Jan 2026 00:00:00 GMT"
Canned = Callable[[Callable[[Request], Answer]], CannedServer]
Proxied = Callable[[str], FaultProxy]


@pytest.fixture
def bucket(swift_place: Bucket) -> Bucket:
    return swift_place


def at(endpoint: str, *, protected: tuple[str, ...] = (), **options: str) -> Transport:
    """A transport to a server that is not to be trusted with more than these keys."""
    given = {
        "endpointurl": endpoint,
        **KEYS,
        **options,
    }
    return open_transport(RemoteConfig("far", "s3://things/pre", given, frozenset(protected)))


# -- before the first request ----


def test_making_a_transport_asks_nobody(canned_s3: Canned) -> None:
    server = canned_s3(lambda request: Answer(500))

    transport = at(server.endpoint, profile="none", configpath="/none", protected=("configpath",))

    assert [] == server.requests
    assert "things" in repr(transport)


@pytest.mark.parametrize(
    ("option", "value", "header"),
    [
        ("acl", "bucket-owner-full-control", "x-amz-acl"),
        ("grant_read", "id=1,id=2", "x-amz-grant-read"),
        ("grant_read_acp", "id=1", "x-amz-grant-read-acp"),
        ("grant_write_acp", "id=1", "x-amz-grant-write-acp"),
        ("grant_full_control", "id=1", "x-amz-grant-full-control"),
    ],
)
def test_who_may_read_a_new_object_is_said_with_it_and_signed(
    canned_s3: Canned, local: Path, option: str, value: str, header: str
) -> None:
    server = canned_s3(lambda request: Answer(200, headers={"ETag": '"0"'}))
    transport = at(server.endpoint, **{option: value})
    (local / "f").write_bytes(b"x" * 100)

    transport.write("a/b", b"x")
    results = list(transport.upload_many([(str(local / "f"), "a/c", "")], 2, nothing))

    assert [None] == [result.error for result in results]
    puts = [request for request in server.requests if request.method == "PUT"]
    assert 2 == len(puts)
    for request in puts:
        sent = {name.lower(): text for name, text in request.headers.items()}
        assert value == sent[header]
        signed = sent["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        assert header in signed


def test_an_acl_and_a_grant_exclude_each_other() -> None:
    error = failure(lambda: at("http://localhost:1", acl="private", grant_read="id=1"))

    assert isinstance(error, ConfigError)
    assert "mutually exclusive" in str(error)


# -- no rights, no bucket ----


@pytest.mark.parametrize(
    "wrong", [{"secret_access_key": SECRET}, {"access_key_id": "nobody", "session_token": TOKEN}]
)
def test_wrong_keys_are_one_clear_sentence(
    bucket: Bucket, local: Path, wrong: dict[str, str]
) -> None:
    transport = open_transport(bucket.config_with(**wrong))

    for error in every_call(transport, local):
        assert isinstance(error, AccessDenied)
        assert "\n" not in str(error)
        assert error.hint is not None
        assert "AWS_ACCESS_KEY_ID" in error.hint


def test_a_bucket_that_does_not_exist_is_named(bucket: Bucket, local: Path) -> None:
    config = RemoteConfig("far", "s3://no-such-bucket/x", bucket.config.options)

    found = list(every_call(open_transport(config), local))

    assert 7 == len(found)
    for error in found:
        assert type(error) is TransportError
        assert "the bucket 'no-such-bucket' does not exist" in str(error)


def test_an_expired_session_says_to_log_in_again(canned_s3: Canned, local: Path) -> None:
    more = f"<Token-0>{TOKEN}</Token-0>"
    server = canned_s3(lambda request: s3_error(400, "ExpiredToken", "It has expired.", more))

    for error in every_call(at(server.endpoint, profile="work"), local):
        assert isinstance(error, AccessDenied)
        assert "has expired" in str(error)
        assert "aws sso login --profile work" in str(error.hint)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (s3_error(403, "AccessDenied"), AccessDenied, "no access to"),
        (s3_error(403, "RequestTimeTooSkewed"), AccessDenied, "clock"),
        (s3_error(301, "PermanentRedirect"), TransportError, "another region"),
        (s3_error(400, "AuthorizationHeaderMalformed"), TransportError, "another region"),
        (s3_error(501, "NotImplemented", "Not here."), TransportError, "501"),
        (s3_error(400, "InvalidArgument", "Not so."), TransportError, "Not so."),
        (Answer(405), TransportError, "405"),
    ],
)
def test_a_refusal_says_why(
    canned_s3: Canned, answer: Answer, kind: type[PannierError], words: str
) -> None:
    transport = at(canned_s3(lambda request: answer).endpoint)

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, kind)
    assert words in str(error)


@pytest.mark.parametrize("answer", [s3_error(503, "SlowDown"), s3_error(500, "InternalError")])
def test_an_overloaded_server_is_worth_another_try(canned_s3: Canned, answer: Answer) -> None:
    transport = at(canned_s3(lambda request: answer).endpoint)

    error = failure(lambda: transport.write("a/b", b"x"))

    assert isinstance(error, TransportError)
    assert error.temporary


def test_no_secret_is_in_any_error_or_name(canned_s3: Canned, local: Path) -> None:
    def echo(request: Request) -> Answer:
        said = " ".join([SECRET, TOKEN, *request.headers.values()])
        return s3_error(403 + len(request.path) % 3, "SignatureDoesNotMatch", said, said)

    transport = at(canned_s3(echo).endpoint)

    shown = [repr(transport)]
    for error in every_call(transport, local):
        shown += [repr(error), str(error.hint), *traceback.format_exception(error)]
    text = "".join(shown)

    assert SECRET not in text
    assert TOKEN not in text
    assert "Signature=" not in text


def test_no_secret_is_in_any_log(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    """botocore, which odd keys go through, writes whole requests to a log at its finest."""
    caplog.set_level(logging.DEBUG)
    transport = bucket.transport()

    for key in ("a/b", "a//b"):
        transport.write(key, b"x")
        transport.read(key)

    assert bucket.server.secret not in caplog.text
    assert "Signature=" not in caplog.text


def test_no_token_is_in_the_log_of_a_request_about_parts(
    canned_s3: Canned, caplog: pytest.LogCaptureFixture
) -> None:
    """botocore, which signs it, tells at its finest what it signs."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    server = canned_s3(lambda request: Answer(200, b"<ListMultipartUploadsResult/>"))
    transport = at(server.endpoint)
    assert isinstance(transport, S3Transport)

    assert 0 == transport.give_up_uploads()

    assert TOKEN in server.requests[0].headers.values()
    assert TOKEN not in caplog.text


def test_settings_show_no_secret() -> None:
    config = RemoteConfig("far", "s3://b/x", {"secret_access_key": SECRET, "session_token": TOKEN})

    assert SECRET not in repr(config)
    assert TOKEN not in repr(config)


# -- the way there ----


def test_a_server_that_is_not_there_is_worth_another_try(local: Path) -> None:
    for error in every_call(at("http://127.0.0.1:1"), local):
        assert isinstance(error, Unreachable)
        assert error.temporary
        assert "cannot connect to http://127.0.0.1:1" in str(error)


def test_a_host_without_an_address_is_named() -> None:
    transport = at("http://no-such-host.invalid")

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, Unreachable)
    assert "no such host: http://no-such-host.invalid" in str(error)


@pytest.mark.parametrize("size", [3000, 3 * MIB])
def test_a_body_that_is_cut_off_leaves_no_file(canned_s3: Canned, local: Path, size: int) -> None:
    answer = Answer(200, b"half of it", {"ETag": '"e"'}, promised=size)
    transport = at(canned_s3(lambda request: answer).endpoint)

    (result,) = transport.download_many([("a/b", f"{local}/x", "")], 1, nothing)

    assert isinstance(result.error, Unreachable)
    assert [] == list(local.iterdir())


def test_a_log_in_page_in_the_place_of_data_is_found_out(canned_s3: Canned, local: Path) -> None:
    page = Answer(200, b"<html>Please log in</html>", {"ETag": '"e"'})
    transport = at(canned_s3(lambda request: page).endpoint)

    (result,) = transport.download_many([("a/b", f"{local}/x", "0" * 32)], 1, nothing)
    listed = failure(lambda: list(transport.list("")))

    assert "CorruptObject" == type(result.error).__name__
    assert [] == list(local.iterdir())
    assert "not as an S3 server does" in str(listed)


@pytest.mark.parametrize("cut_after", [100, 5 * MIB, 20 * MIB])
def test_a_connection_that_breaks_off_publishes_nothing(
    bucket: Bucket, fault_proxy: Proxied, local: Path, cut_after: int
) -> None:
    proxy = fault_proxy(bucket.server.endpoint)
    transport = open_transport(bucket.config_with(endpointurl=proxy.endpoint))
    transport.write("other", b"x")
    source = local / "source"
    source.write_bytes(os.urandom(24 * MIB))

    proxy.cut_after(cut_after)
    (result,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)
    proxy.cut_after(None)

    assert isinstance(result.error, Unreachable)
    assert transport.stat("a/b") is None

    (again,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)

    assert again.error is None
    assert source.read_bytes() == transport.read("a/b")


def test_a_server_killed_in_the_middle_is_worth_another_try(
    bucket: Bucket, s3_server: Swift, local: Path
) -> None:
    source = local / "source"
    source.write_bytes(os.urandom(64 * MIB))
    items = [(str(source), "a/b", "")]
    killed = threading.Event()

    def kill_once(_: int) -> None:
        if not killed.is_set():
            killed.set()
            s3_server.kill()

    transport = bucket.transport()
    (up,) = transport.upload_many(items, 4, kill_once)
    s3_server.revive()

    assert isinstance(up.error, Unreachable)
    assert set() == bucket.keys()

    assert {} == errors(transport.upload_many(items, 4, nothing))
    killed.clear()
    (down,) = transport.download_many([("a/b", f"{local}/target", "")], 4, kill_once)
    s3_server.revive()

    assert isinstance(down.error, Unreachable)
    assert ["source"] == [path.name for path in local.iterdir()]


def test_a_server_that_falls_silent_is_given_up(
    bucket: Bucket, fault_proxy: Proxied, local: Path
) -> None:
    proxy = fault_proxy(bucket.server.endpoint)
    transport = open_transport(
        bucket.config_with(endpointurl=proxy.endpoint, read_timeout="1", connect_timeout="1")
    )
    transport.write("a/b", b"x")
    proxy.silent = True

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, Unreachable)
    assert "did not answer in time" in str(error)


def test_a_slow_line_is_not_a_silent_server(
    bucket: Bucket, fault_proxy: Proxied, local: Path
) -> None:
    """obstore's read timeout runs while it sends: it must not end an upload that goes on."""
    proxy = fault_proxy(bucket.server.endpoint)
    transport = open_transport(bucket.config_with(endpointurl=proxy.endpoint, read_timeout="1"))
    source = local / "source"
    source.write_bytes(bytes(2 * MIB))
    proxy.bytes_per_s = MIB

    (result,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)

    assert result.error is None


WAIT = """
import sys
from pannier.store.schemes import open_transport
from pannier.store.remote_config import RemoteConfig

transport = open_transport(RemoteConfig("far", "s3://b/x", {"endpointurl": sys.argv[1],
    "access_key_id": "a", "secret_access_key": "b"}))
print("go", flush=True)
if sys.argv[2] == "stat":
    transport.stat("a/b")
elif sys.argv[2] == "list":
    list(transport.list(""))
else:
    list(transport.upload_many([(__file__ if "__file__" in globals() else "/etc/hostname",
                                 str(n), "") for n in range(50)], 8, lambda _: None))
"""


@pytest.mark.parametrize("call", ["stat", "list", "upload"])
def test_ctrl_c_ends_a_wait_for_a_silent_server(
    bucket: Bucket, fault_proxy: Proxied, call: str
) -> None:
    proxy = fault_proxy(bucket.server.endpoint)
    proxy.silent = True
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT, proxy.endpoint, call],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    until(lambda: proxy.sent > 0)

    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)

    assert "KeyboardInterrupt" in said
    assert time.monotonic() - started < SOON_S
    assert -signal.SIGABRT != process.returncode


# -- what is on the server afterwards ----


def test_an_upload_of_wrong_bytes_is_aborted_on_the_server(bucket: Bucket, local: Path) -> None:
    source = local / "source"
    source.write_bytes(bytes(20 * MIB))

    list(bucket.transport().upload_many([(str(source), "a/b", "0" * 32)], 4, nothing))

    assert [] == bucket.server.unfinished_uploads(bucket.name)


UPLOADER = """
import sys
from pannier.store.schemes import open_transport
from pannier.store.remote_config import RemoteConfig
url, path, *pairs = sys.argv[1:]
options = dict(pair.split("=", 1) for pair in pairs)
transport = open_transport(RemoteConfig("far", url, options))
print([result.error for result in transport.upload_many([(path, "big", "")], 2, lambda n: None)])
"""


def killed_upload(bucket: Bucket, local: Path) -> None:
    """Kills a process while it uploads a big file; its parts stay on the server."""
    with open(local / "big", "wb") as file:
        file.truncate(200 * MIB)
    config = bucket.config
    pairs = [f"{name}={value}" for name, value in config.options.items()]
    command = [sys.executable, "-c", UPLOADER, config.url, str(local / "big"), *pairs]
    with started(command, stdout=subprocess.PIPE, text=True) as process:
        while not bucket.server.unfinished_uploads(bucket.name):
            assert process.poll() is None, process.stdout
        process.kill()


def test_what_a_killed_push_left_is_given_up_when_it_is_old(bucket: Bucket, local: Path) -> None:
    killed_upload(bucket, local)
    source = local / "other"
    source.write_bytes(os.urandom(9 * MIB))
    younger = bucket.transport()

    assert {} == errors(younger.upload_many([(str(source), "other", "")], 2, nothing))
    assert 1 == len(bucket.server.unfinished_uploads(bucket.name))

    later = bucket.transport()
    assert isinstance(later, S3Transport)
    later.stale_after = timedelta(seconds=-1)  # Swift rounds the time of the beginning up
    assert {} == errors(later.upload_many([(str(source), "other", "")], 2, nothing))
    assert [] == bucket.server.unfinished_uploads(bucket.name)
    assert source.read_bytes() == younger.read("other")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(big_uploads, "PART", 5 * MIB)  # the least that servers take


def begun_upload(bucket: Bucket, proxy: FaultProxy, local: Path, data: bytes) -> Transport:
    """A transport whose upload of a big object broke off after some parts, and stays noted."""
    config = bucket.config_with(endpointurl=proxy.endpoint)
    transport = open_transport(replace(config, scratch=str(local / "notes")))
    (local / "big").write_bytes(data)
    proxy.bytes_per_s = 30 * MIB
    expected = hashlib.md5(BIG).hexdigest()
    results = transport.upload_many([(f"{local}/big", "big", expected)], 2, breaking(proxy, 3))
    assert ["big"] == list(errors(results))
    proxy.cut_after(None)
    proxy.bytes_per_s = 0
    assert ["some/where/big"] == bucket.server.unfinished_uploads(bucket.name)
    return transport


def breaking(proxy: FaultProxy, parts: int) -> Callable[[int], None]:
    told: list[int] = []

    def tell(count: int) -> None:
        told.append(count)
        if len(told) == parts:
            proxy.cut_after(1)

    return tell


BIG = random.Random(1).randbytes(27 * MIB)


@pytest.mark.usefixtures("small_parts")
def test_an_upload_goes_on_with_the_parts_that_are_proven_to_be_right(
    bucket: Bucket, fault_proxy: Proxied, local: Path
) -> None:
    """The first run sent a damaged part; the file was repaired since (D2)."""
    proxy = fault_proxy(bucket.server.endpoint)
    transport = begun_upload(bucket, proxy, local, b"damaged" + BIG[7:])
    (local / "big").write_bytes(BIG)
    before = proxy.sent

    expected = hashlib.md5(BIG).hexdigest()
    assert {} == errors(transport.upload_many([(f"{local}/big", "big", expected)], 2, nothing))

    assert 10 * MIB < proxy.sent - before < 24 * MIB
    assert bucket.look("big") == BIG
    assert [] == os.listdir(local / "notes")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("lost", ["upload", "note", "line"])
def test_an_upload_whose_beginning_is_lost_begins_anew(
    bucket: Bucket, fault_proxy: Proxied, local: Path, lost: str
) -> None:
    proxy = fault_proxy(bucket.server.endpoint)
    transport = begun_upload(bucket, proxy, local, BIG)
    (note,) = (local / "notes").iterdir()
    head, *rows = note.read_bytes().splitlines(keepends=True)
    if lost == "upload":
        upload = json.loads(head)["upload"]
        where = {"Bucket": bucket.name, "Key": "some/where/big"}
        bucket.server.client.abort_multipart_upload(**where, UploadId=upload)
    note.write_bytes(head[:-5] if lost == "note" else head + rows[0] + rows[1][:-4])

    expected = hashlib.md5(BIG).hexdigest()
    assert {} == errors(transport.upload_many([(f"{local}/big", "big", expected)], 2, nothing))

    assert bucket.look("big") == BIG


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("prefix", ["some/where", "so me/wh+ere"])
def test_names_that_a_url_has_to_escape_may_come_in_parts(
    bucket: Bucket, local: Path, prefix: str
) -> None:
    """As those of remotes with cloud versions do."""
    config = replace(bucket.config, url=f"s3://{bucket.name}/{prefix}", scratch=f"{local}/notes")
    (local / "big").write_bytes(BIG)
    key = "ü c/(1)+~'&=%41;,@$!*.bin"

    with closing(open_transport(config)) as transport:
        assert {} == errors(transport.upload_many([(f"{local}/big", key, "")], 1, nothing))

    assert {f"{prefix}/{key}": len(BIG)} == bucket.server.keys(bucket.name)
    told = bucket.server.client.head_object(Bucket=bucket.name, Key=f"{prefix}/{key}")
    assert told["ETag"].endswith('-6"')  # obstore's parts are bigger


def test_the_version_that_parts_became_is_told(bucket: Bucket, local: Path) -> None:
    client, at = bucket.server.client, {"Bucket": bucket.name}
    client.put_bucket_versioning(**at, VersioningConfiguration={"Status": "Enabled"})
    (local / "big").write_bytes(BIG)
    config = replace(bucket.config, scratch=f"{local}/notes")

    with closing(open_transport(config)) as transport:
        (result,) = transport.upload_many([(f"{local}/big", "big", "")], 1, nothing)

    told = client.head_object(**at, Key="some/where/big")
    assert result.facts is not None
    assert told["VersionId"] == result.facts.version_id
    assert ("etag", told["ETag"].strip('"')) == result.facts.checksum


def test_bytes_are_signed_so_that_the_server_refuses_others(canned_s3: Canned, local: Path) -> None:
    server = canned_s3(lambda request: Answer(200, b"", {"ETag": '"e"'}))

    at(server.endpoint).write("a/b", b"hello")

    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert digest == server.requests[-1].headers["x-amz-content-sha256"]


def test_what_is_hashed_already_is_not_hashed_again_to_be_signed(canned_s3: Canned) -> None:
    server = canned_s3(lambda request: Answer(200))
    config = RemoteConfig("far", "s3://things/pre", {"endpointurl": server.endpoint})
    signed = Signed(resolve(read_options(config), {}), lambda: Keys("id", SECRET, None))

    with closing(signed):
        signed.send("PUT", f"{server.endpoint}/things/x", {}, b"bytes", "0" * 64)

    (request,) = server.requests
    assert "0" * 64 == request.headers["X-Amz-Content-SHA256"]


# -- listing ----


def test_a_listing_goes_on_behind_keys_that_obstore_cannot_name(bucket: Bucket) -> None:
    keys = {"a/1", "a/2", "a//3", "a/4", "b/../5", "c/6\n", "d/7"}
    for key in keys:
        bucket.plant(key, b"x")

    found = [entry.key for entry in bucket.transport().list("")]

    assert sorted(keys) == sorted(found)


def test_an_empty_object_that_marks_a_folder_keeps_its_name(bucket: Bucket) -> None:
    for key in ("a/", "a/b", "empty"):
        bucket.plant(key, b"" if key != "a/b" else b"x")

    found = set(bucket.transport().list(""))

    assert {"a/b", "empty"} <= {entry.key for entry in found}
    assert "a" not in {entry.key for entry in found}


def test_a_prefix_of_the_url_is_no_part_of_a_key(bucket: Bucket) -> None:
    bucket.server.client.put_object(Bucket=bucket.name, Key="some/whereelse/x", Body=b"x")
    bucket.plant("x", b"x")

    assert [Entry("x", 1)] == list(bucket.transport().list(""))


@pytest.mark.parametrize("url", ["s3://{}", "s3://{}/", "S3://{}/"])
def test_a_bucket_without_a_prefix_will_do(bucket: Bucket, url: str) -> None:
    config = RemoteConfig("far", url.format(bucket.name), bucket.config.options)

    open_transport(config).write("files/md5/ab/cd", b"x")

    assert {"files/md5/ab/cd": 1} == bucket.server.keys(bucket.name)


# -- credentials and settings of the machine ----


@pytest.mark.parametrize("status", [200, 301, 400, 403])
def test_the_region_of_a_bucket_at_amazon_is_asked_for(canned_s3: Canned, status: int) -> None:
    server = canned_s3(lambda request: Answer(status, headers={"x-amz-bucket-region": "eu-west-9"}))
    options = read_options(RemoteConfig("far", "s3://things/pre", {}))
    settings = replace(resolve(options, {}), endpoint=server.endpoint, path_style=True)

    assert "eu-west-9" == bucket_region(settings, PLACE)
    assert ["HEAD /things"] == [f"{r.method} {r.path}" for r in server.requests]
    assert "Authorization" not in server.requests[0].headers


def test_the_region_of_no_bucket_is_a_missing_bucket(canned_s3: Canned) -> None:
    options = read_options(RemoteConfig("far", "s3://things/pre", {}))
    endpoint = canned_s3(lambda request: Answer(404)).endpoint
    settings = replace(resolve(options, {}), endpoint=endpoint, path_style=True)

    error = failure(lambda: bucket_region(settings, PLACE))

    assert "the bucket 'things' does not exist" in str(error)


@pytest.fixture
def aws(clean_machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ~/.aws of a machine that is not in Amazon's cloud."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    folder = clean_machine / ".aws"
    folder.mkdir()
    return folder


def without_keys(bucket: Bucket, **options: str) -> Transport:
    return open_transport(
        bucket.config_with(without=("access_key_id", "secret_access_key"), **options)
    )


def key_lines(bucket: Bucket) -> str:
    server = bucket.server
    return f"aws_access_key_id = {server.key_id}\naws_secret_access_key = {server.secret}\n"


def test_keys_may_stand_in_the_environment(
    bucket: Bucket, aws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.server.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.server.secret)

    without_keys(bucket).write("a", b"x")

    assert {"a"} == bucket.keys()


@pytest.mark.parametrize("profile", ["default", "work"])
def test_keys_may_stand_in_the_credentials_file(bucket: Bucket, aws: Path, profile: str) -> None:
    (aws / "credentials").write_text(f"[{profile}]\n{key_lines(bucket)}")

    without_keys(bucket, profile=profile).write("a", b"x")

    assert {"a"} == bucket.keys()


def test_a_plain_key_pair_needs_no_botocore(bucket: Bucket) -> None:
    """Importing it costs more than a whole `status`."""
    config = bucket.config
    script = (
        "import sys; from pannier.store.schemes import open_transport\n"
        "from pannier.store.remote_config import RemoteConfig\n"
        f"transport = open_transport(RemoteConfig({config.name!r}, {config.url!r},"
        f" {config.options!r}))\n"
        "transport.write('a', b'x'); list(transport.list('')); transport.stat('b')\n"
        "print(sorted({'botocore', 'asyncio', 'urllib3'} & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "[]\n" == done.stdout, done.stderr


def test_a_profile_may_name_a_program_that_gives_the_keys(bucket: Bucket, aws: Path) -> None:
    """Through botocore, and again for every key that only botocore can name."""
    program = aws / "give-keys"
    server = bucket.server
    program.write_text(
        "#!/bin/sh\n"
        f'echo \'{{"Version": 1, "AccessKeyId": "{server.key_id}",'
        f' "SecretAccessKey": "{server.secret}"}}\'\n'
    )
    program.chmod(0o755)
    (aws / "config").write_text(f"[profile work]\ncredential_process = {program}\n")

    transport = without_keys(bucket, profile="work")
    transport.write("a", b"x")
    transport.write("b//c", b"x")

    assert {"a", "b//c"} == bucket.keys()


def test_the_endpoint_may_stand_in_the_profile(bucket: Bucket, aws: Path) -> None:
    (aws / "config").write_text(
        f"[profile work]\nservices = mine\n{key_lines(bucket)}"
        f"[services mine]\ns3 =\n  endpoint_url = {bucket.server.endpoint}\n"
    )
    config = RemoteConfig("far", bucket.config.url, {"profile": "work"})

    open_transport(config).write("a", b"x")

    assert {"a"} == bucket.keys()


def test_files_named_in_the_users_own_config_are_read(bucket: Bucket, local: Path) -> None:
    (local / "keys").write_text(f"[default]\n{key_lines(bucket)}")
    config = bucket.config_with(
        without=("access_key_id", "secret_access_key"),
        protected=("credentialpath",),
        credentialpath=str(local / "keys"),
    )

    open_transport(config).write("a", b"x")

    assert {"a"} == bucket.keys()


def test_what_the_remote_says_counts_before_the_environment(
    bucket: Bucket, aws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """obstore reads these variables by itself, where nothing else is said."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "wrong",
        "AWS_SECRET_ACCESS_KEY": "wrong",
        "AWS_SESSION_TOKEN": "wrong",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_BUCKET": "wrong",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
    }.items():
        monkeypatch.setenv(name, value)

    bucket.transport().write("a", b"x")

    assert {"a"} == bucket.keys()


@pytest.mark.parametrize(
    ("config", "words", "hint"),
    [
        ("", "no credentials for 's3://", "AWS_ACCESS_KEY_ID"),
        ("[default]\ncredential_process = /bin/false\n", "credential process failed", ""),
        (
            "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
            "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.invalid/start\n",
            "log-in for 's3://",
            "aws sso login",
        ),
    ],
)
def test_without_credentials_the_remedy_is_named(
    bucket: Bucket, aws: Path, local: Path, config: str, words: str, hint: str
) -> None:
    (aws / "config").write_text(config)
    source = local / "source"
    source.write_bytes(b"x")
    transport = without_keys(bucket)

    for call in (
        lambda: transport.stat("a"),
        lambda: list(transport.list("")),
        lambda: list(transport.upload_many([(str(source), "a", "")] * 9, 4, nothing)),
    ):
        error = failure(call)

        assert isinstance(error, AccessDenied)
        assert words in str(error)
        assert hint in str(error.hint)


def test_an_anonymous_request_carries_no_signature(canned_s3: Canned) -> None:
    server = canned_s3(
        lambda request: Answer(200, b"x", {"ETag": '"e"', "Last-Modified": LONG_AGO})
    )
    config = RemoteConfig(
        "far",
        "s3://things/pre",
        {"endpointurl": server.endpoint, "allow_anonymous_login": "true"},
    )

    assert b"x" == open_transport(config).read("a")
    assert b"x" == open_transport(config).read("a//b")
    assert [] == [r for r in server.requests if "Authorization" in {k.title() for k in r.headers}]


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"sse": "AES256"}, "x-amz-server-side-encryption", "AES256"),
        ({"sse_kms_key_id": "k"}, "x-amz-server-side-encryption", "aws:kms"),
        ({"sse_kms_key_id": "k"}, "x-amz-server-side-encryption-aws-kms-key-id", "k"),
        (
            {"sse_customer_key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},
            "x-amz-server-side-encryption-customer-algorithm",
            "AES256",
        ),
    ],
)
@pytest.mark.parametrize("key", ["a/b", "a//b"])
def test_encryption_is_asked_for(
    canned_s3: Canned, options: dict[str, str], header: str, value: str, key: str
) -> None:
    server = canned_s3(lambda request: Answer(200, b"", {"ETag": '"e"'}))

    at(server.endpoint, **options).write(key, b"x")

    sent = {name.lower(): text for name, text in server.requests[-1].headers.items()}
    assert value == sent[header]


@pytest.mark.parametrize(
    ("options", "of_the_object", "of_each_part"),
    [
        ({"sse": "AES256"}, {"x-amz-server-side-encryption": "AES256"}, {}),
        (
            {"sse_kms_key_id": "k"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "k",
            },
            {},
        ),
        (
            {"sse_customer_key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},
            {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
            {"x-amz-server-side-encryption-customer-key-md5": "KYvwGXoFFJ42a2u2GDWhwQ=="},
        ),
    ],
)
def test_parts_are_signed_with_their_digests_and_told_how_they_are_kept(
    canned_s3: Canned,
    local: Path,
    options: dict[str, str],
    of_the_object: dict[str, str],
    of_each_part: dict[str, str],
) -> None:
    """And an error behind the status of success, as Amazon sends late ones, is one."""
    joined: list[str] = []

    def answer(request: Request) -> Answer:
        if request.method == "PUT":
            return Answer(200, b"", {"ETag": '"p"'})
        if request.method == "HEAD" or "?" not in request.path:
            return Answer(200, b"", {"ETag": '"e"', "Last-Modified": LONG_AGO}, promised=len(BIG))
        if request.path.endswith("?uploads"):
            return Answer(200, b"<R><UploadId>u</UploadId></R>")
        if request.method == "GET":
            return Answer(403)
        joined.append(request.path)
        if len(joined) == 1:
            return Answer(200, s3_error(500, "InternalError").body)
        made = b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
        return Answer(200, made, {"x-amz-version-id": "v1"})

    server = canned_s3(answer)
    config = RemoteConfig(
        "far", "s3://things/pre", {**KEYS, "endpointurl": server.endpoint, **options}
    )
    (local / "big").write_bytes(BIG)

    with closing(open_transport(replace(config, scratch=str(local / "notes")))) as transport:
        (result,) = transport.upload_many([(f"{local}/big", "big", "")], 1, nothing)

    assert Facts(len(BIG), ("etag", "e"), "v1") == result.facts
    assert 2 == len(joined)
    (first,) = [r for r in server.requests if r.path.endswith("?uploads")]
    parts = [r for r in server.requests if r.method == "PUT"]
    assert len(BIG) == sum(len(part.body) for part in parts)
    for request, wanted in [(first, of_the_object), *((part, of_each_part) for part in parts)]:
        sent = {name.lower(): text for name, text in request.headers.items()}
        assert wanted.items() <= sent.items()
        assert hashlib.sha256(request.body).hexdigest() == sent["x-amz-content-sha256"]
        assert "x-amz-content-sha256" in sent["authorization"]


@pytest.mark.long
def test_customer_keys_open_what_they_closed(ceph_place: Bucket, local: Path) -> None:
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    config = ceph_place.config_with(sse_customer_key=key)
    transport = open_transport(replace(config, scratch=str(local / "notes")))
    source = local / "source"
    source.write_bytes(BIG)
    up = [(str(source), name, "") for name in ("a", "b//c")]

    assert {} == errors(transport.upload_many(up, 4, nothing))

    down = by_key(
        transport.download_many([("a", f"{local}/1", ""), ("b//c", f"{local}/2", "")], 4, nothing)
    )

    assert {} == errors(down.values())
    assert source.read_bytes() == (local / "1").read_bytes() == (local / "2").read_bytes()
    assert isinstance(failure(lambda: ceph_place.transport().read("a")), PannierError)


@pytest.mark.long
def test_an_object_written_for_all_is_read_without_keys(ceph_place: Bucket, local: Path) -> None:
    source = local / "source"
    source.write_bytes(os.urandom(20 * MIB))
    ours = open_transport(ceph_place.config_with(acl="public-read"))

    assert {} == errors(ours.upload_many([(str(source), "big", "")], 2, nothing))
    ours.write("small", b"x")

    config = ceph_place.config_with(
        without=("access_key_id", "secret_access_key"), allow_anonymous_login="true"
    )
    assert b"x" == open_transport(config).read("small")
    assert source.read_bytes() == open_transport(config).read("big")


@pytest.mark.long
def test_a_public_object_is_read_without_keys(ceph_place: Bucket) -> None:
    ceph_place.server.client.put_object(
        Bucket=ceph_place.name, Key="some/where/a", Body=b"x", ACL="public-read"
    )
    config = ceph_place.config_with(
        without=("access_key_id", "secret_access_key"), allow_anonymous_login="true"
    )

    assert b"x" == open_transport(config).read("a")
    assert isinstance(failure(lambda: open_transport(config).read("b")), AccessDenied | NotThere)
