"""Walk-through: data shared over SSH, with real DVC on the other side, and on a bad network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pannier.disk.hashing import hash_bytes
from tests.servers.proxy import FaultProxy
from tests.servers.sshd import Sshd, make_key
from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project, picture
from tests.support.terminal import answer_on_terminal
from tests.support.wanted import is_wanted

pytestmark = pytest.mark.xdist_group("ssh")

SECRET = "hidden-word-of-mine"
Proxied = Callable[[str], FaultProxy]


def sampled(*values: int, first: int) -> list[Any]:
    """One value in `make test`, all of them in `make test-long`."""
    others = [value for value in values if value != first]
    return [first, *(pytest.param(value, marks=pytest.mark.long) for value in others)]


@pytest.fixture
def far(ssh_server: Sshd, tmp_path: Path, clean_machine: Path) -> Path:
    """The folder behind the remote."""
    ssh_server.let_in(clean_machine)
    return tmp_path / "far"


@pytest.fixture
def sender(project: Project, ssh_server: Sshd, far: Path) -> Project:
    """A project with a folder and a file, committed, and the remote set."""
    for number in range(30):
        project.write(f"data/{number % 7}/{number}", os.urandom(1000 + number))
    project.write("model", os.urandom(3 << 20))
    project.write("empty", "")
    project.dvc("add", "-q", "data", "model", "empty")
    project.dvc("remote", "add", "-q", "-d", "lab", ssh_server.url(far))
    project.commit_all()
    return project


@pytest.fixture
def bad_network(
    ssh_server: Sshd, fault_proxy: Proxied, clean_machine: Path, far: Path
) -> tuple[FaultProxy, str]:
    """A proxy before the server, and the remote's URL through it."""
    proxy = fault_proxy(ssh_server.endpoint)
    port = int(proxy.endpoint.rpartition(":")[2])
    ssh_server.let_in(clean_machine, port)
    return proxy, ssh_server.url(far, port)


def receiver(sender: Project, program: Program | Oracle, name: str) -> Project:
    """A fresh clone with an empty cache."""
    root = sender.root.with_name(name)
    sender.git("clone", "-q", ".", str(root))
    return Project(root, program)


def data_of(project: Project) -> dict[str, bytes]:
    found = picture(project.root, leave_out=(".git", ".dvc"))
    return {
        path: entry.data
        for path, entry in found.items()
        if entry.kind == "file" and path.startswith(("data/", "model", "empty"))
    }


def wrong(far: Path) -> list[str]:
    """Keys at the remote whose bytes do not have their digest; staged files are no keys."""
    return [
        str(path)
        for path in (far / "files/md5").glob("??/*")
        if hash_bytes(path.read_bytes(), "md5") != path.parent.name + path.name[:30]
    ]


def test_data_goes_through_an_ssh_server(sender: Project, far: Path, dvc: Program) -> None:
    pushed = sender.dvc("push")
    again = sender.dvc("push")
    there = receiver(sender, dvc, "there")
    pulled = there.dvc("pull")
    checked = there.dvc("status", "-c")
    verified = there.dvc("remote", "verify", "--json")

    assert "33 files pushed\n" == pushed.stdout
    assert "Everything is up to date.\n" == again.stdout
    assert "33 files fetched and 32 files added" == pulled.lines[-1]
    assert data_of(sender) == data_of(there)
    assert "Cache and remote 'lab' are in sync.\n" == checked.stdout
    assert (33, 33, True) == tuple(verified.json[key] for key in ("total", "checked", "clean"))
    assert [] == wrong(far)
    assert [] == list(far.glob("files/md5/tmp-*"))


def test_what_nothing_uses_any_more_goes_from_the_server(sender: Project, far: Path) -> None:
    sender.dvc("push")
    sender.dvc("remove", "data.dvc")
    sender.commit_all()

    sender.dvc("gc", "-f", "-w", "-c")

    assert 2 == len(list(far.glob("files/md5/??/*")))
    assert [] == wrong(far)


def test_what_was_lost_at_the_server_is_told_and_sent_again(sender: Project, far: Path) -> None:
    sender.dvc("push")
    lost, damaged, *_ = sorted(far.glob("files/md5/??/*"))
    lost.unlink()
    damaged.chmod(0o644)
    damaged.write_bytes(b"x")

    told = sender.dvc("status", "-c")
    found = sender.dvc("remote", "verify", check=False)
    sender.dvc("push")

    assert "new:" in told.stdout
    assert 1 == found.rc
    assert lost.exists()
    assert [] == wrong(far)
    assert 0 == sender.dvc("remote", "verify").rc


def test_real_dvc_pulls_what_ours_pushed(sender: Project, oracle: Oracle, far: Path) -> None:
    sender.dvc("push")
    there = receiver(sender, oracle, "there")

    there.dvc("pull")

    assert data_of(sender) == data_of(there)
    assert "are in sync" in there.dvc("status", "-c").stdout


def test_ours_pulls_what_real_dvc_pushed(
    sender: Project, oracle: Oracle, dvc: Program, far: Path
) -> None:
    Project(sender.root, oracle).dvc("push")
    there = receiver(sender, dvc, "there")

    there.dvc("pull")

    assert data_of(sender) == data_of(there)
    assert "Everything is up to date.\n" == sender.dvc("push").stdout


def test_real_dvc_connects_to_a_server_that_it_does_not_know(
    sender: Project, oracle: Oracle, clean_machine: Path
) -> None:
    assert is_wanted("ssh-host-keys")
    (clean_machine / ".ssh/known_hosts").unlink()

    ours = sender.dvc("push", "empty.dvc", check=False)
    theirs = Project(sender.root, oracle).dvc("push", "empty.dvc")

    assert 1 == ours.rc
    assert "the host key of 127.0.0.1:" in ours.stderr
    assert "ssh-keyscan" in ours.stderr
    assert 0 == theirs.rc


def test_a_wrong_key_is_one_sentence(sender: Project, clean_machine: Path) -> None:
    (clean_machine / ".ssh/id_ed25519").unlink()

    done = sender.dvc("push", check=False)

    assert 1 == done.rc
    error, hint = done.stderr.splitlines()
    assert error.startswith("ERROR: failed to push data to the cloud")
    assert error.endswith("none of the keys is accepted")
    assert hint.startswith("Hint: see that 'ssh -p ")


def test_a_wrong_password_is_shown_nowhere(sender: Project, clean_machine: Path) -> None:
    (clean_machine / ".ssh/id_ed25519").unlink()
    sender.dvc("remote", "modify", "--local", "lab", "password", SECRET)

    done = sender.dvc("push", "-vv", check=False)

    assert 1 == done.rc
    assert "does not accept the password" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_passphrase_is_asked_for_once_and_never_shown(
    sender: Project, ssh_server: Sshd, tmp_path: Path, dvc: Program, far: Path
) -> None:
    key = tmp_path / "locked"
    ssh_server.authorize(make_key(key, SECRET))
    sender.dvc("remote", "modify", "--local", "lab", "keyfile", str(key))
    sender.dvc("remote", "modify", "--local", "lab", "ask_passphrase", "true")

    rc, seen = answer_on_terminal(
        [dvc.path, "push"], cwd=sender.root, question="Passphrase of", answer=SECRET
    )

    assert 0 == rc, seen
    assert 1 == seen.count("Passphrase of")
    assert SECRET not in seen
    assert "33 files pushed" in seen
    assert [] == wrong(far)


@pytest.mark.parametrize("cut_after", sampled(3_000, 60_000, 1 << 20, 3 << 20, first=60_000))
def test_a_network_that_breaks_off_publishes_nothing_wrong(
    sender: Project,
    bad_network: tuple[FaultProxy, str],
    far: Path,
    dvc: Program,
    cut_after: int,
) -> None:
    proxy, url = bad_network
    sender.dvc("remote", "modify", "--local", "lab", "url", url)

    proxy.cut_after(cut_after)
    cut = sender.dvc("push", check=False)
    proxy.cut_after(None)

    assert 0 != cut.rc
    assert "Traceback" not in cut.stderr
    assert [] == wrong(far)

    sender.dvc("push")
    there = receiver(sender, dvc, "there")
    there.dvc("remote", "modify", "--local", "lab", "url", url)
    proxy.cut_after(cut_after)
    cut = there.dvc("pull", check=False)
    proxy.cut_after(None)

    assert 0 != cut.rc
    assert [] == wrong(there.cache)

    there.dvc("pull")

    assert [] == wrong(far) + wrong(there.cache)
    assert data_of(sender) == data_of(there)


@pytest.mark.parametrize("after_bytes", sampled(20_000, 200_000, 2_500_000, first=1_000_000))
def test_a_push_that_is_killed_leaves_no_half_of_a_file(
    sender: Project,
    bad_network: tuple[FaultProxy, str],
    far: Path,
    dvc: Program,
    after_bytes: int,
) -> None:
    """The proxy tells when so much has gone to the server; then the whole program dies at once."""
    proxy, url = bad_network
    sender.dvc("remote", "modify", "--local", "lab", "url", url)
    proxy.bytes_per_s = 8 << 20
    process = subprocess.Popen(
        [dvc.path, "push"], cwd=sender.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while proxy.sent < after_bytes and process.poll() is None:
        time.sleep(0.002)

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert [] == wrong(far)
    proxy.bytes_per_s = 0
    sender.dvc("push")
    assert [] == wrong(far)
    shutil.rmtree(sender.cache)
    for name in ("data", "model", "empty"):
        path = sender.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    sender.dvc("pull")
