"""Ceph with its S3 gateway: Debian's ceph-mon, ceph-osd, radosgw and ceph-common; in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

from tests.servers.processes import free_ports, start, stop, wait_for_port
from tests.servers.s3 import S3Server

_KEY_ID, _SECRET = "ACCESSKEY01", "SECRETKEY0123"
_PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool")
# `ms mon client mode`: without it the gateway insists on keys that this cluster does not have.
# `update on start = false`: else the store dies at random, with a wrong cluster id.
_SETTINGS = """\
[global]
fsid = {cluster}
mon host = v1:127.0.0.1:{mon_port}
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc secure
run dir = {folder}/run
pid file = {folder}/run/$name.pid
admin socket = {folder}/run/$name.asok
log file = {folder}/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon max pg per osd = 1000
mon data avail crit = 1
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
osd class update on start = false
osd crush update on start = false
osd objectstore = memstore
memstore device bytes = 8G
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw crypt require ssl = false
"""


def why_not() -> str:
    """What is missing to run it here, or ""."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Ceph(S3Server):
    """A running gateway with one monitor and one store below `folder`."""

    def __init__(self, folder: Path) -> None:
        port, mon_port = free_ports(2)
        super().__init__(f"http://127.0.0.1:{port}", _KEY_ID, _SECRET)
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        cluster = str(uuid.uuid4())
        for name in ("mon", "osd", "rgw", "run"):
            (folder / name).mkdir()
        (folder / "ceph.conf").write_text(
            _SETTINGS.format(cluster=cluster, folder=folder, port=port, mon_port=mon_port)
        )
        try:
            self._start(cluster, port, mon_port)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        stop(self._processes[::-1])

    def _start(self, cluster: str, port: int, mon_port: int) -> None:
        folder = self._folder
        monmap = str(folder / "monmap")
        address = f"[v1:127.0.0.1:{mon_port}]"
        self._run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, monmap)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap)
        self._daemon("ceph-mon", "-i", "a", port=mon_port)
        # It listens before it has elected itself, and until then refuses with EPERM.
        self._run("ceph", "osd", "create", patience_s=30)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", str(uuid.uuid4()))
        self._run("ceph", "osd", "crush", "add", "osd.0", "1.0", "host=h", "root=default")
        self._daemon("ceph-osd", "-i", "0")
        owner = ("--uid=t", "--display-name=t")
        keys = (f"--access-key={_KEY_ID}", f"--secret={_SECRET}")
        self._run("radosgw-admin", "user", "create", *owner, *keys)
        self._daemon("radosgw", "-n", "client.rgw", port=port)

    def _run(self, *command: str, patience_s: float = 0) -> None:
        """Runs a tool. patience_s: so long its failure means only that a server is not ready."""
        deadline = time.monotonic() + patience_s
        while True:
            done = subprocess.run(
                command,
                env={**os.environ, "CEPH_CONF": str(self._folder / "ceph.conf")},
                capture_output=True,
                text=True,
                timeout=120,
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, f"{command}: {done.stderr}"
            time.sleep(0.2)

    def _daemon(self, *command: str, port: int = 0) -> None:
        log = self._folder / f"{command[0]}.out"
        process = start([*command, "-f", "-c", str(self._folder / "ceph.conf")], log)
        self._processes.append(process)
        if port:
            wait_for_port(port, process, log)
