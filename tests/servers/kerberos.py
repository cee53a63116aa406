"""A Kerberos server of the tests' own: MIT's, with everything it keeps in one folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.servers.processes import PATIENCE_S, free_ports, start, stop, wait_for_port

REALM = "TEST.EXAMPLE"
_PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
_CLIENT = """\
[libdefaults]
default_realm = {realm}
dns_lookup_realm = false
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
kdc_timesync = 0
[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
}}
"""
_SERVER = """\
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  max_life = 1h
}}
[logging]
kdc = FILE:{folder}/kdc.log
"""


class Kerberos:
    """env: what a program needs to ask it. config: the file in which that stands."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = f"{os.environ['PATH']}:/usr/sbin"
        missing = [name for name in _PROGRAMS if shutil.which(name, path=self._path) is None]
        assert not missing, f"not installed: {', '.join(missing)}: 'make system' brings them"
        self._folder = folder
        self._process, self._env = self._start("now")
        self.config = Path(self._env["KRB5_CONFIG"])
        self.env = {"KRB5_CONFIG": str(self.config)}

    def _start(self, name: str, *before: str) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
        """Starts it, by a program that changes something for it; what others then need."""
        (port,) = free_ports(1)
        given = {"realm": REALM, "port": port, "folder": self._folder}
        settings = {"KRB5_CONFIG": _CLIENT, "KRB5_KDC_PROFILE": _SERVER}
        env = {**os.environ, "PATH": self._path}
        for variable, text in settings.items():
            path = self._folder / f"{name}-{variable.lower()}"
            path.write_text(text.format(**given))
            env[variable] = str(path)
        if not (self._folder / "principal").exists():
            _run(env, "kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        log = self._folder / f"{name}.log"
        changed = [f"{variable}={env[variable]}" for variable in (*settings, "PATH")]
        process = start(["env", *changed, *before, "krb5kdc", "-n"], log)
        wait_for_port(port, process, log)
        return process, env

    def keytab(self, *principals: str) -> Path:
        """The keys of principals in a file. They are made when they are not there."""
        keys = self._folder / f"{principals[0].replace('/', '-')}.keytab"
        if not keys.exists():
            for principal in principals:
                _run(self._env, "kadmin.local", "-q", f"addprinc -randkey {principal}")
                _run(self._env, "kadmin.local", "-q", f"ktadd -k {keys} {principal}")
        return keys

    def ticket(self, principal: str, cache: Path) -> Path:
        """Gets a ticket for an hour into a file; one that a server may be handed."""
        _run(self._env, "kinit", "-f", *self._wanted(principal, cache))
        return cache

    def old_ticket(self, principal: str, cache: Path) -> Path:
        """The same as it was got three hours ago, from the same server at that time."""
        wanted = self._wanted(principal, cache)
        past = ("faketime", "-f", "-3h")
        process, env = self._start("past", *past)
        try:
            _run(env, *past, "kinit", *wanted)
        finally:
            # The child of faketime, which then removes what it has in /dev/shm.
            (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)
            process.wait(PATIENCE_S)
        return cache

    def _wanted(self, principal: str, cache: Path) -> list[str]:
        keys = str(self.keytab(principal))
        return ["-c", f"FILE:{cache}", "-l", "1h", "-k", "-t", keys, principal]

    def close(self) -> None:
        stop([self._process])


def _run(env: dict[str, str], *command: str) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
