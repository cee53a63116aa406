"""Walk-through: data shared on an SSH server that takes Kerberos tickets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.sshd import Sshd
from tests.support.programs import Program, run
from tests.support.project import Project

pytestmark = pytest.mark.xdist_group("ssh")

FILES = {"data/a": "a", "data/sub/b": "b" * 3_000_000, "model": "m"}


@pytest.fixture
def nobody(
    ticket_ssh_server: Sshd, tmp_path: Path, clean_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Where the ticket must be; there is none yet, and no key. The server's own key is known."""
    ticket_ssh_server.let_in(clean_machine)
    (clean_machine / ".ssh/id_ed25519").unlink()
    assert ticket_ssh_server.kerberos is not None
    for name, value in ticket_ssh_server.kerberos.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/ticket")
    return tmp_path / "ticket"


@pytest.fixture
def sender(project: Project, ticket_ssh_server: Sshd, tmp_path: Path) -> Project:
    for path, text in FILES.items():
        project.write(path, text)
    project.dvc("add", "-q", "data", "model")
    project.dvc("remote", "add", "-q", "-d", "lab", ticket_ssh_server.url(tmp_path / "far"))
    project.dvc("remote", "modify", "lab", "gss_auth", "true")
    project.commit_all()
    return project


def test_what_one_with_a_ticket_pushes_is_pulled_into_a_fresh_clone(
    sender: Project, nobody: Path, ticket_ssh_server: Sshd, dvc: Program
) -> None:
    assert ticket_ssh_server.kerberos is not None
    ticket_ssh_server.kerberos.ticket(ticket_ssh_server.user, nobody)
    pushed = sender.dvc("push").stdout
    again = sender.dvc("push").stdout

    sender.git("clone", "-q", ".", "../receiver")
    receiver = Project(sender.root.with_name("receiver"), dvc)
    receiver.dvc("pull")

    assert "4 files pushed\n" == pushed
    assert "Everything is up to date.\n" == again
    assert FILES == {path: (receiver.root / path).read_text() for path in FILES}
    assert "in sync" in receiver.dvc("status", "-c").stdout


def test_without_a_ticket_nothing_travels_and_one_sentence_says_why(
    sender: Project, nobody: Path, tmp_path: Path
) -> None:
    done = sender.dvc("push", check=False)

    assert 1 == done.rc
    error, hint = done.stderr.splitlines()
    assert "does not let this user in: there is no Kerberos ticket" in error
    assert "Hint: kinit" == hint
    assert not (tmp_path / "far").exists()


@pytest.mark.root
def test_a_machine_without_kerberos_is_told_what_to_install(
    sender: Project, nobody: Path, tmp_path: Path
) -> None:
    """Its library is hidden behind an empty file, for this one process."""
    hidden = tmp_path / "push.sh"
    libraries = Path("/usr/lib").glob("*/libgssapi_krb5.so.2")
    binds = [f"mount --bind /dev/null {path.resolve()}\n" for path in libraries]
    hidden.write_text(f"set -e\n{''.join(binds)}exec {sender.program.path} push\n")

    done = run(["unshare", "--mount", "sh", hidden], cwd=sender.root)

    assert binds
    assert 1 == done.rc, done
    error, hint = done.stderr.splitlines()
    assert "its library is not on this machine" in error
    assert "Hint: apt-get install krb5-user, or dnf install krb5-workstation" == hint
