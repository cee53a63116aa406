"""The SSH transport where it differs from others: who the server is, who we are, what fails."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    TransportError,
    Unreachable,
)
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Entry
from pannier.store.transports.ssh_options import read_options
from tests.contract.places import (
    KEYS_OUTSIDE,
    SshFolder,
    errors,
    every_call,
    failure,
    nothing,
    refusals,
)
from tests.servers.password_ssh import PASSWORD, PasswordSsh
from tests.servers.proxy import FaultProxy
from tests.servers.sshd import Sshd, make_key
from tests.support.wanted import is_wanted
from tests.unit.test_proc import PATIENCE_S, until

pytestmark = pytest.mark.xdist_group("ssh")

MIB = 1 << 20
SECRET = "hidden-word-of-mine"
SOON_S = 45.0
"""Less than the least time after which a silent server is given up."""
Proxied = Callable[[str], FaultProxy]


@pytest.fixture
def place(ssh_place: SshFolder) -> SshFolder:
    return ssh_place


def settings(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text)


def proxied(place: SshFolder, proxy: FaultProxy, home: Path, **options: str) -> SshFolder:
    """The same place, reached through a proxy."""
    port = int(proxy.endpoint.rpartition(":")[2])
    place.server.let_in(home, port)
    return SshFolder(place.root, place.server, port, **options)


# -- settings ----


def test_making_a_transport_connects_to_nobody(fault_proxy: Proxied, ssh_server: Sshd) -> None:
    proxy = fault_proxy(ssh_server.endpoint)

    transport = open_transport(RemoteConfig("far", f"ssh://me@127.0.0.1:{proxy.endpoint[-5:]}/x"))
    transport.close()

    assert 0 == proxy.connections


@pytest.mark.parametrize(
    "url",
    [
        "ssh:///x",
        "ssh://h;touch x/x",
        "ssh://$(touch x)/x",
        "ssh://-oProxyCommand=x/x",
        "ssh://`x`/x",
        "ssh://a b/x",
        "ssh://-u@h/x",
        "ssh://u;x@h/x",
        "ssh://h:0x/x",
        "ssh://h:99999/x",
    ],
)
def test_a_host_or_user_that_a_shell_could_mistake_is_refused(url: str) -> None:
    """It may end on the command line of the user's own ProxyCommand (S5)."""
    error = failure(lambda: open_transport(RemoteConfig("far", url)))

    assert isinstance(error, ConfigError)


@pytest.mark.parametrize(
    ("url", "options", "user", "port", "root", "shown"),
    [
        ("ssh://h/a/b/", {}, None, None, "/a/b", "ssh://h/a/b"),
        ("ssh://h", {}, None, None, "", "ssh://h/"),
        ("ssh://me@h:7/a", {}, "me", 7, "/a", "ssh://me@h:7/a"),
        ("ssh://me@h:7/a", {"user": "you", "port": "8"}, "you", 8, "/a", "ssh://you@h:8/a"),
        (f"ssh://me:{SECRET}@h/a#b?c", {}, "me", None, "/a#b?c", "ssh://me@h/a#b?c"),
        ("ssh://[::1]:7/a", {}, None, 7, "/a", "ssh://[::1]:7/a"),
    ],
)
def test_the_parts_of_a_url(
    url: str, options: dict[str, str], user: str, port: int, root: str, shown: str
) -> None:
    found = read_options(RemoteConfig("far", url, options))

    assert (user, port, root, shown) == (found.user, found.port, found.root, found.url)
    assert SECRET not in repr(found)


@pytest.mark.parametrize("option", ["port", "timeout", "max_sessions"])
def test_numbers_are_checked(option: str) -> None:
    for value in ("0", "-1", "x", "99999999"):
        error = failure(lambda v=value: open_transport(RemoteConfig("r", "ssh://h/x", {option: v})))
        assert f"'{option}'" in str(error)


def test_a_key_file_counts_only_from_the_users_own_settings() -> None:
    error = failure(lambda: open_transport(RemoteConfig("r", "ssh://h/x", {"keyfile": "~/k"})))

    assert isinstance(error, ConfigError)
    assert "--local" in str(error.hint)


# -- who the server is ----


def test_a_server_whose_key_is_not_known_is_refused(
    place: SshFolder, clean_machine: Path, local: Path
) -> None:
    assert is_wanted("ssh-host-keys")
    (clean_machine / ".ssh" / "known_hosts").unlink()

    for error in every_call(place.transport(), local):
        assert type(error) is TransportError
        assert not error.temporary
        assert f"the host key of 127.0.0.1:{place.server.port} is not known" in str(error)
        assert f"ssh-keyscan -p {place.server.port} 127.0.0.1 >> ~/.ssh/known_hosts" in str(
            error.hint
        )
    assert not place.root.exists()


def test_the_line_that_is_hinted_at_helps(place: SshFolder, clean_machine: Path) -> None:
    known = clean_machine / ".ssh" / "known_hosts"
    known.unlink()
    hint = str(failure(lambda: place.transport().stat("a")).hint)

    subprocess.run(["sh", "-c", hint[hint.index("ssh-keyscan") :]], check=True, capture_output=True)

    assert place.transport().stat("a") is None


def test_a_server_whose_key_is_another_is_refused(
    place: SshFolder, clean_machine: Path, tmp_path: Path, local: Path
) -> None:
    other = make_key(tmp_path / "other")
    known = clean_machine / ".ssh" / "known_hosts"
    known.write_text(f"[127.0.0.1]:{place.server.port} {other}")

    for error in every_call(place.transport(), local):
        assert type(error) is TransportError
        assert "is not the one in your known_hosts file" in str(error)
        assert f"ssh-keygen -R '[127.0.0.1]:{place.server.port}'" in str(error.hint)


def test_known_hosts_may_be_hashed_and_lie_elsewhere(place: SshFolder, clean_machine: Path) -> None:
    known = clean_machine / ".ssh" / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    (clean_machine / "elsewhere").write_text("no key\n@what host x\n" + known.read_text())
    known.unlink()
    settings(clean_machine, "Host *\n  UserKnownHostsFile ~/elsewhere\n")

    assert place.transport().stat("a") is None


# -- who we are ----


def test_a_key_that_is_not_accepted_is_one_clear_sentence(
    place: SshFolder, clean_machine: Path, local: Path
) -> None:
    for name in ("id_ed25519", "id_ed25519.pub"):
        (clean_machine / ".ssh" / name).unlink(missing_ok=True)
    make_key(clean_machine / ".ssh" / "id_ed25519")

    for error in every_call(place.transport(), local):
        assert isinstance(error, AccessDenied)
        assert "none of the keys is accepted" in str(error)
        assert "keyfile" in str(error.hint)


def test_a_password_that_is_wrong_is_said_once_and_shown_nowhere(
    place: SshFolder, clean_machine: Path, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (clean_machine / ".ssh" / "id_ed25519").unlink()
    config = RemoteConfig("far", place.config.url, {"password": SECRET})
    before = place.server.log.count("Failed password")

    transport = open_transport(config)
    shown = [repr(transport), repr(config), transport.url]
    for error in every_call(transport, local):
        assert isinstance(error, AccessDenied)
        assert "does not accept the password" in str(error)
        shown += [repr(error), str(error.hint), *traceback.format_exception(error)]

    assert SECRET not in "".join(shown) + caplog.text
    assert 7 >= place.server.log.count("Failed password") - before


@pytest.mark.parametrize("questions", [False, True])
def test_a_password_opens_a_server_of_another_maker(
    clean_machine: Path, tmp_path: Path, local: Path, questions: bool
) -> None:
    data = os.urandom(3 * MIB)
    (local / "x").write_bytes(data)
    with closing(PasswordSsh(questions=questions)) as server:
        server.let_in(clean_machine)
        url = server.url(tmp_path / "far")
        with closing(open_transport(RemoteConfig("r", url, {"password": PASSWORD}))) as transport:
            done = list(transport.upload_many([(f"{local}/x", "a/b", "")], 4, nothing))
            transport.flush()
            assert {} == errors(done)
            assert data == transport.read("a/b")
            assert [Entry("a/b", len(data))] == list(transport.list(""))
        wrong = open_transport(RemoteConfig("r", url, {"password": "another"}))
        assert isinstance(failure(lambda: wrong.stat("a/b")), AccessDenied)


def test_a_password_that_was_refused_is_not_tried_again(
    place: SshFolder, clean_machine: Path
) -> None:
    """Servers count wrong passwords, and shut out who has too many."""
    (clean_machine / ".ssh" / "id_ed25519").unlink()
    transport = open_transport(RemoteConfig("far", place.config.url, {"password": SECRET}))
    before = place.server.log.count("Failed password")

    end = time.monotonic() + 0.5  # longer than any pause between attempts
    while time.monotonic() < end:
        assert isinstance(failure(lambda: transport.stat("a")), AccessDenied)

    # Another process of the server's writes that down, after the answer.
    until(lambda: place.server.log.count("Failed password") > before)
    assert 1 == place.server.log.count("Failed password") - before


def test_a_key_file_of_the_settings_is_used(place: SshFolder, clean_machine: Path) -> None:
    (clean_machine / ".ssh" / "id_ed25519").rename(clean_machine / "my key")
    config = RemoteConfig("far", place.config.url, {"keyfile": "~/my key"}, frozenset({"keyfile"}))

    assert open_transport(config).stat("a") is None


def test_a_key_file_that_is_not_there_is_named(place: SshFolder) -> None:
    config = RemoteConfig("far", place.config.url, {"keyfile": "/no/k"}, frozenset({"keyfile"}))

    error = failure(lambda: open_transport(config).stat("a"))

    assert isinstance(error, ConfigError)
    assert "'/no/k'" in str(error)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, AccessDenied, "protected by a passphrase"),
        ({"passphrase": "wrong" + SECRET}, AccessDenied, "cannot be opened with this passphrase"),
        ({"passphrase": SECRET}, None, ""),
        ({"ask_passphrase": "true"}, ConfigError, "no terminal to ask at"),
    ],
)
def test_a_key_with_a_passphrase(
    place: SshFolder,
    tmp_path: Path,
    options: dict[str, str],
    kind: type[Exception] | None,
    words: str,
) -> None:
    key = tmp_path / "locked"
    place.server.authorize(make_key(key, SECRET))
    given = {"keyfile": str(key), "allow_agent": "false", **options}
    transport = open_transport(RemoteConfig("far", place.config.url, given, frozenset({"keyfile"})))

    if kind is None:
        assert transport.stat("a") is None
        return
    with pytest.raises(kind, match=words) as found:
        run_without_terminal(lambda: transport.stat("a"))
    assert SECRET not in f"{found.value} {getattr(found.value, 'hint', '')}"


def run_without_terminal(work: Callable[[], object]) -> object:
    """Tests run with or without a terminal; where there is one, nobody sits at it."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return work()
    pytest.skip("a terminal is there")


def test_a_key_in_an_agent_is_used_unless_the_settings_say_no(
    place: SshFolder, clean_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (clean_machine / ".ssh" / "id_ed25519").rename(clean_machine / "key")
    door = clean_machine / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", door], stdout=subprocess.DEVNULL)
    try:
        until(lambda: is_open(door))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(door))
        subprocess.run(["ssh-add", "-q", key], check=True)

        assert place.transport().stat("a") is None
        without = RemoteConfig("far", place.config.url, {"allow_agent": "false"})
        assert isinstance(failure(lambda: open_transport(without).stat("a")), AccessDenied)
    finally:
        agent.terminate()
        agent.wait()


def is_open(door: Path) -> bool:
    """Whether somebody listens there; the socket's file is there a little before."""
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(door)) == 0


# -- ~/.ssh/config ----

RELAY = """
import os, socket, sys, threading
there = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        there.sendall(data)
    there.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


def test_names_of_the_ssh_settings_are_known_and_files_are_included(
    place: SshFolder, clean_machine: Path
) -> None:
    port = place.server.port
    (clean_machine / ".ssh" / "id_ed25519").rename(clean_machine / ".ssh" / "other")
    settings(clean_machine, "Include more/*\n")
    more = clean_machine / ".ssh" / "more"
    more.mkdir()
    (more / "lab").write_text(
        f"Host lab\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile ~/.ssh/other\n"
    )

    transport = open_transport(RemoteConfig("far", f"ssh://lab{place.root}"))
    transport.write("a/b", b"x")

    assert b"x" == place.look("a/b")


def test_a_jump_host_stands_on_the_way(place: SshFolder, clean_machine: Path) -> None:
    port = place.server.port
    settings(
        clean_machine,
        f"Host inner\n  HostName 127.0.0.1\n  Port {port}\n  ProxyJump 127.0.0.1:{port}\n",
    )
    before = place.server.log.count("Accepted publickey")

    transport = open_transport(RemoteConfig("far", f"ssh://inner{place.root}"))
    transport.write("a/b", b"x")
    transport.close()

    assert b"x" == place.look("a/b")
    assert 2 == place.server.log.count("Accepted publickey") - before


def test_a_proxy_command_of_the_users_own_is_run(
    place: SshFolder, clean_machine: Path, tmp_path: Path
) -> None:
    (tmp_path / "relay.py").write_text(RELAY)
    port = place.server.port
    command = f"{sys.executable} {tmp_path}/relay.py %h %p"
    settings(
        clean_machine, f"Host far\n HostName 127.0.0.1\n Port {port}\n ProxyCommand {command}\n"
    )

    transport = open_transport(RemoteConfig("far", f"ssh://far{place.root}"))
    transport.write("a/b", b"x")
    transport.close()

    assert b"x" == place.look("a/b")


def test_ssh_settings_that_cannot_be_read_are_named(place: SshFolder, clean_machine: Path) -> None:
    settings(clean_machine, "Port many\n")

    error = failure(lambda: place.transport().stat("a"))

    assert isinstance(error, ConfigError)
    assert "your SSH settings" in str(error)
    assert "line 1" in str(error)


# -- the way there ----


def test_a_server_that_is_not_there_is_worth_another_try(local: Path) -> None:
    transport = open_transport(RemoteConfig("far", "ssh://127.0.0.1:1/x"))

    for error in every_call(transport, local):
        assert isinstance(error, Unreachable)
        assert error.temporary
        assert "cannot connect to 127.0.0.1:1" in str(error)


def test_a_host_without_an_address_is_named() -> None:
    transport = open_transport(RemoteConfig("far", "ssh://no-such-host.invalid/x"))

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, Unreachable)
    assert "no such host: no-such-host.invalid" in str(error)


def test_a_server_that_never_answers_is_given_up(
    place: SshFolder, fault_proxy: Proxied, clean_machine: Path
) -> None:
    proxy = fault_proxy(place.server.endpoint)
    proxy.silent = True
    far = proxied(place, proxy, clean_machine, timeout="1")

    error = failure(lambda: far.transport().stat("a"))

    assert isinstance(error, Unreachable)
    assert "did not answer in time" in str(error)


def test_a_server_that_falls_silent_is_given_up(
    place: SshFolder, fault_proxy: Proxied, clean_machine: Path
) -> None:
    proxy = fault_proxy(place.server.endpoint)
    settings(clean_machine, "Host *\n  ServerAliveInterval 2\n  ServerAliveCountMax 1\n")
    transport = proxied(place, proxy, clean_machine).transport()
    transport.write("a/b", b"x")
    proxy.silent = True

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, Unreachable)
    assert "broke off" in str(error)


@pytest.mark.parametrize(
    ("cut_after", "gently"),
    [
        (1_000, False),
        (200_000, True),
        (8 * MIB, False),
        pytest.param(1_000, True, marks=pytest.mark.long),
        pytest.param(200_000, False, marks=pytest.mark.long),
        pytest.param(8 * MIB, True, marks=pytest.mark.long),
    ],
)
def test_a_connection_that_breaks_off_publishes_nothing(
    place: SshFolder,
    fault_proxy: Proxied,
    clean_machine: Path,
    local: Path,
    cut_after: int,
    gently: bool,
) -> None:
    proxy = fault_proxy(place.server.endpoint)
    transport = proxied(place, proxy, clean_machine).transport()
    transport.write("other", b"x")
    source = local / "source"
    source.write_bytes(os.urandom(12 * MIB))
    small = local / "small"
    small.write_bytes(os.urandom(100_000))
    items = [(str(source), "a/b", ""), (str(small), "a/c", "")]

    proxy.cut_after(cut_after, gently=gently)
    cut = list(transport.upload_many(items, 4, nothing))
    proxy.cut_after(None)

    assert {"Unreachable"} >= set(errors(cut).values())
    assert place.look("a/b") is None
    assert place.look("a/c") in (None, small.read_bytes())

    assert {} == errors(transport.upload_many(items, 4, nothing))
    assert source.read_bytes() == place.look("a/b")

    proxy.cut_after(cut_after, gently=gently)
    (down,) = transport.download_many([("a/b", f"{local}/target", "")], 4, nothing)
    proxy.cut_after(None)

    assert isinstance(down.error, Unreachable)
    assert {"source", "small"} == {path.name for path in local.iterdir()}
    assert source.read_bytes() == transport.read("a/b")
    transport.close()
    assert {"a/b", "a/c", "other"} == place.keys()


def test_a_server_killed_in_the_middle_is_worth_another_try(place: SshFolder, local: Path) -> None:
    source = local / "source"
    source.write_bytes(os.urandom(48 * MIB))
    items = [(str(source), "a/b", "")]
    killed = threading.Event()

    def kill_once(_: int) -> None:
        if not killed.is_set():
            killed.set()
            place.server.kill()

    transport = place.transport()
    (up,) = transport.upload_many(items, 4, kill_once)
    place.server.revive()

    assert isinstance(up.error, Unreachable)
    assert place.look("a/b") is None

    assert {} == errors(transport.upload_many(items, 4, nothing))
    killed.clear()
    (down,) = transport.download_many([("a/b", f"{local}/target", "")], 4, kill_once)
    place.server.revive()

    assert isinstance(down.error, Unreachable)
    assert ["source"] == [path.name for path in local.iterdir()]
    assert source.read_bytes() == transport.read("a/b")


WAIT = """
import sys
from pannier.store.schemes import open_transport
from pannier.store.remote_config import RemoteConfig

transport = open_transport(RemoteConfig("far", sys.argv[1]))
print("go", flush=True)
if sys.argv[2] == "stat":
    transport.stat("a/b")
elif sys.argv[2] == "list":
    list(transport.list(""))
else:
    transport.upload_many
    list(transport.upload_many([("/etc/hostname", str(n), "") for n in range(50)], 8, print))
"""


@pytest.mark.parametrize("call", ["stat", pytest.param("list", marks=pytest.mark.long), "upload"])
def test_ctrl_c_ends_a_wait_for_a_silent_server(
    place: SshFolder, fault_proxy: Proxied, clean_machine: Path, call: str
) -> None:
    proxy = fault_proxy(place.server.endpoint)
    proxy.silent = True
    far = proxied(place, proxy, clean_machine)
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT, far.config.url, call],
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


# -- servers of other habits ----


@pytest.fixture
def other_server(tmp_path: Path, clean_machine: Path) -> Iterator[Callable[..., SshFolder]]:
    """A server of one's own, with other settings."""
    made: list[Sshd] = []

    def make(**settings: object) -> SshFolder:
        made.append(Sshd(tmp_path / f"sshd{len(made)}", **settings))  # type: ignore[arg-type]
        made[-1].let_in(clean_machine)
        return SshFolder(tmp_path / "remote", made[-1])

    yield make
    for server in made:
        server.close()


def test_a_server_that_allows_one_session_gets_one(
    other_server: Callable[..., SshFolder], local: Path
) -> None:
    place = other_server(sessions=1)
    (local / "x").write_bytes(b"x" * 1000)
    items = [(f"{local}/x", f"files/md5/{n:02x}/x", "") for n in range(256)]

    assert {} == errors(place.transport().upload_many(items, 128, nothing))
    assert 256 == len(place.keys())


def test_a_server_without_requests_of_openssh_is_written_and_read(
    other_server: Callable[..., SshFolder], local: Path
) -> None:
    """The whole contract is tried on it in `make test-long`."""
    place = other_server(sftp="internal-sftp -P posix-rename,fsync,statvfs,limits,hardlink")
    for name, data in (("x", b"1" * 100_000), ("y", os.urandom(3 * MIB))):
        (local / name).write_bytes(data)
    transport = place.transport()

    for name in ("x", "y"):  # the second replaces the first
        items = [(f"{local}/{name}", "a/b", ""), (f"{local}/{name}", f"a/{name}", "")]
        assert {} == errors(transport.upload_many(items, 4, nothing))
    transport.flush()
    down = list(transport.download_many([("a/b", f"{local}/back", "")], 1, nothing))
    transport.close()

    assert {} == errors(down)
    assert (local / "y").read_bytes() == (local / "back").read_bytes()
    assert {"a/b", "a/x", "a/y"} == place.keys()


@pytest.mark.parametrize(
    ("sftp", "words"),
    [
        ("/bin/false", "broke off"),
        ("/bin/echo Welcome to this server, dear user of SFTP", "not as an SFTP server does"),
    ],
)
def test_a_server_without_sftp_is_told_from_one_that_is_away(
    other_server: Callable[..., SshFolder], sftp: str, words: str
) -> None:
    place = other_server(sftp=sftp)

    error = failure(lambda: place.transport().stat("a"))

    assert words in str(error)


# -- no room, no rights ----


def test_a_file_in_the_place_of_the_folder_is_a_mistake(place: SshFolder, local: Path) -> None:
    place.root.write_text("I am a file")
    (local / "x").write_bytes(b"x")
    transport = place.transport()

    (up,) = transport.upload_many([(f"{local}/x", "a/b", "")], 1, nothing)
    found = failure(lambda: list(transport.list("")))

    for error in (up.error, found):
        assert "is not a folder" in str(error)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mount = tmp_path / "remote"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], check=True)
    yield mount
    subprocess.run(["umount", mount], check=True)


@pytest.mark.root
@pytest.mark.parametrize("size", [900_000, 8 * MIB])
def test_a_full_disk_at_the_server_is_said_and_publishes_nothing(
    small_disk: Path, place: SshFolder, local: Path, size: int
) -> None:
    for number in range(8):
        (local / str(number)).write_bytes(os.urandom(size))
    items = [(f"{local}/{number}", f"a/{number}", "") for number in range(8)]

    with closing(place.transport()) as transport:
        results = list(transport.upload_many(items, 4, nothing))

    failed = [result.error for result in results if result.error is not None]
    assert failed
    assert "no space left at 127.0.0.1" in " ".join(map(str, failed))
    for error in failed:
        assert type(error) is TransportError
        assert not error.temporary
        assert re.search("no space left at 127.0.0.1|127.0.0.1.* could not write", str(error))
    for path in small_disk.rglob("*"):
        assert path.is_dir() or path.stat().st_size == size


@pytest.mark.root
def test_a_disk_that_can_only_be_read_at_the_server_is_said(
    small_disk: Path, place: SshFolder, local: Path
) -> None:
    place.plant("a/b", b"x")
    (local / "x").write_bytes(b"x")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    transport = place.transport()

    (up,) = transport.upload_many([(f"{local}/x", "a/c", "")], 1, nothing)

    assert "is read-only" in str(up.error)
    assert b"x" == transport.read("a/b")
    assert "is read-only" in str(failure(lambda: transport.delete("a/b")))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can reach."""
    with tempfile.TemporaryDirectory(prefix="pannier-ssh-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_the_user_may_not_do_there_is_said(
    open_folder: Path, clean_machine: Path, local: Path
) -> None:
    """As root, who may do everything, another user logs in."""
    with closing(Sshd(open_folder / "sshd")) as server:
        server.let_in(clean_machine)
        user = "nobody" if os.geteuid() == 0 else server.user
        place = SshFolder(open_folder / "remote", server, user=user)
        place.plant("a/b", b"x")
        place.plant("a/hidden", b"x")
        (place.root / "a" / "hidden").chmod(0)
        for folder in (place.root / "a", place.root):
            folder.chmod(0o555)
        (local / "x").write_bytes(b"x")
        transport = place.transport()

        (up,) = transport.upload_many([(f"{local}/x", "a/c", "")], 1, nothing)
        found = [up.error, failure(lambda: transport.delete("a/b"))]
        found.append(failure(lambda: transport.read("a/hidden")))
        transport.close()

        for error in found:
            assert isinstance(error, AccessDenied), error
            assert "no access to" in str(error)
        for folder in (place.root / "a", place.root):
            folder.chmod(0o755)
        assert {"a/b", "a/hidden"} == place.keys()


# -- what lies at the server ----


def test_nothing_staged_is_left(place: SshFolder, local: Path) -> None:
    (local / "x").write_bytes(b"x")
    items = [(f"{local}/x", f"files/md5/aa/{n}", "0" * 32 if n % 2 else "") for n in range(20)]

    with closing(place.transport()) as transport:
        results = list(transport.upload_many(items, 8, nothing))

    assert 10 == len(errors(results))
    assert ["aa"] == [path.name for path in (place.root / "files/md5").iterdir()]


def test_what_a_dead_run_left_is_swept_when_it_is_old(place: SshFolder) -> None:
    day_ago = time.time() - 25 * 3600
    for name in ("tmp-pannier-old", "tmp-pannier-busy", "tmp-pannier-new", "aa"):
        place.plant(f"files/md5/{name}/1", b"x")
    (place.root / "files/md5/tmp-pannier-empty").mkdir()
    folders = {path.name: path for path in (place.root / "files/md5").iterdir()}
    os.utime(folders["tmp-pannier-old"] / "1", (day_ago, day_ago))
    for name in ("tmp-pannier-old", "tmp-pannier-busy", "aa"):
        os.utime(folders[name], (day_ago, day_ago))

    with closing(place.transport()) as transport:
        transport.write("files/md5/bb/1", b"x")

    left = {path.name for path in (place.root / "files/md5").iterdir()}
    kept = {f"tmp-pannier-{name}" for name in ("busy", "new", "empty")}
    assert kept | {"aa", "bb"} == left


def test_staged_files_are_no_keys(place: SshFolder) -> None:
    place.plant("files/md5/tmp-pannier-x/1", b"x")
    place.plant("files/md5/aa/1", b"x")
    transport = place.transport()

    assert [Entry("files/md5/aa/1", 1)] == list(transport.list(""))
    assert isinstance(failure(lambda: transport.read("files/md5/tmp-pannier-x/1")), TransportError)


@pytest.mark.parametrize("key", KEYS_OUTSIDE)
def test_a_key_never_leads_out_of_the_folder(place: SshFolder, local: Path, key: str) -> None:
    transport = place.transport()
    found = refusals(transport, local, key)

    assert {TransportError} == {type(error) for error in found}
    assert set() == place.keys()


def test_a_link_at_the_server_is_what_it_leads_to(place: SshFolder) -> None:
    place.plant("a/file", b"xyz")
    (place.root / "a" / "link").symlink_to("file")
    (place.root / "a" / "nowhere").symlink_to("none")
    transport = place.transport()

    assert {Entry("a/file", 3), Entry("a/link", 3)} == set(transport.list("a/"))
    assert b"xyz" == transport.read("a/link")
    assert transport.stat("a/nowhere") is None


def test_bytes_are_flushed_before_they_get_their_name_and_folders_after(
    other_server: Callable[..., SshFolder], local: Path
) -> None:
    """As the server's own log tells it."""
    log = local / "log"
    place = other_server(sftp=f"/usr/lib/openssh/sftp-server -e -l DEBUG3 2>>{log}")
    (local / "x").write_bytes(os.urandom(100))
    transport = place.transport()

    list(transport.upload_many([(f"{local}/x", "files/md5/aa/x", "")], 1, nothing))
    transport.flush()
    transport.close()

    done = [line for line in log.read_text().splitlines() if "request" in line]
    kinds = [word for line in done for word in ("write", "fsync", "posix-rename") if word in line]
    assert ["write", "fsync", "posix-rename"] == kinds[:3]
    assert {"fsync"} == set(kinds[3:])
    assert 3 <= len(kinds[3:])


def requests(log: Path) -> int:
    """How many a server wrote of at its finest."""
    return len(set(re.findall(r"request (\d+): ", log.read_text())))


def test_a_small_file_costs_few_requests(
    other_server: Callable[..., SshFolder], local: Path
) -> None:
    log = local / "log"
    place = other_server(sftp=f"/usr/lib/openssh/sftp-server -e -l DEBUG3 2>>{log}")
    (local / "x").write_bytes(os.urandom(10_000))
    keys = [f"files/md5/aa/{number}" for number in range(50)]
    with closing(place.transport()) as transport:
        transport.write("files/md5/aa/first", b"")
        log.write_text("")
        list(transport.upload_many([(f"{local}/x", key, "") for key in keys], 8, nothing))
        up = requests(log)
        log.write_text("")
        list(
            transport.download_many(
                [(key, f"{local}/{n}", "") for n, key in enumerate(keys)], 8, nothing
            )
        )
        down = requests(log)

    assert 5 * 50 == up  # open, write, fsync, close, rename
    assert 4 * 50 >= down  # open, fstat, read, close


def test_several_small_files_share_one_connection(
    place: SshFolder, fault_proxy: Proxied, clean_machine: Path, local: Path
) -> None:
    proxy = fault_proxy(place.server.endpoint)
    (local / "x").write_bytes(b"x")
    items = [(f"{local}/x", f"files/md5/{n:02x}/x", "") for n in range(200)]

    with closing(proxied(place, proxy, clean_machine).transport()) as transport:
        assert {} == errors(transport.upload_many(items, 64, nothing))
        assert 200 == len(list(transport.list("files/md5/")))

    assert 1 == proxy.connections


def test_a_big_upload_makes_folders_again_that_vanished_meanwhile(
    place: SshFolder, local: Path
) -> None:
    config = replace(place.config, scratch=str(local / "notes"))
    with closing(open_transport(config)) as transport:
        transport.write("a/b", b"x")
        shutil.rmtree(place.root)
        (local / "big").write_bytes(bytes(25 * MIB))

        assert {} == errors(transport.upload_many([(str(local / "big"), "a/c", "")], 1, nothing))

        assert 25 * MIB == len(place.look("a/c") or b"")
