"""nginx as a web server that takes uploads, with a configuration of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.servers.processes import PATIENCE_S, free_ports, start, stop, wait_for_port

USER, PASSWORD = "tester", "Password0123"
_SETTINGS = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    default_type application/octet-stream;
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        auth_basic here;
        auth_basic_user_file {folder}/users;
        dav_methods PUT DELETE;
        create_full_put_path on;
    }}
}}
"""


def program() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert found, "nginx is not installed: apt-get install nginx"
    return found


class Nginx:
    """A running server; everybody with the password may read and PUT below `root`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        (self.port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        # As root it would give up its rights, and could not write below a test's folder.
        user = "user root;" if os.geteuid() == 0 else ""
        conf = _SETTINGS.format(user=user, folder=folder, root=self.root, port=self.port)
        (folder / "conf").write_text(conf)
        (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        log = self._folder / "log"
        command = [program(), "-c", self._folder / "conf", "-e", self._folder / "error.log"]
        process = start(command, log)
        wait_for_port(self.port, process, log)
        return process

    def kill(self) -> None:
        """Ends all of the server with SIGKILL, whatever it is doing: at once, or the first process
        would start the others again."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)

    def revive(self) -> None:
        self._process = self._start()

    def close(self) -> None:
        stop([self._process])
