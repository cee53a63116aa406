"""HDFS by both of its protocols. The whole contract runs with `make test-long`, its core here."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pannier.core.errors import AccessDenied, ConfigError, TransportError, Unreachable
from pannier.store.ranges import read_range
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import facts_of
from pannier.store.transports.trees import TreeTransport
from tests.contract import core
from tests.contract.places import USER, HadoopFolder, Place, every_call, failure, nothing
from tests.servers.canned import Answer, CannedServer, Request
from tests.servers.hadoop import Hadoop, as_xml
from tests.servers.httpfs import HttpFs
from tests.servers.processes import free_ports


@pytest.fixture(params=["hdfs", "webhdfs", "httpfs"])
def place(
    request: pytest.FixtureRequest, hadoop_server: Hadoop, httpfs: HttpFs, tmp_path: Path
) -> HadoopFolder:
    if request.param == "httpfs":
        return HadoopFolder(httpfs, tmp_path.name, "webhdfs")
    return HadoopFolder(hadoop_server, tmp_path.name, request.param)


@core.each_of_the_core
def test_the_core_of_the_contract(
    check: Callable[..., None], place: HadoopFolder, tmp_path: Path
) -> None:
    core.run(check, place, tmp_path)


def test_an_upload_replaces_in_one_step_and_reads_any_part(place: HadoopFolder) -> None:
    transport = place.transport()
    transport.write("a/b", b"first")

    transport.write("a/b", b"0123456789")

    assert b"0123456789" == place.look("a/b")
    parts = [(0, 4), (3, 7), (9, 99), (10, 11), (4, 4)]
    assert [b"0123456789"[s:e] for s, e in parts] == [
        read_range(transport, "a/b", s, e) for s, e in parts
    ]
    assert {"a/b"} == place.keys()


def test_where_the_user_may_not_write_is_said(
    hadoop_server: Hadoop, place: HadoopFolder, tmp_path: Path
) -> None:
    closed = place.config.url.replace("/open/", "/closed-")
    transport = open_transport(RemoteConfig("far", closed, place.config.options))

    error = failure(lambda: transport.write("a", b"x"))

    assert isinstance(error, AccessDenied)
    assert not error.temporary
    assert "user" in str(error.hint)


def test_a_gateway_that_cannot_replace_by_a_rename_replaces_all_the_same(
    httpfs: HttpFs, tmp_path: Path
) -> None:
    """HttpFS says false where a name is taken, with status 200."""
    place = HadoopFolder(httpfs, tmp_path.name, "webhdfs")
    transport = place.transport()
    transport.write("a", b"first")

    transport.write("a", b"second")

    assert b"second" == place.look("a")
    httpfs.asked.clear()
    transport.write("a", b"second")
    assert b"second" == place.look("a")
    deleted = httpfs.asked.count("DELETE DELETE")
    assert (1, 1) == (httpfs.asked.count("PUT RENAME"), deleted)  # the new name, not the old one
    transport.close()
    assert {"a"} == place.keys()


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_a_name_node_that_does_not_answer_is_temporary(scheme: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = f"{scheme}://127.0.0.1:{port}/x"
    transport = open_transport(RemoteConfig("far", url, {"user": USER}))

    error = failure(lambda: transport.stat("a"))

    assert isinstance(error, Unreachable)
    assert error.temporary


@pytest.mark.parametrize(
    ("name", "modes"), [("other", ["755", "644"]), ("umask-mode", ["770", "660"])]
)
def test_what_is_made_is_as_open_as_hadoops_settings_want_it(
    name: str,
    modes: list[str],
    hadoop_server: Hadoop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hadoop's own clients take 022 away where nothing is said."""
    said = f"<name>fs.permissions.{name}</name><value>007</value>"
    text = f"<configuration><property>{said}</property></configuration>"
    (tmp_path / "core-site.xml").write_text(text)
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    place = HadoopFolder(hadoop_server, tmp_path.name, "hdfs")
    place.transport().write("folder/file", b"x")

    url = f"{hadoop_server.web.replace('webhdfs', 'http')}/webhdfs/v1/open/{tmp_path.name}"
    asked = f"op=GETFILESTATUS&user.name={USER}"
    found = [
        httpx.get(f"{url}/some%20where/{path}?{asked}").json()["FileStatus"]["permission"]
        for path in ("folder", "folder/file")
    ]

    assert modes == found


def test_what_a_dead_run_left_goes_after_a_day_and_what_lives_stays(place: HadoopFolder) -> None:
    dead, live = place.transport(), place.transport()
    assert isinstance(dead, TreeTransport)
    assert isinstance(live, TreeTransport)
    dead._tree.open()
    left = dead._staged()
    dead._tree.write(left, [b"x"], 1)
    live.write("a", b"x")
    assert dead._look(left) is not None

    late = place.transport()
    assert isinstance(late, TreeTransport)
    late.stale_after_s = -3600
    late.write("b", b"x")

    assert dead._look(left) is None
    live.stale_after_s = -3600
    assert {"a", "b"} == place.keys()


def test_webhdfs_tells_hadoops_checksum(hadoop_server: Hadoop, tmp_path: Path) -> None:
    place: Place = HadoopFolder(hadoop_server, tmp_path.name, "webhdfs")
    place.plant("a", b"one")
    transport = place.transport()

    first, again = facts_of(transport, "a"), facts_of(transport, "a")
    place.plant("a", b"two")
    then = facts_of(transport, "a")

    assert first is not None
    assert then is not None
    assert first == again
    assert first.checksum is not None
    assert "checksum" == first.checksum[0]
    assert first.checksum != then.checksum
    assert None is facts_of(transport, "none")


@pytest.fixture
def server_of(canned_s3: Callable[[object], CannedServer]) -> Callable[[object], CannedServer]:
    """A server that says one thing, or what a function says."""
    return lambda given: canned_s3(given if callable(given) else lambda request: given)


Made = Callable[[object], CannedServer]


def far(server: CannedServer, **options: str) -> RemoteConfig:
    return RemoteConfig("far", server.endpoint.replace("http", "webhdfs") + "/x", options)


def test_webhdfs_says_who_asks_as_the_options_want_it(server_of: Made) -> None:
    body = b'{"FileStatus": {"pathSuffix": "", "type": "FILE", "length": 1, "modificationTime": 1}}'
    server = server_of(Answer(200, body))

    for options in ({"user": "me"}, {"user": "me", "proxy_to": "you"}, {"token": "T&k"}):
        open_transport(far(server, **options)).stat("a b")
    open_transport(far(server, user="me", password="secret")).stat("a")

    asked = [request.path for request in server.requests]
    start = "/webhdfs/v1/x/a%20b?op=GETFILESTATUS"
    assert f"{start}&user.name=me" == asked[0]
    assert f"{start}&user.name=me&doas=you" == asked[1]
    assert f"{start}&delegation=T%26k" == asked[2]
    assert "Basic bWU6c2VjcmV0" == server.requests[3].headers["Authorization"]


def test_webhdfs_reaches_data_nodes_where_the_user_says_they_are(server_of: Made) -> None:
    def answer(request: Request) -> Answer:
        where = f"http://{request.headers['Host']}/webhdfs/v1/x/there?op=OPEN"
        return Answer(307, b"", {"Location": where}) if "there" not in request.path else Answer()

    name, data = server_of(answer), server_of(Answer(200, b"bytes"))
    transport = open_transport(far(name, data_proxy_target=f"{data.endpoint}/gateway"))

    found = transport.read("a")

    assert b"bytes" == found
    assert ["/gateway/x/there?op=OPEN"] == [request.path for request in data.requests]


@pytest.mark.parametrize(
    "answer", [Answer(200, b"<html>log in</html>"), Answer(200), Answer(404, b"no such page")]
)
def test_a_page_is_not_taken_for_a_name_node(
    answer: Answer, tmp_path: Path, server_of: Made
) -> None:
    server = server_of(answer)
    (tmp_path / "x").write_bytes(b"x")
    transport = open_transport(far(server))

    (up,) = transport.upload_many([(f"{tmp_path}/x", "a", "")], 1, nothing)

    assert isinstance(up.error, TransportError)


def test_a_name_node_that_stands_by_is_temporary(tmp_path: Path, server_of: Made) -> None:
    body = b'{"RemoteException": {"exception": "StandbyException", "message": "not now"}}'
    server = server_of(Answer(403, body))

    for error in every_call(open_transport(far(server)), tmp_path):
        assert error.temporary  # type: ignore[attr-defined]
        assert not isinstance(error, AccessDenied)


@pytest.mark.parametrize(
    "options",
    [
        {"kerberos": "true", "user": "me"},
        {"token": "x", "user": "me"},
        {"password": "x"},
        {"ssl_verify": "/etc/passwd"},
    ],
)
def test_settings_that_cannot_be_are_one_sentence(options: dict[str, str]) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", "webhdfs://host/x", options)))

    assert isinstance(error, ConfigError)
    assert error.hint


def test_a_cluster_without_the_address_of_a_name_node_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {
        "dfs.nameservices": "other, Lake",
        "dfs.ha.namenodes.Lake": "a,b",
        "dfs.namenode.http-address.Lake.a": "127.0.0.1:1",
        "dfs.namenode.rpc-address.Lake.b": "127.0.0.1:1",
    }
    (tmp_path / "hdfs-site.xml").write_text(as_xml(known))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))

    web = failure(lambda: open_transport(RemoteConfig("far", "webhdfs://Lake/x")))
    own = failure(lambda: open_transport(RemoteConfig("far", "hdfs://Lake/x")).stat("a"))

    for error, missing in ((web, "http-address.Lake.b"), (own, "rpc-address.Lake.a")):
        assert isinstance(error, ConfigError)
        assert f"'dfs.namenode.{missing}'" in str(error)
        assert "HADOOP_CONF_DIR" in str(error.hint)


def test_a_host_without_a_port_is_asked_at_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs up on all; the settings say that nobody asks again."""
    (tmp_path / "hdfs-site.xml").write_text(as_xml({"dfs.client.failover.max.attempts": "0"}))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    asked = 0

    def hang_up(server: socket.socket) -> None:
        nonlocal asked
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()
                asked += 1

    with socket.create_server(("127.0.0.2", 8020)) as server:
        threading.Thread(target=hang_up, args=(server,), daemon=True).start()
        failure(lambda: open_transport(RemoteConfig("far", "hdfs://127.0.0.2/x")).stat("a"))
        server.shutdown(socket.SHUT_RDWR)

    assert asked > 1


def test_a_url_without_a_host_needs_hadoops_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HADOOP_CONF_DIR", "HADOOP_HOME"):
        monkeypatch.delenv(name, raising=False)

    error = failure(lambda: open_transport(RemoteConfig("far", "hdfs:///x")).stat("a"))

    assert isinstance(error, ConfigError)
    assert "'fs.defaultFS'" in str(error)
    assert "HADOOP_CONF_DIR" in str(error.hint)


def test_a_ticket_file_is_the_users_choice_alone() -> None:
    config = RemoteConfig("far", "hdfs://host/x", {"kerb_ticket": "/tmp/krb5cc_0"})

    error = failure(lambda: open_transport(config))

    assert "--local far kerb_ticket" in str(error.hint)
