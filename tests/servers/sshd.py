"""OpenSSH's server, as Debian has it: any user may run it, and it then lets that user in.

It serves the machine's own file system, so a test looks at what arrived with its own eyes.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from tests.servers.kerberos import Kerberos
from tests.servers.processes import free_ports, kill, start, stop, wait_for_port

_SETTINGS = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication {passwords}
KbdInteractiveAuthentication no
LoginGraceTime 60
MaxStartups 200
MaxSessions {sessions}
Subsystem sftp {sftp}
LogLevel VERBOSE
{more}
"""
_BY_TICKET = """\
GSSAPIAuthentication yes
GSSAPIStrictAcceptorCheck no
GSSAPICleanupCredentials yes
"""


def program() -> str:
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert found, "sshd is not installed: apt-get install openssh-server"
    return found


def version() -> tuple[int, int]:
    done = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True, timeout=60)
    found = re.match(r"OpenSSH_(\d+)\.(\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1]), int(found[2])


def make_key(path: Path, passphrase: str = "") -> str:
    """A new key pair at path and path.pub; returns the public one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", path],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    return path.with_suffix(".pub").read_text()


class Sshd:
    """A running server. sftp: its subsystem, say `internal-sftp -P posix-rename`, which takes
    that request from it. key: of the user that it lets in. alone: it runs nothing else.

    kerberos: whose tickets for this user let in, too; the others' do not."""

    def __init__(
        self,
        folder: Path,
        sftp: str = "internal-sftp",
        sessions: int = 10,
        passwords: str = "yes",
        *,
        alone: bool = False,
        kerberos: Kerberos | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.user = getpass.getuser()
        self.key = folder / "id"
        self.kerberos = kerberos
        self._folder = folder
        (self.port,) = free_ports(1)
        self.host_key = " ".join(make_key(folder / "host").split()[:2])
        (folder / "authorized").write_text(make_key(self.key))
        (folder / "conf").write_text(
            _SETTINGS.format(
                folder=folder,
                port=self.port,
                sftp=sftp,
                sessions=sessions,
                passwords=passwords,
                more=f"ForceCommand {sftp}" if alone else "",
            )
        )
        if version() >= (9, 8):
            with (folder / "conf").open("a") as file:
                file.write("PerSourcePenalties no\n")  # all tests come from one address
        if kerberos is not None:
            with (folder / "conf").open("a") as file:
                file.write(_BY_TICKET)
            _also(folder / "conf", "GSSAPIKeyExchange yes\n")  # Debian's own; ours uses none
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.revive()

    @property
    def endpoint(self) -> str:
        """For a FaultProxy."""
        return f"ssh://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def url(self, path: Path, port: int = 0) -> str:
        return f"ssh://127.0.0.1:{port or self.port}{path}"

    def let_in(self, home: Path, port: int = 0) -> None:
        """Gives the user whose home this is the key, and the server's own to know it by."""
        settings = home / ".ssh"
        settings.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.key, settings / "id_ed25519")
        with (settings / "known_hosts").open("a") as known:
            known.write(f"[127.0.0.1]:{port or self.port} {self.host_key}\n")

    def authorize(self, public_key: str) -> None:
        with (self._folder / "authorized").open("a") as file:
            file.write(public_key)

    def revive(self) -> None:
        """Starts it, on the same port each time."""
        command: list[str | Path] = [program(), "-D", "-e", "-f", self._folder / "conf"]
        if self.kerberos is not None:
            keys = self.kerberos.keytab("host/127.0.0.1")
            env = {**self.kerberos.env, "KRB5_KTNAME": f"FILE:{keys}"}
            command = ["env", *(f"{name}={value}" for name, value in env.items()), *command]
        self._process = start(command, self._folder / "log")
        wait_for_port(self.port, self._process, self._folder / "log")

    def cut(self) -> None:
        """Ends all connections with SIGKILL, whatever they are doing."""
        _kill(_below(self._process.pid))

    def kill(self) -> None:
        """Ends all connections, and nobody listens any more."""
        connections = _below(self._process.pid)
        kill(self._process)
        _kill(connections)

    def close(self) -> None:
        self.cut()
        stop([self._process])


def _also(settings: Path, line: str) -> None:
    """Adds a line, where this version of the server knows what it is about."""
    before = settings.read_text()
    settings.write_text(before + line)
    if subprocess.run(
        [program(), "-t", "-f", settings], capture_output=True, timeout=60
    ).returncode:
        settings.write_text(before)


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> list[int]:
    """The processes that a process started, and that these started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                parent = (entry / "stat").read_text().rpartition(") ")[2].split()[1]
                children.setdefault(int(parent), []).append(int(entry.name))
    found = children.get(pid, [])
    for child in found:
        found += children.get(child, [])
    return found
