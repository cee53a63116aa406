"""Apache's mod_dav, the reference of WebDAV, with a configuration of its own.

The program comes with Debian's package apache2-bin; APACHE names another place.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.servers.processes import PATIENCE_S, free_ports, start, stop, wait_for_port

USER, PASSWORD = "tester", "Password0123"

_MODULES = (
    "mpm_event authn_core authn_file authz_core authz_user auth_basic auth_digest dav dav_fs ssl"
    " socache_shmcb"
).split()
_SETTINGS = """\
ServerName localhost
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
ErrorLog {folder}/error.log
LogLevel error
CustomLog {folder}/access.log "%m %U"
ServerLimit 1
ThreadsPerChild 32
MinSpareThreads 1
MaxSpareThreads 32
MaxRequestWorkers 32
KeepAliveTimeout 60
MaxKeepAliveRequests 0
AllowEncodedSlashes NoDecode
DavLockDB {folder}/locks
LimitXMLRequestBody 1000000
"""
_SITE = """\
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    DocumentRoot {root}
    {tls}
    <Directory {root}>
        Dav On
        AllowOverride None
        Options None
        {auth}
    </Directory>
</VirtualHost>
"""
_TLS = """SSLEngine on
    SSLCertificateFile {tls}
    SSLCACertificateFile {authority}
    SSLVerifyClient require"""


def program() -> str:
    found = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    assert found, "Apache is not installed: apt-get install apache2-bin"
    return found


class Apache:
    """A running server. Four sites serve one folder `root` each, to be looked at from outside.

    endpoint: for user and password (basic); digest: the same by digest; open: for everybody.
    tls: with an authority, for those with a certificate that it signed.
    """

    def __init__(self, folder: Path, authority: Path | None = None) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        names = ["basic", "digest", "open"] + ["tls"] * (authority is not None)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.ports = ports
        self.endpoint = f"http://127.0.0.1:{ports['basic']}"
        self.digest = f"http://127.0.0.1:{ports['digest']}"
        self.open = f"http://127.0.0.1:{ports['open']}"
        self.tls = f"https://localhost:{ports.get('tls')}"
        self._write_settings(authority)
        self._log = folder / "log"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        conf = self.folder / "conf"
        process = start([program(), "-f", conf, "-DFOREGROUND"], self._log)
        for port in self.ports.values():
            wait_for_port(port, process, self._log)
        return process

    def requests(self) -> list[str]:
        """The methods of all requests so far."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [line.split()[0] for line in lines]

    def requests_once(self, method: str, start: int, count: int) -> list[str]:
        """The methods of all requests, once `count` of `method` are there from `start` on.

        A request enters the log after its answer is sent, so an answer may be ahead of its line.
        """
        limit = time.monotonic() + PATIENCE_S
        while (found := self.requests())[start:].count(method) < count:
            assert time.monotonic() < limit, f"{found[start:].count(method)} of {count} {method}"
            time.sleep(0.01)
        return found

    def kill(self) -> None:
        """Ends all of the server with SIGKILL, whatever it is doing: at once, or the first process
        would start the others again."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)

    def revive(self) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        self._process = self._start()

    def close(self) -> None:
        stop([self._process])

    def _write_settings(self, authority: Path | None) -> None:
        # Without mod_unixd it stays the user who started it, and can write in a test's folder.
        modules = "".join(
            f"LoadModule {name}_module {_modules()}/mod_{name}.so\n"
            for name in _MODULES
            if (_modules() / f"mod_{name}.so").exists()
        )
        conf = modules + _SETTINGS.format(folder=self.folder)
        basic = (
            f"AuthType Basic\nAuthName here\nAuthUserFile {self.folder}/users\nRequire valid-user"
        )
        digest = basic.replace("Basic", "Digest").replace("/users", "/digests")
        auth = {"basic": basic, "digest": digest, "open": "Require all granted"}
        for name, port in self.ports.items():
            tls = (
                _TLS.format(tls=authority / "server.pem", authority=authority / "ca.pem")
                if (name == "tls" and authority)
                else ""
            )
            conf += _SITE.format(
                port=port, root=self.root, tls=tls, auth=auth.get(name, auth["open"])
            )
        (self.folder / "conf").write_text(conf)
        (self.folder / "users").write_text(f"{USER}:{{SHA}}{_sha1(PASSWORD)}\n")
        (self.folder / "digests").write_text(f"{USER}:here:{_digest()}\n")


def _modules() -> Path:
    return Path("/usr/lib/apache2/modules")


def _sha1(text: str) -> str:
    from base64 import b64encode
    from hashlib import sha1

    return b64encode(sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _digest() -> str:
    from hashlib import md5

    return md5(f"{USER}:here:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
