"""Walk-through: data shared on a Hadoop that wants a Kerberos ticket, by both of its protocols."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.hadoop import Hadoop
from tests.support.programs import Program, run
from tests.support.project import Project

FILES = {"data/a": "a", "data/sub/b": "b" * 3_000_000, "model": "m"}


@pytest.fixture
def nobody(kerberos_server: Hadoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ticket must be; there is none yet."""
    assert kerberos_server.kerberos is not None
    for name, value in kerberos_server.kerberos.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/ticket")
    return tmp_path / "ticket"


@pytest.fixture(params=["hdfs", "webhdfs"])
def sender(
    request: pytest.FixtureRequest, project: Project, kerberos_server: Hadoop, tmp_path: Path
) -> Project:
    for path, text in FILES.items():
        project.write(path, text)
    project.dvc("add", "-q", "data", "model")
    base = {"hdfs": kerberos_server.hdfs, "webhdfs": kerberos_server.web}[request.param]
    project.dvc("remote", "add", "-q", "-d", "far", f"{base}/open/{tmp_path.name}")
    if request.param == "webhdfs":
        project.dvc("remote", "modify", "far", "kerberos", "true")
    project.commit_all()
    return project


def test_what_one_with_a_ticket_pushes_another_pulls(
    sender: Project, nobody: Path, kerberos_server: Hadoop, dvc: Program
) -> None:
    assert kerberos_server.kerberos is not None
    kerberos_server.kerberos.ticket("me", nobody)
    pushed = sender.dvc("push").stdout
    again = sender.dvc("push").stdout

    sender.git("clone", "-q", ".", "../receiver")
    receiver = Project(sender.root.with_name("receiver"), dvc)
    kerberos_server.kerberos.ticket("other", nobody)
    receiver.dvc("pull")

    assert "4 files pushed\n" == pushed
    assert "Everything is up to date.\n" == again
    assert FILES == {path: (receiver.root / path).read_text() for path in FILES}
    assert "in sync" in receiver.dvc("status", "-c").stdout


def test_without_a_ticket_nothing_travels_and_one_sentence_says_why(
    sender: Project, nobody: Path
) -> None:
    done = sender.dvc("push", check=False)

    assert 1 == done.rc
    assert 1 == done.stderr.count("there is no Kerberos ticket")
    assert done.stderr.endswith("Hint: kinit\n")
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_a_machine_without_kerberos_is_told_what_to_install(
    sender: Project, nobody: Path, tmp_path: Path
) -> None:
    """Its library is hidden behind an empty file, for this one process. hdfs-native alone would
    try again for three minutes, and nobody waits here for so long."""
    hidden = tmp_path / "push.sh"
    libraries = Path("/usr/lib").glob("*/libgssapi_krb5.so.2")
    binds = [f"mount --bind /dev/null {path.resolve()}\n" for path in libraries]
    hidden.write_text(f"set -e\n{''.join(binds)}exec {sender.program.path} push\n")

    done = run(["timeout", "60", "unshare", "--mount", "sh", hidden], cwd=sender.root)

    assert binds
    assert 1 == done.rc, done
    assert "its library is not on this machine" in done.stderr
    assert done.stderr.endswith(
        "Hint: apt-get install krb5-user, or dnf install krb5-workstation\n"
    )
