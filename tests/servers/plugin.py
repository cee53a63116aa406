"""The fixtures of this folder; tests/conftest.py loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import fsspec
import pytest

from tests.servers import azurite, ceph
from tests.servers.apache import Apache
from tests.servers.canned import Answer, CannedServer, Request
from tests.servers.drive import Drive
from tests.servers.hadoop import Hadoop
from tests.servers.hadoop_pair import HadoopPair
from tests.servers.httpfs import HttpFs
from tests.servers.kerberos import Kerberos
from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.proxy import FaultProxy
from tests.servers.rclone import Rclone
from tests.servers.sshd import Sshd
from tests.servers.swift import Swift


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """An S3 server: `endpoint`, `key_id`, `secret`, `client`, `make_bucket()`."""
    with closing(Swift(tmp_path_factory.mktemp("swift"))) as server:
        yield server


@pytest.fixture(scope="session")
def ceph_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ceph.Ceph]:
    """Another S3 server, of other habits; for tests marked long."""
    assert not (why := ceph.why_not()), why
    with closing(ceph.Ceph(tmp_path_factory.mktemp("ceph"))) as server:
        yield server


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An SSH server that lets this user in: `url(folder)`, `let_in(home)`."""
    with closing(Sshd(tmp_path_factory.mktemp("sshd"))) as server:
        yield server


@pytest.fixture(scope="session")
def ticket_ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An SSH server that lets this user in with a ticket, too; its `kerberos` gives some."""
    with ExitStack() as stack:
        tickets = stack.enter_context(closing(Kerberos(tmp_path_factory.mktemp("kdc"))))
        folder = tmp_path_factory.mktemp("sshd")
        yield stack.enter_context(closing(Sshd(folder, kerberos=tickets)))


@pytest.fixture(scope="session")
def dav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apache]:
    """A WebDAV server: `endpoint`, `digest`, `open`, `root`."""
    with closing(Apache(tmp_path_factory.mktemp("apache"))) as server:
        yield server


@pytest.fixture(scope="session")
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A web server that takes PUT: `endpoint`, `root`."""
    with closing(Nginx(tmp_path_factory.mktemp("nginx"))) as server:
        yield server


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Azurite]:
    """Azure Blob Storage: `endpoint`, `account`, `key`, `make_container()`."""
    assert not (why := azurite.why_not()), why
    with closing(azurite.Azurite(tmp_path_factory.mktemp("azurite"))) as server:
        yield server


@pytest.fixture(scope="session")
def gs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    """What takes requests as Google Cloud Storage does: `endpoint`, `make_bucket()`."""
    with closing(Rclone(tmp_path_factory.mktemp("rclone"))) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """PostgreSQL: `url`, `port`; the user is `postgres.USER`."""
    with closing(Postgres()) as server:
        yield server


@pytest.fixture(scope="session")
def hadoop_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hadoop]:
    """HDFS: `hdfs` and `web` are the URLs of its root."""
    with closing(Hadoop(tmp_path_factory.mktemp("hadoop"))) as server:
        yield server


@pytest.fixture(scope="session")
def kerberos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hadoop]:
    """HDFS for those who have a ticket; its `kerberos` gives some."""
    with ExitStack() as stack:
        tickets = stack.enter_context(closing(Kerberos(tmp_path_factory.mktemp("kdc"))))
        yield stack.enter_context(closing(Hadoop(tmp_path_factory.mktemp("hadoop"), tickets)))


@pytest.fixture(scope="session")
def hadoop_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HadoopPair]:
    """HDFS with two name nodes: `activate("two")`; clients know it by the settings in `conf`."""
    with closing(HadoopPair(tmp_path_factory.mktemp("pair"))) as server:
        yield server


@pytest.fixture
def httpfs(hadoop_server: Hadoop) -> Iterator[HttpFs]:
    """A gateway before HDFS."""
    with closing(HttpFs(hadoop_server)) as server:
        yield server


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """A small Google Drive, empty; the program is told to ask it in the place of Google's."""
    with closing(Drive()) as server:
        monkeypatch.setenv("PANNIER_GDRIVE_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """A proxy before a server: `proxy = fault_proxy(server.endpoint)`."""
    with ExitStack() as stack:
        yield lambda endpoint: stack.enter_context(closing(FaultProxy(endpoint)))


@pytest.fixture
def canned_s3() -> Iterator[Callable[[Callable[[Request], Answer]], CannedServer]]:
    """A server that says what a function says: `server = canned_s3(lambda request: Answer())`."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(closing(CannedServer(answer)))


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A third party's package with file systems for fsspec, as if it were installed."""
    folder = Path(__file__).resolve().parents[1] / "support" / "shelf"
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    fsspec.process_entries()
    return folder
