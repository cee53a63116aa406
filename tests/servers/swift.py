"""OpenStack Swift with its S3 API: a real object server that installs from PyPI.

It lives in a virtual environment of its own, with `pip install swift` and nothing else;
PANNIER_SWIFT_BIN names the environment's bin folder, `.venv-swift/bin` is the default.
"""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

from tests.servers.processes import free_ports, kill, start, stop, wait_for_port
from tests.servers.s3 import S3Server

_KEY_ID, _SECRET = "test:tester", "SECRETKEY0123"
_PAGE = 100
"""Small pages, so that a listing of many pages needs not thousands of uploads."""

_STORES = ("account", "container", "object")
_FILTERS = (
    "catch_errors gatekeeper listing_formats bulk s3api tempauth copy slo dlo versioned_writes"
    " symlink"
).split()
_SETTINGS = {
    "s3api": ["location = us-east-1", f"max_bucket_listing = {_PAGE}"],
    "tempauth": [f"user_test_tester = {_SECRET} .admin"],
    "versioned_writes": ["allow_versioned_writes = true", "allow_object_versioning = true"],
}
# One partition power, one replica, one device; the public classes, without three runs of a tool.
_MAKE_RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, *ports = sys.argv[1:]
for name, port in zip(("account", "container", "object"), ports):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port),
                     "device": "d1", "weight": 1.0,
                     "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance(seed=1)
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""


def bin_folder() -> Path:
    repository = Path(__file__).resolve().parents[2]
    path = Path(os.environ.get("PANNIER_SWIFT_BIN") or repository / ".venv-swift" / "bin")
    assert (path / "swift-proxy-server").exists(), (
        f"Swift is not in {path}: 'make venv-swift' installs it, "
        "or PANNIER_SWIFT_BIN names another place"
    )
    return path


class Swift(S3Server):
    """A running Swift with its files below `folder`."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(4)
        super().__init__(f"http://127.0.0.1:{ports[-1]}", _KEY_ID, _SECRET, _PAGE)
        self._folder = folder
        self._bin = bin_folder()
        (folder / "srv" / "d1").mkdir(parents=True)
        self._write_settings(ports)
        subprocess.run(
            [self._bin / "python", "-c", _MAKE_RINGS, folder, *map(str, ports[:3])],
            check=True,
            capture_output=True,
            timeout=60,
        )
        self._stores = [self._start(name) for name in _STORES]
        self._front = self._start("proxy")
        names = (*_STORES, "proxy")
        for name, port, process in zip(names, ports, [*self._stores, self._front], strict=True):
            wait_for_port(port, process, folder / f"{name}.log")

    def kill(self) -> None:
        """Ends the process that clients talk to with SIGKILL, whatever it is doing."""
        kill(self._front)

    def revive(self) -> None:
        """Starts it again on the same port; nothing that was stored is lost."""
        self._front = self._start("proxy")
        wait_for_port(self.port, self._front, self._folder / "proxy.log")

    def close(self) -> None:
        stop([self._front, *self._stores])

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        server = self._bin / f"swift-{name}-server"
        return start([server, self._folder / f"{name}.conf"], self._folder / f"{name}.log")

    def _write_settings(self, ports: list[int]) -> None:
        (self._folder / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = t\n"
            "[storage-policy:0]\nname = d\ndefault = yes\n"
        )
        common = f"bind_ip = 127.0.0.1\nworkers = 0\nuser = {getpass.getuser()}\n"
        common += f"swift_dir = {self._folder}\n"
        for name, port in zip(_STORES, ports, strict=False):
            (self._folder / f"{name}.conf").write_text(
                f"[DEFAULT]\n{common}bind_port = {port}\ndevices = {self._folder}/srv\n"
                "mount_check = false\ndisable_fallocate = true\n"
                f"[pipeline:main]\npipeline = {name}-server\n"
                f"[app:{name}-server]\nuse = egg:swift#{name}\nallow_versions = true\n"
            )
        proxy = f"[DEFAULT]\n{common}bind_port = {ports[-1]}\n"
        proxy += f"[pipeline:main]\npipeline = cache {' '.join(_FILTERS)} proxy-server\n"
        proxy += "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        proxy += "[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:1\n"
        for name in _FILTERS:
            lines = [f"[filter:{name}]", f"use = egg:swift#{name}", *_SETTINGS.get(name, [])]
            proxy += "\n".join(lines) + "\n"
        (self._folder / "proxy.conf").write_text(proxy)
