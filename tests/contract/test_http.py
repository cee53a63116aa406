"""HTTP remotes: the contract but for its listings, and what is asked of any web server."""

from __future__ import annotations

import base64
import logging
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    CorruptObject,
    TransportError,
    Unlistable,
    Unreachable,
)
from pannier.core.events import Silent
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Entry, Transport
from tests.contract import test_transport
from tests.contract.places import WebFolder, errors, failure, nothing
from tests.contract.test_webdav import in_pieces
from tests.servers import apache, nginx
from tests.servers.apache import Apache
from tests.servers.canned import Answer, CannedServer, Request
from tests.servers.nginx import Nginx
from tests.servers.proxy import FaultProxy

LISTINGS = {
    "test_a_listing_tells_keys_and_sizes",
    "test_a_prefix_may_end_in_the_middle_of_a_name",
    "test_an_empty_place_lists_nothing",
    "test_a_listing_of_several_pages_is_complete",
    "test_a_listing_may_be_left_early",
}
globals().update(
    {
        name: test
        for name, test in vars(test_transport).items()
        if name.startswith("test_") and name not in LISTINGS
    }
)
pytestmark = pytest.mark.xdist_group("web")

MIB = 1 << 20
SECRET = "SecretSecretSecret"
PAGE = Answer(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})
Canned = Callable[[Callable[[Request], Answer]], CannedServer]
Proxied = Callable[[str], FaultProxy]


@pytest.fixture
def place(web_server: Nginx, tmp_path: Path) -> WebFolder:
    return WebFolder(web_server, f"{tmp_path.name}/some where")


def at(url: str, *, protected: tuple[str, ...] = (), **options: str) -> Transport:
    return open_transport(RemoteConfig("far", url, options, frozenset(protected)))


# -- who asks ----


def test_making_a_transport_asks_nobody(canned_s3: Canned) -> None:
    server = canned_s3(lambda request: Answer(500))

    transport = at(server.endpoint, ssl_verify="/none", protected=("ssl_verify",))

    assert [] == server.requests
    assert server.endpoint in repr(transport)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"auth": "basic", "user": nginx.USER, "password": SECRET}, "accept the password of"),
        ({}, "wants to know who you are"),
        ({"auth": "custom", "custom_auth_header": "X-Key", "password": SECRET}, "header 'X-Key'"),
    ],
)
def test_wrong_credentials_are_one_clear_sentence(
    web_server: Nginx, local: Path, options: dict[str, str], words: str
) -> None:
    transport = at(f"{web_server.endpoint}/x", **options)
    source = local / "source"
    source.write_bytes(bytes(3 * MIB))

    (up,) = transport.upload_many([(str(source), "a/b", "")], 1, nothing)
    (down,) = transport.download_many([("a/b", f"{local}/target", "")], 1, nothing)
    shown = [repr(transport)]
    for error in (
        failure(lambda: transport.stat("a/b")),
        failure(lambda: transport.read("a/b")),
        failure(lambda: transport.write("a/b", b"x")),
        failure(lambda: transport.delete("a/b")),
        up.error,
        down.error,
    ):
        assert isinstance(error, AccessDenied)
        assert words in str(error)
        assert "dvc remote modify" in str(error.hint)
        shown += [str(error.hint), *traceback.format_exception(error)]

    assert SECRET not in "".join(shown)


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"auth": "basic", "user": "u", "password": "p"}, "Authorization", "Basic dTpw"),
        (
            {"auth": "custom", "custom_auth_header": "X-Key", "password": "Key0"},
            "X-Key",
            "Key0",
        ),
    ],
)
def test_credentials_are_sent_as_the_settings_say(
    canned_s3: Canned, options: dict[str, str], header: str, value: str
) -> None:
    server = canned_s3(lambda request: Answer(200, b"x"))

    at(server.endpoint, **options).read("a/b")

    assert value == server.requests[0].headers[header]


def test_digest_authentication_sends_no_body_in_vain(
    dav_server: Apache, tmp_path: Path, local: Path
) -> None:
    source = local / "x"
    source.write_bytes(os.urandom(3 * MIB))
    root = f"{dav_server.digest}/{tmp_path.name}"
    (dav_server.root / tmp_path.name / "a").mkdir(parents=True)
    given = {"auth": "digest", "user": apache.USER, "method": "PUT"}
    right, wrong = at(root, password=apache.PASSWORD, **given), at(root, password=SECRET, **given)
    items = [(str(source), f"a/{number}", "") for number in range(4)]
    sent: list[int] = []

    refused = failure(lambda: wrong.read("a/0"))
    up = list(right.upload_many(items, 2, sent.append))

    assert isinstance(refused, AccessDenied)
    assert {} == errors(up)
    assert 12 * MIB == sum(sent)
    assert source.read_bytes() == right.read("a/3")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"auth": "basic", "user": "u"}, "HTTP 'basic' authentication"),
        ({"auth": "digest", "password": "p"}, "HTTP 'digest' authentication"),
        ({"auth": "custom", "password": "p"}, "'custom_auth_header'"),
        ({"connect_timeout": "no"}, "'connect_timeout' must be a number of seconds"),
        ({"method": "P U T"}, "no HTTP method"),
        ({"ssl_verify": "/some/where"}, "counts only in your own configuration"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options: dict[str, str], words: str) -> None:
    error = failure(lambda: at("https://localhost:1", **options))

    assert isinstance(error, ConfigError)
    assert words in str(error)


# -- what is there ----


def test_a_place_that_cannot_be_listed_says_so(place: WebFolder) -> None:
    transport = place.transport()

    error = failure(lambda: list(transport.list("")))

    assert isinstance(error, Unlistable)
    assert transport.url in str(error)


def test_many_objects_are_asked_for_one_by_one(place: WebFolder) -> None:
    names = [f"{number:032x}" for number in range(100)]
    for name in names[::2]:
        place.plant(f"files/md5/{name[:2]}/{name[2:]}", b"x")

    with Remote(place.config) as remote:
        found = remote.present("md5", names, 8, Silent())

    assert dict.fromkeys(names[::2], 1) == found


def test_a_server_without_head_is_asked_by_get(canned_s3: Canned) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(405)
        return Answer(200, b"abc") if request.path.endswith("/a/b") else Answer(404)

    transport = at(canned_s3(answer).endpoint)

    assert Entry("a/b", 3) == transport.stat("a/b")
    assert transport.stat("a/c") is None


def test_what_may_not_be_looked_at_is_not_there(canned_s3: Canned) -> None:
    """Public buckets that may not be listed say so of every object that does not exist."""
    server = canned_s3(lambda request: Answer(200 if request.path == "/a/b" else 403, b"x"))
    transport = at(server.endpoint)

    assert transport.stat("a/c") is None
    assert Entry("a/b", 1) == transport.stat("a/b")
    assert isinstance(failure(lambda: transport.read("a/c")), AccessDenied)


@pytest.mark.parametrize("answer", [PAGE, Answer(302, headers={"Location": "/login"})])
def test_a_page_for_every_name_is_not_taken_for_objects(
    canned_s3: Canned, local: Path, answer: Answer
) -> None:
    server = canned_s3(lambda request: PAGE if request.path == "/login" else answer)
    transport = at(server.endpoint)
    (local / "x").write_bytes(b"x")

    asked = failure(lambda: transport.stat("a/b"))
    (down,) = transport.download_many([("a/b", f"{local}/y", "0" * 32)], 1, nothing)
    (up,) = transport.upload_many([(f"{local}/x", "a/b", "")], 1, nothing)

    assert "with a page for names that cannot exist" in str(asked)
    assert isinstance(down.error, CorruptObject)
    assert isinstance(up.error, TransportError)
    assert ["x"] == [path.name for path in local.iterdir()]


def test_an_upload_that_the_server_does_not_keep_has_failed(canned_s3: Canned, local: Path) -> None:
    server = canned_s3(lambda request: Answer(200 if request.method == "POST" else 404))
    (local / "x").write_bytes(b"x")

    (result,) = at(server.endpoint).upload_many([(f"{local}/x", "a/b", "")], 1, nothing)

    assert isinstance(result.error, TransportError)
    assert "took 'a/b' by POST, but does not have it" in str(result.error)
    assert "method PUT" in str(result.error.hint)


def test_a_method_that_is_not_allowed_is_told(place: WebFolder, web_server: Nginx) -> None:
    transport = open_transport(place.config_at(web_server.endpoint, method="POST"))

    error = failure(lambda: transport.write("a/b", b"x"))

    assert "does not allow POST" in str(error)
    assert error.hint == "'dvc remote modify place method PUT'"


# -- the way there ----


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(canned_s3: Canned, status: int) -> None:
    waiting = [status, status]

    def answer(request: Request) -> Answer:
        return Answer(waiting.pop()) if waiting else Answer(200, b"x")

    assert b"x" == at(canned_s3(answer).endpoint).read("a/b")


def test_redirects_without_end_are_given_up(canned_s3: Canned) -> None:
    server = canned_s3(lambda request: Answer(302, headers={"Location": request.path + "x"}))

    error = failure(lambda: at(server.endpoint).read("a/b"))

    assert isinstance(error, TransportError)
    assert not error.temporary
    assert "without end" in str(error)


def test_a_body_follows_a_redirect_that_asks_for_it(canned_s3: Canned, local: Path) -> None:
    data = os.urandom(3 * MIB)
    (local / "x").write_bytes(data)
    kept: dict[str, bytes] = {}

    def answer(request: Request) -> Answer:
        if request.method == "PUT" and not request.path.startswith("/there"):
            return Answer(307, headers={"Location": f"/there{request.path}"})
        if request.method == "PUT":
            kept[request.path.removeprefix("/there")] = request.body
            return Answer(201)
        return Answer(200, kept[request.path]) if request.path in kept else Answer(404)

    told: list[int] = []
    transport = at(canned_s3(answer).endpoint, method="PUT")
    (result,) = transport.upload_many([(f"{local}/x", "a/b", "")], 1, told.append)

    assert result.error is None
    assert {"/a/b": data} == kept
    assert len(data) == sum(told)


def test_a_body_that_is_cut_off_is_gone_on_with(canned_s3: Canned, local: Path) -> None:
    data = os.urandom(3 * MIB)
    server = canned_s3(in_pieces(data, 700_000, iter(['"e"'] * 99)))

    (result,) = at(server.endpoint).download_many([("a/b", f"{local}/x", "")], 1, nothing)

    assert result.error is None
    assert data == (local / "x").read_bytes()


@pytest.mark.parametrize("cut_after", [100, 5 * MIB])
def test_a_connection_that_breaks_off_publishes_nothing(
    place: WebFolder, web_server: Nginx, fault_proxy: Proxied, local: Path, cut_after: int
) -> None:
    proxy = fault_proxy(web_server.endpoint)
    transport = open_transport(place.config_at(proxy.endpoint))
    source = local / "source"
    source.write_bytes(os.urandom(12 * MIB))

    proxy.cut_after(cut_after)
    (result,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)
    proxy.cut_after(None)

    assert isinstance(result.error, Unreachable)
    assert transport.stat("a/b") is None
    assert {} == errors(transport.upload_many([(str(source), "a/b", "")], 4, nothing))
    assert source.read_bytes() == transport.read("a/b")


def test_a_server_killed_in_the_middle_is_worth_another_try(
    place: WebFolder, web_server: Nginx, local: Path
) -> None:
    source = local / "source"
    source.write_bytes(os.urandom(48 * MIB))
    killed = threading.Event()

    def kill_once(_: int) -> None:
        if not killed.is_set():
            killed.set()
            web_server.kill()

    transport = place.transport()
    (up,) = transport.upload_many([(str(source), "a/b", "")], 4, kill_once)
    web_server.revive()

    assert isinstance(up.error, Unreachable)
    assert set() == place.keys()


def test_a_server_that_falls_silent_is_given_up(
    place: WebFolder, web_server: Nginx, fault_proxy: Proxied
) -> None:
    proxy = fault_proxy(web_server.endpoint)
    transport = open_transport(place.config_at(proxy.endpoint, read_timeout="0.5"))
    transport.write("a/b", b"x")
    proxy.silent = True

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, Unreachable)
    assert "did not answer in time" in str(error)


def test_no_secret_is_in_any_log(place: WebFolder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transport = place.transport()

    transport.write("a/b", b"x")
    transport.read("a/b")

    assert nginx.PASSWORD not in caplog.text
    pair = base64.b64encode(f"{nginx.USER}:{nginx.PASSWORD}".encode()).decode()
    assert pair not in caplog.text
