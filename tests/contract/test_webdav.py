"""The WebDAV transport where it differs from others: who asks, and what goes wrong."""

from __future__ import annotations

import base64
import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    CorruptObject,
    TransportError,
    Unreachable,
)
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.webdav import WebdavTransport
from tests.contract.places import DavFolder, errors, failure, nothing
from tests.contract.test_s3 import every_call
from tests.contract.test_s3_tls import openssl
from tests.servers.apache import PASSWORD, USER, Apache
from tests.servers.canned import Answer, CannedServer, Request
from tests.servers.proxy import FaultProxy

pytestmark = pytest.mark.xdist_group("dav")

MIB = 1 << 20
SECRET = "SecretSecretSecret"
Canned = Callable[[Callable[[Request], Answer]], CannedServer]
Proxied = Callable[[str], FaultProxy]


@pytest.fixture
def folder(webdav_place: DavFolder) -> DavFolder:
    return webdav_place


def dav(url: str) -> str:
    return url.replace("http", "webdav", 1)


def at(url: str, *, protected: tuple[str, ...] = (), **options: str) -> Transport:
    return open_transport(RemoteConfig("far", dav(url), options, frozenset(protected)))


def multistatus(*members: str) -> Answer:
    """An answer to PROPFIND that tells of files with these paths."""
    prop = "<D:propstat><D:prop><D:resourcetype/></D:prop></D:propstat>"
    told = "".join(f"<D:response><D:href>{m}</D:href>{prop}</D:response>" for m in members)
    return Answer(207, f'<D:multistatus xmlns:D="DAV:">{told}</D:multistatus>'.encode())


# -- who asks ----


def test_making_a_transport_asks_nobody(canned_s3: Canned) -> None:
    server = canned_s3(lambda request: Answer(500))

    transport = at(
        server.endpoint,
        protected=("cert_path", "bearer_token_command"),
        cert_path="/none",
        bearer_token_command="false",
    )

    assert [] == server.requests
    assert "webdav://" in repr(transport)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user": USER, "password": SECRET}, f"does not accept the password of '{USER}'"),
        ({}, "wants to know who you are"),
        ({"token": SECRET}, "does not accept the token"),
        ({"custom_auth_header": "X-Token", "password": SECRET}, "accept the header 'X-Token'"),
    ],
)
def test_wrong_credentials_are_one_clear_sentence(
    dav_server: Apache, local: Path, options: dict[str, str], words: str
) -> None:
    transport = at(f"{dav_server.endpoint}/x", **options)

    shown = [repr(transport)]
    for error in every_call(transport, local):
        assert isinstance(error, AccessDenied)
        assert words in str(error)
        assert "dvc remote modify --local far" in str(error.hint)
        shown += [str(error.hint), *traceback.format_exception(error)]
    assert SECRET not in "".join(shown)


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"token": "Token0"}, "Authorization", "Bearer Token0"),
        ({"custom_auth_header": "X-Key", "password": "Key0"}, "X-Key", "Key0"),
        ({"user": "u", "password": "p:w"}, "Authorization", "Basic dTpwOnc="),
    ],
)
def test_credentials_are_sent_as_the_settings_say(
    canned_s3: Canned, options: dict[str, str], header: str, value: str
) -> None:
    server = canned_s3(lambda request: Answer(200, b"x"))

    at(server.endpoint, **options).read("a/b")

    assert value == server.requests[0].headers[header]


def test_user_and_password_may_stand_in_the_url_and_the_password_is_not_shown(
    canned_s3: Canned,
) -> None:
    server = canned_s3(lambda request: Answer(404))
    transport = at(server.endpoint.replace("//", f"//me:{SECRET}@"))

    error = failure(lambda: transport.read("a/b"))

    expected = base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert f"Basic {expected}" == server.requests[0].headers["Authorization"]
    assert SECRET not in repr(transport) + transport.url + str(error)


def test_a_program_hands_out_tokens_and_is_asked_again_when_one_is_refused(
    canned_s3: Canned, local: Path
) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200 if request.headers["Authorization"] == "Bearer two" else 401)

    (local / "tokens").write_text("one\ntwo\nthree\n")
    take = f"head -n 1 {local}/tokens; sed -i 1d {local}/tokens"
    transport = at(
        canned_s3(answer).endpoint,
        protected=("bearer_token_command",),
        bearer_token_command=take,
    )

    assert b"" == transport.read("a/b") == transport.read("a/c")
    assert "three\n" == (local / "tokens").read_text()


def test_a_program_that_fails_is_told_without_what_it_said(canned_s3: Canned) -> None:
    transport = at(
        canned_s3(lambda request: Answer()).endpoint,
        protected=("bearer_token_command",),
        bearer_token_command=f"echo {SECRET}; exit 3",
    )

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, AccessDenied)
    assert "'bearer_token_command' of remote 'far' ended with exit code 3" in str(error)


@pytest.mark.parametrize("option", ["bearer_token_command", "cert_path", "key_path", "ssl_verify"])
def test_a_project_names_no_program_and_no_file_of_credentials(option: str) -> None:
    error = failure(lambda: at("https://localhost:1", **{option: "/some/where"}))

    assert isinstance(error, ConfigError)
    assert f"'{option}'" in str(error)
    assert "counts only in your own configuration" in str(error)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("webdav://", {}, "must be like webdav://host/path"),
        ("webdav://host:port/x", {}, "must be like"),
        ("webdav://host/x?y", {}, "must be like"),
        ("webdav://host/x", {"timeout": "0"}, "must be a number of seconds"),
        ("webdav://host/x", {"custom_auth_header": "X Y", "password": "p"}, "name of a header"),
        ("webdav://host/x", {"custom_auth_header": "X-Y"}, "needs 'password'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    url: str, options: dict[str, str], words: str
) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", url, options)))

    assert isinstance(error, ConfigError)
    assert words in str(error)


def test_asking_for_a_password_needs_a_terminal(dav_server: Apache) -> None:
    transport = at(f"{dav_server.endpoint}/x", user=USER, ask_password="true")
    program = f"""
import os
os.setsid() if os.getsid(0) != os.getpid() else None
from pannier.store.schemes import open_transport
from pannier.store.remote_config import RemoteConfig
try:
    open_transport(RemoteConfig("far", {transport.url!r}, {{"user": "u", "ask_password": "true"}}
        )).stat("a")
except Exception as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )

    assert "remote 'far' asks for a password, and there is no terminal" in done.stdout


# -- certificates ----


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and server.pem and client.pem that it signed, keys in client.key."""
    folder = tmp_path_factory.mktemp("ca")
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ca"]
    openssl(*new, "-keyout", "ca.key", "-out", "ca.pem", cwd=folder)
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for name in ("server", "client"):
        new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=folder)
        sign = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"]
        sign += ["-days", "2", "-CAcreateserial", "-extfile", "names", "-out", f"{name}.pem"]
        openssl(*sign, cwd=folder)
    key = (folder / "server.key").read_text()
    (folder / "server.pem").write_text((folder / "server.pem").read_text() + key)
    return folder


@pytest.fixture(scope="module")
def tls_server(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apache]:
    with closing(Apache(tmp_path_factory.mktemp("apache-tls"), authority)) as server:
        yield server


FILES = ("ssl_verify", "cert_path", "key_path")


def test_a_certificate_of_ones_own_opens_the_door(tls_server: Apache, authority: Path) -> None:
    transport = at(
        tls_server.tls,
        protected=FILES,
        ssl_verify=str(authority / "ca.pem"),
        cert_path=str(authority / "client.pem"),
        key_path=str(authority / "client.key"),
    )

    transport.write("a/b", b"x")

    assert b"x" == transport.read("a/b")


def test_without_a_certificate_the_door_stays_shut(tls_server: Apache, authority: Path) -> None:
    transport = at(tls_server.tls, protected=FILES, ssl_verify=str(authority / "ca.pem"))

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, TransportError)
    assert "\n" not in str(error)


def test_an_authority_that_nobody_named_is_not_trusted(tls_server: Apache) -> None:
    error = failure(lambda: at(tls_server.tls).read("a/b"))

    assert "is not trusted" in str(error)
    assert "ssl_verify" in str(error.hint)
    assert not getattr(error, "temporary", False)


def test_verification_may_be_switched_off(tls_server: Apache, authority: Path) -> None:
    transport = at(
        tls_server.tls,
        protected=FILES,
        ssl_verify="false",
        cert_path=str(authority / "client.pem"),
        key_path=str(authority / "client.key"),
    )

    assert transport.stat("none") is None


@pytest.mark.parametrize(
    ("option", "words"), [("ssl_verify", "CA file"), ("cert_path", "certificate")]
)
def test_a_file_that_cannot_be_read_is_named(tls_server: Apache, option: str, words: str) -> None:
    transport = at(tls_server.tls, protected=FILES, **{option: "/none"})

    error = failure(lambda: transport.read("a"))

    assert isinstance(error, ConfigError)
    assert words in str(error)
    assert "'/none'" in str(error)


# -- what is no WebDAV ----


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"<html>Log in</html>"), "200"),
        (Answer(207, b"<html>Log in</html>"), "not as a WebDAV server does"),
        (Answer(207, b""), "not as a WebDAV server does"),
        (Answer(405), "does not allow PROPFIND"),
        (Answer(403), "no access"),
        (Answer(302, headers={"Location": "/again"}), "from one address to the next without end"),
    ],
)
def test_what_is_no_webdav_server_is_told_and_is_not_an_empty_folder(
    canned_s3: Canned, answer: Answer, words: str
) -> None:
    transport = at(canned_s3(lambda request: answer).endpoint)

    for error in (
        failure(lambda: transport.stat("a/b")),
        failure(lambda: list(transport.list("a/"))),
    ):
        assert isinstance(error, TransportError)
        assert not error.temporary
        assert words in str(error)


def test_a_server_cannot_list_what_lies_elsewhere(canned_s3: Canned) -> None:
    paths = ("/root/", "/root/a", "/etc/passwd", "/root/../x", "/root/..", "/root/b/c", "/rootless")
    paths += ("http://elsewhere/root/d", "/root/%2e%2e/y", "")
    transport = at(f"{canned_s3(lambda request: multistatus(*paths)).endpoint}/root")

    assert ["a", "d"] == [entry.key for entry in transport.list("")]


def test_a_folder_that_cannot_be_made_is_named(dav_server: Apache, local: Path) -> None:
    (dav_server.root / "a-file").write_text("x")
    transport = at(f"{dav_server.open}/a-file/below")

    error = failure(lambda: transport.write("a/b", b"x"))

    assert isinstance(error, TransportError)
    assert not error.temporary
    assert "\n" not in str(error)


# -- the way there ----


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(canned_s3: Canned, status: int) -> None:
    waiting = [status, status]

    def answer(request: Request) -> Answer:
        return Answer(waiting.pop()) if waiting else Answer(200, b"x")

    assert b"x" == at(canned_s3(answer).endpoint).read("a/b")


def test_a_server_that_stays_busy_is_worth_another_try(canned_s3: Canned, local: Path) -> None:
    server = canned_s3(lambda request: Answer(503, headers={"Retry-After": "0"}))

    error = failure(lambda: at(server.endpoint).read("a/b"))

    assert isinstance(error, TransportError)
    assert error.temporary
    assert "cannot answer now (503)" in str(error)
    assert 3 == len(server.requests)


def test_credentials_do_not_follow_to_another_server(canned_s3: Canned) -> None:
    other = canned_s3(lambda request: Answer(200, b"there"))
    first = canned_s3(
        lambda request: Answer(302, headers={"Location": f"{other.endpoint}{request.path}"})
    )

    for options in (
        {"custom_auth_header": "X-Key", "password": SECRET},
        {"token": SECRET},
        {"user": "u", "password": SECRET},
    ):
        assert b"there" == at(first.endpoint, **options).read("a/b")

    assert all("X-Key" not in r.headers for r in other.requests)
    assert all("Authorization" not in r.headers for r in other.requests)


def test_a_server_that_is_not_there_is_worth_another_try(local: Path) -> None:
    for error in every_call(at("http://127.0.0.1:1"), local):
        assert isinstance(error, Unreachable)
        assert "cannot connect to http://127.0.0.1:1" in str(error)


def test_a_host_without_an_address_is_named() -> None:
    error = failure(lambda: at("http://no-such-host.invalid").read("a/b"))

    assert isinstance(error, Unreachable)
    assert "no such host" in str(error)


@pytest.mark.parametrize("size", [3000, 3 * MIB])
def test_a_body_that_is_cut_off_leaves_no_file(canned_s3: Canned, local: Path, size: int) -> None:
    answer = Answer(200, b"half of it", promised=size)
    transport = at(canned_s3(lambda request: answer).endpoint)

    (result,) = transport.download_many([("a/b", f"{local}/x", "")], 1, nothing)

    assert isinstance(result.error, Unreachable)
    assert [] == list(local.iterdir())


def in_pieces(data: bytes, piece: int, etags: Iterator[str]) -> Callable[[Request], Answer]:
    """A server that breaks off after a piece, and goes on from where it is asked to."""

    def answer(request: Request) -> Answer:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"ETag": next(etags), "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            if request.headers.get("If-Range") != headers["ETag"]:
                return Answer(200, data, headers)
        part = data[start : start + piece]
        return Answer(206 if start else 200, part, headers, promised=len(data) - start)

    return answer


def test_a_body_that_is_cut_off_is_gone_on_with(canned_s3: Canned, local: Path) -> None:
    data = os.urandom(3 * MIB)
    server = canned_s3(in_pieces(data, 700_000, iter(['"e"'] * 99)))

    (result,) = at(server.endpoint).download_many([("a/b", f"{local}/x", "")], 1, nothing)

    assert (None, len(data)) == (result.error, result.size_bytes)
    assert data == (local / "x").read_bytes()
    assert 5 == len(server.requests)


def test_a_body_that_changed_meanwhile_is_not_put_together(canned_s3: Canned, local: Path) -> None:
    server = canned_s3(in_pieces(os.urandom(3 * MIB), 700_000, iter(['"e"', '"f"'])))

    (result,) = at(server.endpoint).download_many([("a/b", f"{local}/x", "")], 1, nothing)

    assert isinstance(result.error, TransportError)
    assert result.error.temporary
    assert [] == list(local.iterdir())


@pytest.mark.parametrize("cut_after", [100, 5 * MIB])
def test_a_connection_that_breaks_off_publishes_nothing(
    folder: DavFolder, dav_server: Apache, fault_proxy: Proxied, local: Path, cut_after: int
) -> None:
    proxy = fault_proxy(dav_server.endpoint)
    transport = open_transport(folder.config_at(proxy.endpoint))
    transport.write("other", b"x")
    source = local / "source"
    source.write_bytes(os.urandom(12 * MIB))

    proxy.cut_after(cut_after)
    (result,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)
    proxy.cut_after(None)

    assert isinstance(result.error, Unreachable)
    assert transport.stat("a/b") is None

    (again,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)

    assert again.error is None
    assert source.read_bytes() == transport.read("a/b")


def test_a_server_killed_in_the_middle_is_worth_another_try(
    folder: DavFolder, dav_server: Apache, local: Path
) -> None:
    source = local / "source"
    source.write_bytes(os.urandom(48 * MIB))
    items = [(str(source), "a/b", "")]
    killed = threading.Event()

    def kill_once(_: int) -> None:
        if not killed.is_set():
            killed.set()
            dav_server.kill()

    transport = folder.transport()
    (up,) = transport.upload_many(items, 4, kill_once)
    dav_server.revive()

    assert isinstance(up.error, Unreachable)
    assert [] == list(transport.list(""))

    assert {} == errors(transport.upload_many(items, 4, nothing))
    killed.clear()
    (down,) = transport.download_many([("a/b", f"{local}/target", "")], 4, kill_once)
    dav_server.revive()

    assert isinstance(down.error, Unreachable)
    assert ["source"] == [path.name for path in local.iterdir()]


def test_a_server_that_falls_silent_is_given_up(
    folder: DavFolder, dav_server: Apache, fault_proxy: Proxied
) -> None:
    proxy = fault_proxy(dav_server.endpoint)
    transport = open_transport(folder.config_at(proxy.endpoint, timeout="1"))
    transport.write("a/b", b"x")
    proxy.silent = True

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, Unreachable)
    assert "did not answer in time" in str(error)


# -- what is at the server afterwards ----


def test_nothing_but_objects_is_left(folder: DavFolder, local: Path) -> None:
    source = local / "x"
    source.write_bytes(bytes(3 * MIB))
    transport = folder.transport()

    list(transport.upload_many([(str(source), "files/md5/ab/c", "0" * 32)], 4, nothing))
    transport.write("files/md5/ab/d", b"x")
    transport.close()

    assert ["ab"] == [path.name for path in (folder.root / "files/md5").iterdir()]
    assert {"files/md5/ab/d"} == folder.keys()


def test_what_dead_runs_left_is_swept_and_what_others_do_now_is_not(folder: DavFolder) -> None:
    folder.plant("files/md5/tmp-pannier-dead/1", b"x")
    dead = folder.root / "files/md5/tmp-pannier-dead"
    transport = folder.transport()
    assert isinstance(transport, WebdavTransport)

    transport.write("files/md5/ab/c", b"x")
    transport.close()

    assert dead.exists()
    assert {"files/md5/ab/c"} == {entry.key for entry in transport.list("")}

    for path in (dead / "1", dead):
        os.utime(path, (1, 1))
    transport.write("files/md5/ab/d", b"x")

    assert not dead.exists()


def test_a_folder_that_somebody_removed_is_made_again(folder: DavFolder, local: Path) -> None:
    source = local / "x"
    source.write_bytes(b"x")
    item = (str(source), "files/md5/ab/c", "")
    transport = folder.transport()
    list(transport.upload_many([item], 1, nothing))
    subprocess.run(["rm", "-r", folder.root / "files"], check=True)

    (lost,) = transport.upload_many([item], 1, nothing)
    (again,) = transport.upload_many([item], 1, nothing)

    assert isinstance(lost.error, TransportError)
    assert lost.error.temporary
    assert again.error is None
    assert {"files/md5/ab/c"} == folder.keys()


def test_an_upload_is_two_requests_once_the_folders_are_there(
    folder: DavFolder, dav_server: Apache, local: Path
) -> None:
    source = local / "x"
    source.write_bytes(b"x")
    transport = folder.transport()
    already = len(dav_server.requests())
    transport.write("files/md5/ab/first", b"x")
    before = len(dav_server.requests_once("MOVE", already, 1))

    items = [(str(source), f"files/md5/ab/{number}", "") for number in range(40)]
    list(transport.upload_many(items, 8, nothing))

    requests = dav_server.requests_once("MOVE", before, 40)[before:]
    assert ["MOVE"] * 40 + ["PUT"] * 40 == sorted(requests)


def test_no_secret_is_in_any_log(folder: DavFolder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transport = folder.transport()

    transport.write("a/b", b"x")
    transport.read("a/b")

    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert PASSWORD not in caplog.text
    assert pair not in caplog.text


def test_what_a_server_has_under_a_name_is_not_believed(canned_s3: Canned, local: Path) -> None:
    server = canned_s3(lambda request: Answer(200, b"<html>Please log in</html>"))

    (result,) = at(server.endpoint).download_many([("a/b", f"{local}/x", "0" * 32)], 1, nothing)

    assert isinstance(result.error, CorruptObject)
    assert [] == list(local.iterdir())
