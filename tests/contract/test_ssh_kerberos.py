"""SSH for those who have a ticket: OpenSSH's server, and a Kerberos server of MIT's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, TransportError, Unreachable
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from tests.contract import core
from tests.contract.places import SshFolder, errors, every_call, failure, nothing
from tests.servers.kerberos import REALM
from tests.servers.processes import free_ports
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.xdist_group("ssh")

MIB = 1 << 20
BY_TICKET = {"gss_auth": "true"}
Holder = Callable[[str], Path]


@pytest.fixture
def hold(ticket_ssh_server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Holder:
    """Makes one's ticket the one that counts: `hold("me")`. Returns its file."""
    tickets = ticket_ssh_server.kerberos
    assert tickets is not None
    for name, value in tickets.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/nobody")

    def make(who: str) -> Path:
        cache = tmp_path / f"{who}.ticket"
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
        return cache if cache.exists() else tickets.ticket(who, cache)

    return make


@pytest.fixture
def me(ticket_ssh_server: Sshd) -> str:
    """Who is let in: the server knows the user of that name."""
    return ticket_ssh_server.user


@pytest.fixture
def place(ticket_ssh_server: Sshd, tmp_path: Path, clean_machine: Path, hold: Holder) -> SshFolder:
    """A folder at the server, whose own key is known; there is neither a key nor a ticket."""
    ticket_ssh_server.let_in(clean_machine)
    (clean_machine / ".ssh" / "id_ed25519").unlink()
    return SshFolder(tmp_path / "remote", ticket_ssh_server, **BY_TICKET)


def with_options(place: SshFolder, **options: str) -> Transport:
    return open_transport(RemoteConfig("far", place.config.url, options))


def by_ticket(place: SshFolder) -> int:
    """How often somebody was let in with a ticket, so far."""
    return place.server.log.count("Accepted gssapi-")


@core.each_of_the_core
def test_the_core_of_the_contract_with_a_ticket(
    check: Callable[..., None], place: SshFolder, hold: Holder, me: str, tmp_path: Path
) -> None:
    hold(me)
    before = by_ticket(place)

    core.run(check, place, tmp_path)

    assert by_ticket(place) > before


def test_without_a_ticket_one_sentence_says_so(
    place: SshFolder, hold: Holder, tmp_path: Path
) -> None:
    for error in every_call(place.transport(), tmp_path):
        assert isinstance(error, AccessDenied)
        assert not error.temporary
        assert "there is no Kerberos ticket" in str(error)
        assert f"127.0.0.1:{place.server.port} does not let this user in" in str(error)
        assert "kinit" == error.hint


def test_a_ticket_that_is_too_old_is_named(
    place: SshFolder, hold: Holder, me: str, tmp_path: Path
) -> None:
    assert place.server.kerberos is not None
    place.server.kerberos.old_ticket(me, tmp_path / f"{me}.ticket")
    hold(me)

    error = failure(lambda: place.transport().stat("a"))

    assert isinstance(error, AccessDenied)
    assert "the Kerberos ticket has expired" in str(error)
    assert "kinit" == error.hint


def test_anothers_ticket_lets_nobody_in(place: SshFolder, hold: Holder) -> None:
    hold("other")

    error = failure(lambda: place.transport().write("a", b"x"))

    assert isinstance(error, AccessDenied)
    assert f"neither the Kerberos ticket of 'other@{REALM}' nor a key" in str(error)
    assert f"gssapi-with-mic -p {place.server.port} 127.0.0.1' works" in str(error.hint)
    assert not place.root.exists()


def test_a_server_that_takes_no_tickets_is_one_sentence(
    ssh_server: Sshd, clean_machine: Path, tmp_path: Path, hold: Holder, me: str
) -> None:
    ssh_server.let_in(clean_machine)
    (clean_machine / ".ssh" / "id_ed25519").unlink()
    place = SshFolder(tmp_path / "remote", ssh_server, **BY_TICKET)
    hold(me)

    error = failure(lambda: place.transport().write("a", b"x"))

    assert isinstance(error, AccessDenied)
    assert f"neither the Kerberos ticket of '{me}@{REALM}' nor a key" in str(error)


def test_a_host_that_kerberos_does_not_know_is_named(
    place: SshFolder, hold: Holder, me: str, clean_machine: Path
) -> None:
    hold(me)
    known = clean_machine / ".ssh" / "known_hosts"
    known.write_text(known.read_text().replace("127.0.0.1", "localhost"))
    url = place.config.url.replace("127.0.0.1", "localhost")

    error = failure(lambda: open_transport(RemoteConfig("far", url, BY_TICKET)).stat("a"))

    assert isinstance(error, AccessDenied)
    assert "Kerberos knows no service host/localhost" in str(error)
    assert "far url ssh://" in str(error.hint)


def test_no_kerberos_server_is_temporary(
    place: SshFolder, hold: Holder, me: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(me)
    (port,) = free_ports(1)
    silent = tmp_path / "krb5.conf"
    realm = f"{REALM} = {{\n kdc = 127.0.0.1:{port}\n }}"
    silent.write_text(f"[libdefaults]\ndefault_realm = {REALM}\n[realms]\n{realm}\n")
    monkeypatch.setenv("KRB5_CONFIG", str(silent))

    error = failure(lambda: place.transport().stat("a"))

    assert isinstance(error, Unreachable)
    assert error.temporary
    assert "no Kerberos server answers" in str(error)


def test_a_key_counts_where_there_is_no_ticket(
    place: SshFolder, hold: Holder, clean_machine: Path
) -> None:
    place.server.let_in(clean_machine)
    before = by_ticket(place)

    assert place.transport().stat("a") is None
    assert before == by_ticket(place)


def test_a_ticket_does_not_stand_for_the_servers_own_key(
    place: SshFolder, hold: Holder, me: str, clean_machine: Path
) -> None:
    hold(me)
    (clean_machine / ".ssh" / "known_hosts").unlink()

    error = failure(lambda: place.transport().stat("a"))

    assert type(error) is TransportError
    assert f"the host key of 127.0.0.1:{place.server.port} is not known" in str(error)


@pytest.mark.parametrize(
    ("setting", "options", "let_in"),
    [
        ("yes", {}, True),
        ("no", {}, False),
        ("yes", {"gss_auth": "false"}, False),
        ("no", {"gss_auth": "true"}, True),
    ],
)
def test_the_users_ssh_settings_count_where_the_remote_says_nothing(
    setting: str,
    options: dict[str, str],
    let_in: bool,
    place: SshFolder,
    hold: Holder,
    me: str,
    clean_machine: Path,
) -> None:
    hold(me)
    (clean_machine / ".ssh" / "config").write_text(f"GSSAPIAuthentication {setting}\n")
    before = by_ticket(place)
    transport = with_options(place, **options)

    if let_in:
        assert transport.stat("a") is None
    else:
        assert "none of the keys is accepted" in str(failure(lambda: transport.stat("a")))

    assert let_in == (by_ticket(place) > before)


def test_a_ticket_opens_a_jump_host_and_the_server_behind_it(
    place: SshFolder, hold: Holder, me: str, clean_machine: Path
) -> None:
    hold(me)
    port = place.server.port
    (clean_machine / ".ssh" / "config").write_text(
        f"Host 127.0.0.1\n  GSSAPIAuthentication yes\n"
        f"Host inner\n  HostName 127.0.0.1\n  Port {port}\n  ProxyJump 127.0.0.1:{port}\n"
    )
    before = by_ticket(place)
    url = f"ssh://inner{place.root}"

    transport = open_transport(RemoteConfig("far", url, BY_TICKET))
    transport.write("a/b", b"x")

    assert b"x" == place.look("a/b")
    assert 2 == by_ticket(place) - before


def test_keys_are_changed_on_the_way_long_after_the_ticket_went(
    place: SshFolder, hold: Holder, me: str, clean_machine: Path, tmp_path: Path
) -> None:
    cache = hold(me)
    (clean_machine / ".ssh" / "config").write_text("Host *\n  RekeyLimit 1M\n")
    data = os.urandom(5 * MIB)
    (tmp_path / "x").write_bytes(data)
    transport = place.transport()
    assert transport.stat("a") is None
    cache.unlink()

    done = list(transport.upload_many([(f"{tmp_path}/x", "a/b", "")], 4, nothing))

    assert {} == errors(done)
    assert data == place.look("a/b")


@pytest.mark.parametrize("wanted", [True, False])
def test_a_server_is_handed_the_ticket_where_the_users_ssh_settings_want_it(
    wanted: bool, place: SshFolder, hold: Holder, me: str, clean_machine: Path
) -> None:
    """Homes on a file system that asks for tickets itself need it."""
    hold(me)
    said = "yes" if wanted else "no"
    (clean_machine / ".ssh" / "config").write_text(f"GSSAPIDelegateCredentials {said}\n")
    pattern = f"krb5cc_{os.getuid()}_*"
    before = set(Path("/tmp").glob(pattern))

    transport = place.transport()
    assert transport.stat("a") is None
    handed = set(Path("/tmp").glob(pattern)) - before
    transport.close()

    assert wanted == bool(handed)
