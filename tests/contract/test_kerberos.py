"""Hadoop for those who have a ticket: a Kerberos server and a Hadoop that asks for its tickets."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from pannier.core.errors import AccessDenied, ConfigError, Unreachable
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.kerberos import Kerberos
from pannier.store.transports.webhdfs import WebhdfsTransport
from tests.contract import core
from tests.contract.places import HadoopFolder, failure
from tests.servers.canned import Answer, CannedServer
from tests.servers.hadoop import Hadoop
from tests.servers.kerberos import REALM
from tests.servers.processes import free_ports

WITH_TICKET = {"kerberos": "true"}
Holder = Callable[[str], Path]


@pytest.fixture
def hold(kerberos_server: Hadoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Holder:
    """Makes one's ticket the one that counts: `hold("me")`. Returns its file."""
    assert kerberos_server.kerberos is not None
    tickets = kerberos_server.kerberos
    for name, value in tickets.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/nobody")

    def make(who: str) -> Path:
        cache = tmp_path / f"{who}.ticket"
        if not cache.exists():
            tickets.ticket(who, cache)
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
        return cache

    return make


@pytest.fixture
def far(kerberos_server: Hadoop, tmp_path: Path) -> Callable[..., Transport]:
    """A transport to a folder of the test's own: `far("webhdfs", token="...")`."""

    def make(scheme: str = "webhdfs", base: str = "", **options: str) -> Transport:
        base = base or {"hdfs": kerberos_server.hdfs, "webhdfs": kerberos_server.web}[scheme]
        given = {**(WITH_TICKET if scheme == "webhdfs" else {}), **options}
        url = f"{base}/open/{tmp_path.name}"
        return open_transport(RemoteConfig("far", url, given, frozenset(given)))

    return make


Far = Callable[..., Transport]


@pytest.fixture(params=["hdfs", "webhdfs"])
def place(
    request: pytest.FixtureRequest, kerberos_server: Hadoop, tmp_path: Path, hold: Holder
) -> HadoopFolder:
    hold("me")
    return HadoopFolder(kerberos_server, tmp_path.name, request.param, {"webhdfs": WITH_TICKET})


@pytest.mark.long
@core.each_of_the_core
def test_the_core_of_the_contract_with_a_ticket(
    check: Callable[..., None], place: HadoopFolder, tmp_path: Path
) -> None:
    core.run(check, place, tmp_path)


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_without_a_ticket_one_sentence_says_so(scheme: str, far: Far, hold: Holder) -> None:
    error = failure(lambda: far(scheme).write("a", b"x"))

    assert isinstance(error, AccessDenied)
    assert not error.temporary
    assert "there is no Kerberos ticket" in str(error)
    assert "kinit" == error.hint


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_a_ticket_that_is_too_old_is_named(
    scheme: str, far: Far, hold: Holder, kerberos_server: Hadoop, tmp_path: Path
) -> None:
    assert kerberos_server.kerberos is not None
    kerberos_server.kerberos.old_ticket("me", tmp_path / "me.ticket")
    hold("me")

    error = failure(lambda: far(scheme).write("a", b"x"))

    assert isinstance(error, AccessDenied)
    assert ("the Kerberos ticket has expired", "kinit") == (str(error), error.hint)


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_anothers_ticket_opens_no_folder_of_mine(scheme: str, far: Far, hold: Holder) -> None:
    hold("me")
    far(scheme).write("a", b"x")
    hold("other")

    error = failure(lambda: far(scheme).write("b", b"x"))

    assert isinstance(error, AccessDenied)
    assert "Permission denied: user=other" in str(error)
    assert "kinit" in str(error.hint)


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_no_kerberos_server_is_temporary(
    scheme: str, far: Far, hold: Holder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold("me")
    (port,) = free_ports(1)
    silent = tmp_path / "krb5.conf"
    realm = f"{REALM} = {{\n kdc = 127.0.0.1:{port}\n }}"
    silent.write_text(f"[libdefaults]\ndefault_realm = {REALM}\n[realms]\n{realm}\n")
    monkeypatch.setenv("KRB5_CONFIG", str(silent))

    error = failure(lambda: far(scheme).stat("a"))

    assert isinstance(error, Unreachable)
    assert error.temporary
    assert "no Kerberos server answers" in str(error)


def test_a_principal_is_whose_ticket_it_must_be(far: Far, hold: Holder) -> None:
    hold("me")
    far(kerberos_principal="me").write("a", b"x")
    far(kerberos_principal=f"me@{REALM}").write("b", b"x")

    error = failure(lambda: far(kerberos_principal="other").write("c", b"x"))

    assert isinstance(error, AccessDenied)
    assert "kinit other" == error.hint


def test_hdfs_takes_the_ticket_that_the_settings_name(far: Far, hold: Holder) -> None:
    mine = hold("me")
    hold("other")

    far("hdfs", kerb_ticket=str(mine)).write("a", b"mine")

    error = failure(lambda: far("hdfs").write("b", b"x"))
    assert "user=other" in str(error)
    missing = failure(lambda: far("hdfs", kerb_ticket=f"{mine}-none").stat("a"))
    assert "there is no Kerberos ticket" in str(missing)


def test_a_server_asks_for_a_ticket_and_the_hint_says_how_to_show_it(
    far: Far, hold: Holder
) -> None:
    error = failure(lambda: far(kerberos="false").stat("a"))

    assert isinstance(error, AccessDenied)
    assert "'dvc remote modify far kerberos true'" == error.hint


def test_a_host_that_kerberos_does_not_know_is_named(
    far: Far, hold: Holder, kerberos_server: Hadoop
) -> None:
    hold("me")

    error = failure(
        lambda: far(base=kerberos_server.web.replace("127.0.0.1", "localhost")).stat("a")
    )

    assert isinstance(error, AccessDenied)
    assert "no service HTTP/localhost" in str(error)
    assert "far url webhdfs://" in str(error.hint)


def test_a_ticket_is_shown_once_and_again_when_the_server_forgot(far: Far, hold: Holder) -> None:
    cache = hold("me")
    transport = far()
    transport.write("a", b"1")
    cache.rename(cache.with_suffix(".away"))
    transport.write("a", b"2")  # nobody asks for it

    cookies = cookies_of(transport)
    forged = [cookie for cookie in cookies.jar if cookie.name == "hadoop.auth"]
    for cookie in forged:
        cookie.value = str(cookie.value)[:-3] + "AAA"
    refused = failure(lambda: transport.write("a", b"3"))
    cache.with_suffix(".away").rename(cache)
    for cookie in forged:
        cookies.jar.set_cookie(cookie)
    transport.write("a", b"4")

    assert forged
    assert "there is no Kerberos ticket" in str(refused)
    assert b"4" == transport.read("a")


def cookies_of(transport: Transport) -> Any:
    assert isinstance(transport, WebhdfsTransport)
    return transport._web._active.client._client.cookies


def test_the_same_over_tls_by_an_authority_of_ones_own(
    far: Far, hold: Holder, kerberos_server: Hadoop
) -> None:
    hold("me")
    trusted = {"use_https": "true", "ssl_verify": str(kerberos_server.authority)}
    transport = far(base=kerberos_server.tls, **trusted)

    transport.write("a", b"over TLS")

    assert b"over TLS" == transport.read("a")
    error = failure(lambda: far(base=kerberos_server.tls, use_https="true").stat("a"))
    assert "is not trusted" in str(error)
    assert b"over TLS" == far(base=kerberos_server.tls, use_https="true", ssl_verify="false").read(
        "a"
    )


def test_one_acts_for_another_where_hadoop_allows_it(
    far: Far, hold: Holder, kerberos_server: Hadoop, tmp_path: Path
) -> None:
    hold("boss")
    far(proxy_to="me").write("a", b"x")

    assert "me" == owner(kerberos_server, f"/open/{tmp_path.name}/a")
    hold("other")
    error = failure(lambda: far(proxy_to="me").write("b", b"x"))
    assert isinstance(error, AccessDenied)
    assert "not allowed to impersonate me" in str(error)


def test_a_delegation_token_lets_in_without_a_ticket(
    far: Far, hold: Holder, kerberos_server: Hadoop, tmp_path: Path
) -> None:
    hold("me")
    token = asked(kerberos_server, "/?op=GETDELEGATIONTOKEN")["Token"]["urlString"]
    hold("other")

    far(token=token).write("a", b"by token")
    far(token=token, kerberos="false").write("b", b"by token")

    hold("boss")
    assert "me" == owner(kerberos_server, f"/open/{tmp_path.name}/a")
    error = failure(lambda: far(token=forged(token)).stat("a"))
    assert isinstance(error, AccessDenied)


def forged(token: str) -> str:
    """The same token with another signature, which stands before the name of its kind."""
    data = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    data[data.index(b"WEBHDFS") - 5] ^= 1
    return urlsafe_b64encode(bytes(data)).decode().rstrip("=")


def asked(server: Hadoop, path: str) -> Any:
    """What the name node says to whose ticket counts, asked without our transport."""
    url = f"{server.web.replace('webhdfs', 'http')}/webhdfs/v1{path}"
    with Kerberos("x", str(urlsplit(url).hostname)).prove() as proof:
        answer = httpx.get(url, headers={"Authorization": proof.header})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def owner(server: Hadoop, path: str) -> str:
    return str(asked(server, f"{path}?op=GETFILESTATUS")["FileStatus"]["owner"])


@pytest.mark.parametrize("told", ["", "Negotiate", "Negotiate b3RoZXI=", "Basic realm=x"])
def test_a_server_that_does_not_prove_itself_is_not_believed(
    told: str,
    hold: Holder,
    far: Far,
    canned_s3: Callable[[Callable[[object], Answer]], CannedServer],
) -> None:
    """One without Kerberos, and one that is not the one it should be."""
    hold("me")
    body = b'{"FileStatus": {"pathSuffix": "", "type": "FILE", "length": 1, "modificationTime": 1}}'
    headers = {"WWW-Authenticate": told} if told else {}
    server = canned_s3(lambda request: Answer(200, body, headers))

    error = failure(lambda: far(base=server.endpoint.replace("http", "webhdfs")).stat("a"))

    assert isinstance(error, AccessDenied)
    assert "does not prove" in str(error)
    assert "far kerberos false" in str(error.hint)


def test_a_ticket_goes_to_the_servers_own_address_alone(
    hold: Holder, far: Far, kerberos_server: Hadoop
) -> None:
    """A token of the name node's goes with who is sent to a data node, no ticket."""
    hold("me")
    transport = far()
    transport.write("a", b"x")
    assert isinstance(transport, WebhdfsTransport)
    client = transport._web._active.client._client
    sent: list[httpx.Request] = []
    # A cookie would go in the ticket's place, to all ports of a host.
    forget = [lambda _: client.cookies.clear()]
    client.event_hooks = {"request": [sent.append], "response": forget}
    client.cookies.clear()

    transport.read("a")

    with_ticket = {str(r.url.port) for r in sent if "Authorization" in r.headers}
    assert {urlsplit(kerberos_server.web).netloc.partition(":")[2]} == with_ticket
    assert len({r.url.port for r in sent}) == 2


@pytest.mark.parametrize(
    ("url", "hint"), [("webhdfs://host/x", "--unset far user"), ("webhdfs://me@host/x", "far url")]
)
def test_a_user_does_not_go_with_a_ticket(url: str, hint: str) -> None:
    options = {"kerberos": "true"} if "@" in url else {"kerberos": "true", "user": "me"}

    error = failure(lambda: open_transport(RemoteConfig("far", url, options)))

    assert isinstance(error, ConfigError)
    assert hint in str(error.hint)
