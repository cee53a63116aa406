"""Every server behind every bad wire: nothing wrong is published, and the next run completes.

One scene for all: a folder's objects and its list are pushed and fetched through a proxy with one
fault. What a fault leaves is looked at from outside, at the server.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from pannier.core.digest import MD5
from pannier.core.errors import TransportError
from pannier.core.events import Silent
from pannier.core.manifest import Manifest
from pannier.core.plan import plan_transfer
from pannier.store import transfer
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.statcache import StatCache
from pannier.store.transports import object_client, web_client
from tests.contract.places import (
    Bucket,
    Container,
    DavFolder,
    GsBucket,
    Place,
    SshFolder,
    WebFolder,
)
from tests.servers.apache import Apache
from tests.servers.azurite import Azurite
from tests.servers.nginx import Nginx
from tests.servers.proxy import FaultProxy
from tests.servers.rclone import Rclone
from tests.support.opened import make_read_only_file

Proxied = Callable[[str], FaultProxy]

SIZES = (0, 1, 10_000, 70_000, 300_000, 1_500_000)


@dataclass(frozen=True, slots=True)
class Line:
    """A place, and how a remote reaches it through a proxy. soon: how it gives up after a second
    or two where nothing answers; what answers may need longer than that on a busy machine."""

    place: Place
    proxy: FaultProxy
    config: RemoteConfig
    soon: RemoteConfig


def with_options(config: RemoteConfig, **options: str) -> RemoteConfig:
    return replace(config, options={**config.options, **options})


# -- the servers ----


@pytest.fixture
def s3(swift_place: Bucket, fault_proxy: Proxied) -> Line:
    proxy = fault_proxy(swift_place.server.endpoint)
    config = swift_place.config_with(endpointurl=proxy.endpoint)
    soon = with_options(config, read_timeout="2", connect_timeout="1")
    return Line(swift_place, proxy, config, soon)


@pytest.fixture
def azure(azure_place: Container, azure_server: Azurite, fault_proxy: Proxied) -> Line:
    proxy = fault_proxy(f"http://127.0.0.1:{azure_server.port}")
    there = azure_server.connection_string_at(f"{proxy.endpoint}/{azure_server.account}")
    config = azure_place.config_with(connection_string=there)
    return Line(azure_place, proxy, config, with_options(config, timeout="1"))


@pytest.fixture
def gs(gs_server: Rclone, fault_proxy: Proxied) -> Line:
    place = GsBucket(gs_server, gs_server.make_bucket())
    proxy = fault_proxy(gs_server.endpoint)
    config = place.config_with(endpointurl=proxy.endpoint)
    return Line(place, proxy, config, config)


@pytest.fixture
def webdav(webdav_place: DavFolder, dav_server: Apache, fault_proxy: Proxied) -> Line:
    proxy = fault_proxy(dav_server.endpoint)
    config = webdav_place.config_at(proxy.endpoint)
    return Line(webdav_place, proxy, config, with_options(config, timeout="1"))


@pytest.fixture
def http(web_server: Nginx, fault_proxy: Proxied, tmp_path: Path) -> Line:
    place = WebFolder(web_server, tmp_path.name)
    proxy = fault_proxy(web_server.endpoint)
    config = place.config_at(proxy.endpoint)
    return Line(place, proxy, config, with_options(config, read_timeout="1"))


@pytest.fixture
def ssh(ssh_place: SshFolder, fault_proxy: Proxied, clean_machine: Path) -> Line:
    proxy = fault_proxy(ssh_place.server.endpoint)
    port = int(proxy.endpoint.rpartition(":")[2])
    ssh_place.server.let_in(clean_machine, port)
    alive = "Host *\n  ServerAliveInterval 3\n  ServerAliveCountMax 3\n"
    (clean_machine / ".ssh" / "config").write_text(alive)
    config = SshFolder(ssh_place.root, ssh_place.server, port).config
    return Line(ssh_place, proxy, config, with_options(config, timeout="2"))


SERVERS = {"s3": "s3", "azure": "azure", "gs": "gs", "webdav": "dav", "http": "web", "ssh": "ssh"}


@pytest.fixture(
    params=[pytest.param(k, marks=pytest.mark.xdist_group(g)) for k, g in SERVERS.items()]
)
def line(request: pytest.FixtureRequest) -> Line:
    found: Line = request.getfixturevalue(request.param)
    return found


# -- the faults ----


@dataclass(frozen=True, slots=True)
class Fault:
    """start: switches it on. survived: the run is expected to complete all the same. silent:
    nothing answers, so it gives up soon."""

    start: Callable[[FaultProxy], None]
    survived: bool = False
    silent: bool = False


def _latency(proxy: FaultProxy) -> None:
    proxy.latency_s = 0.05


def _throttle(proxy: FaultProxy) -> None:
    proxy.bytes_per_s, proxy.down_per_s = 4 << 20, 4 << 20


def _black_hole(proxy: FaultProxy) -> None:
    proxy.silent = True


def _cut(after: int, *, gently: bool, times: int | None = None) -> Callable[[FaultProxy], None]:
    return lambda proxy: proxy.cut_after(after, gently=gently, times=times)


def _refuse(times: int, status: int) -> Callable[[FaultProxy], None]:
    return lambda proxy: proxy.refuse(times, status)


FAULTS = {
    "latency": Fault(_latency, survived=True),
    "throttling": Fault(_throttle, survived=True),
    "three resets": Fault(_cut(150_000, gently=False, times=3), survived=True),
    "three truncations": Fault(_cut(150_000, gently=True, times=3), survived=True),
    "resets for good": Fault(_cut(400_000, gently=False)),
    "truncation for good": Fault(_cut(400_000, gently=True)),
    "a burst of 503": Fault(_refuse(4, 503), survived=True),
    "a burst of 500": Fault(_refuse(4, 500), survived=True),
    "a burst of 429": Fault(_refuse(4, 429), survived=True),
    "503 for good": Fault(_refuse(1 << 30, 503)),
    "connections refused": Fault(_refuse(3, 0), survived=True),
    "a black hole": Fault(_black_hole, silent=True),
}
OF_HTTP = {name for name in FAULTS if "of 5" in name or "of 4" in name or "503" in name}


def heal(proxy: FaultProxy) -> None:
    proxy.latency_s = 0.0
    proxy.bytes_per_s = proxy.down_per_s = 0
    proxy.silent = False
    proxy.cut_after(None)
    proxy.refuse(0)


# -- the scene ----


class Scene:
    """Objects here, and what is right for every name."""

    def __init__(self, line: Line, folder: Path) -> None:
        self.line, self.folder = line, folder
        self.store = Store(str(folder / "here"), StatCache(None))
        drawn = random.Random(str(folder))
        contents = [drawn.randbytes(size) for size in SIZES]
        self.files = sorted(hashlib.md5(data).hexdigest() for data in contents)
        manifest = Manifest.of((f"f{n}", name) for n, name in enumerate(self.files))
        self.list = manifest.digest_hex()
        self.right = {hashlib.md5(data).hexdigest(): data for data in contents}
        self.right[self.list] = manifest.to_bytes()
        for name, data in self.right.items():
            make_read_only_file(Path(self.store.path(name)), data)

    def push(self, config: RemoteConfig) -> bool:
        """One run; tells whether it completed."""
        with Remote(config) as remote:
            try:
                there = remote.present(MD5, self.right, 4, Silent())
                plan = plan_transfer({self.list: self.files}, [], there, self.right)
                done = transfer.push(self.store, remote, plan, Pace(4), Silent())
            except TransportError:
                return False
        assert all(isinstance(error, TransportError) for error in done.failed.values()), done
        return not done.failed

    def fetch(self, config: RemoteConfig, store: Store) -> bool:
        with Remote(config) as remote:
            try:
                wanted = sorted(store.missing(set(self.files)))
                there = remote.present(MD5, wanted, 4, Silent())
                done = transfer.fetch(store, remote, wanted, there, Pace(4), Silent())
            except TransportError:
                return False
        assert all(isinstance(error, TransportError) for error in done.failed.values()), done
        return not done.failed and not store.missing(set(self.files))

    def check_there(self) -> set[str]:
        """The names at the server, each with the right bytes; a list only after all it names."""
        keys = self.line.place.keys()
        names = {key.removeprefix("files/md5/").replace("/", "") for key in keys}
        names = {name for name in names if "tmp-pannier" not in name}
        for name in names:
            assert self.right[name] == self.line.place.look(Remote.key(MD5, name)), name
        assert self.list not in names or names == set(self.right)
        return names

    def check_here(self, store: Store) -> None:
        for name in store.present(set(self.files)):
            assert self.right[name] == Path(store.path(name)).read_bytes(), name


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the pauses between tries are is not what is tested here."""
    monkeypatch.setattr(transfer, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(web_client, "_FIRST_PAUSE_S", 0.001)
    short = timedelta(milliseconds=1)
    backoff = {"init_backoff": short, "max_backoff": short}
    monkeypatch.setitem(object_client.RETRIES, "backoff", backoff)


@pytest.fixture
def once(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing answers each try takes a second; how many there are is tested elsewhere."""
    monkeypatch.setattr(transfer, "_TRIES", 1)
    monkeypatch.setattr(web_client, "_TRIES", 1)
    monkeypatch.setitem(object_client.RETRIES, "max_retries", 0)


def run(line: Line, folder: Path, fault: Fault) -> None:
    scene = Scene(line, folder)
    config = line.soon if fault.silent else line.config
    fault.start(line.proxy)
    pushed = scene.push(config)
    heal(line.proxy)

    names = scene.check_there()
    assert pushed == (names == set(scene.right))
    assert pushed or not fault.survived

    assert scene.push(line.config)
    assert scene.check_there() == set(scene.right)

    store = Store(str(folder / "there"), StatCache(None))
    fault.start(line.proxy)
    fetched = scene.fetch(config, store)
    heal(line.proxy)

    scene.check_here(store)
    assert fetched or not fault.survived

    assert scene.fetch(line.config, store)
    scene.check_here(store)
    assert [] == os.listdir(f"{store.root}/tmp")


QUICK = ("three resets", "truncation for good", "a burst of 503", "connections refused")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
        for name in FAULTS
        if name != "a black hole"
    ],
)
def test_what_a_bad_wire_lets_through_is_right(line: Line, tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    if isinstance(line.place, SshFolder) and (name in OF_HTTP or name == "connections refused"):
        # What a server of this kind does that has too much to do. Who is refused is patient.
        fault = Fault(FAULTS["connections refused"].start)
    run(line, tmp_path, fault)


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(
            k, marks=[pytest.mark.xdist_group(g), *([pytest.mark.long] if k != "s3" else [])]
        )
        for k, g in SERVERS.items()
    ],
    indirect=True,
)
def test_where_nothing_answers_nothing_is_published(line: Line, tmp_path: Path) -> None:
    run(line, tmp_path, FAULTS["a black hole"])
