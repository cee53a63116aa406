"""Places to store bytes, each seen from two sides: through our transport, and from outside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pannier.core.errors import NotThere, PannierError, Unlistable
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Result, Transport
from pannier.store.transports.gdrive import GdriveTransport
from tests.servers import apache, nginx
from tests.servers.apache import Apache
from tests.servers.azurite import Azurite
from tests.servers.drive import Drive
from tests.servers.hadoop import Hadoop
from tests.servers.hadoop_pair import HadoopPair
from tests.servers.httpfs import HttpFs
from tests.servers.nginx import Nginx
from tests.servers.rclone import Rclone
from tests.servers.rclone import program as rclone_program
from tests.servers.s3 import S3Server
from tests.servers.sshd import Sshd
from tests.support.shelf import shelf_files


@dataclass(slots=True)
class DriveFolder:
    """A folder of Google Drive. credentials: a file for its service account."""

    server: Drive
    credentials: Path
    root: str = "root"
    path: str = "some/where"
    config: RemoteConfig = field(init=False)
    odd_keys: tuple[str, ...] = ()
    impossible: str = ""
    page: int = field(init=False)

    def __post_init__(self) -> None:
        self.credentials.write_text(json.dumps(self.server.account()))
        self.config = self.config_with()
        self.page = self.server.page

    def config_with(self, **options: str) -> RemoteConfig:
        given = {
            "gdrive_use_service_account": "true",
            "gdrive_service_account_json_file_path": str(self.credentials),
            **options,
        }
        return RemoteConfig("place", f"gdrive://{self.root}/{self.path}", given, frozenset(given))

    def transport(self, **options: str) -> GdriveTransport:
        """It waits less long than it would for Google."""
        opened = open_transport(self.config_with(**options))
        assert isinstance(opened, GdriveTransport)
        opened.calls.first_pause_s, opened.calls.longest_pause_s = 0.01, 0.02
        return opened

    @property
    def _inside(self) -> str:
        ident = {"root": "root-id", "appDataFolder": "app-id"}.get(self.root, self.root)
        return self.server.folder(ident, self.path)

    def look(self, key: str) -> bytes | None:
        return self.server.keys(self._inside).get(key)

    def plant(self, key: str, data: bytes) -> None:
        self.server.write(self._inside, key, data)

    def keys(self) -> set[str]:
        return set(self.server.keys(self._inside))


USER = "me"


class Place(Protocol):
    """An empty place. config: how our transport is told of it."""

    config: RemoteConfig
    odd_keys: tuple[str, ...]
    """Keys that exist here and not everywhere."""
    impossible: str
    """Characters that no key can have here."""
    page: int
    """How many keys a listing tells at a time, if it does so in pages."""

    def transport(self) -> Transport: ...

    def look(self, key: str) -> bytes | None:
        """What the key names, by other means than ours."""
        ...

    def plant(self, key: str, data: bytes) -> None: ...

    def keys(self) -> set[str]: ...


@dataclass(slots=True)
class Folder:
    root: Path
    config: RemoteConfig = field(init=False)
    odd_keys: tuple[str, ...] = ()
    impossible: str = ""
    page: int = 100

    def __post_init__(self) -> None:
        self.config = RemoteConfig("place", str(self.root))

    def transport(self) -> Transport:
        return open_transport(self.config)

    def look(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def plant(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def keys(self) -> set[str]:
        files = (p for p in self.root.rglob("*") if p.is_file())
        return {str(path.relative_to(self.root)) for path in files}


class SshFolder(Folder):
    """A folder of this machine, as its SSH server shows it."""

    def __init__(self, root: Path, server: Sshd, port: int = 0, **options: str) -> None:
        super().__init__(root)
        self.server = server
        self.config = RemoteConfig("place", server.url(root, port), options)


class Shelf(Folder):
    """A folder of this machine, as a file system of a third party shows it."""

    def __init__(self, root: Path, scheme: str) -> None:
        super().__init__(root)
        options = {"password": shelf_files.PASSWORD}
        self.config = RemoteConfig("place", f"{scheme}:/{root}", options)


class RcloneFolder(Folder):
    """A folder of this machine, under a name that rclone knows."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "some/where", impossible="\n\t")  # it keeps them by another name
        self.settings = root / "rclone.conf"
        self.settings.write_text(f"[far away]\ntype = alias\nremote = {root}\n")
        options = {"program": rclone_program(), "config": str(self.settings)}
        self.config = RemoteConfig(
            "place", "rclone://far away/some/where", options, frozenset(options)
        )


class DavFolder(Folder):
    """A folder of this machine, as its WebDAV server shows it."""

    def __init__(self, server: Apache, name: str) -> None:
        super().__init__(server.root / name)
        self.name = name
        self.config = self.config_at(server.endpoint)

    def config_at(self, endpoint: str, **options: str) -> RemoteConfig:
        """The settings of this folder, the server reached by another way."""
        url = f"{endpoint}/{self.name}".replace("http", "webdav", 1)
        given = {"user": apache.USER, "password": apache.PASSWORD, **options}
        return RemoteConfig("place", url, given)


class WebFolder(Folder):
    """A folder of this machine, as its web server shows it."""

    def __init__(self, server: Nginx, name: str) -> None:
        super().__init__(server.root / name)
        self.name = name
        self.config = self.config_at(server.endpoint)

    def config_at(self, endpoint: str, **options: str) -> RemoteConfig:
        """The settings of this folder, the server reached by another way."""
        given = {"method": "PUT", "auth": "basic", "user": nginx.USER, **options}
        given.setdefault("password", nginx.PASSWORD)
        return RemoteConfig("place", f"{endpoint}/{self.name}", given)


@dataclass(slots=True)
class Bucket:
    server: S3Server
    name: str
    prefix: str = "some/where"
    config: RemoteConfig = field(init=False)
    odd_keys: tuple[str, ...] = ("a//b", "/lead", "a/../b", "./x", "trail/", "a/")
    impossible: str = ""
    page: int = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.config_with()
        self.page = self.server.page

    def config_with(
        self, *, protected: Iterable[str] = (), without: Iterable[str] = (), **options: str
    ) -> RemoteConfig:
        """The settings of this bucket, with some options changed or left out."""
        given = {
            "endpointurl": self.server.endpoint,
            "access_key_id": self.server.key_id,
            "secret_access_key": self.server.secret,
            **options,
        }
        kept = {name: value for name, value in given.items() if name not in set(without)}
        return RemoteConfig("place", f"s3://{self.name}/{self.prefix}", kept, frozenset(protected))

    def transport(self) -> Transport:
        return open_transport(self.config)

    def look(self, key: str) -> bytes | None:
        if f"{self.prefix}/{key}" not in self.server.keys(self.name):
            return None
        answer = self.server.client.get_object(Bucket=self.name, Key=f"{self.prefix}/{key}")
        data: bytes = answer["Body"].read()
        return data

    def plant(self, key: str, data: bytes) -> None:
        self.server.client.put_object(Bucket=self.name, Key=f"{self.prefix}/{key}", Body=data)

    def keys(self) -> set[str]:
        return {key.removeprefix(f"{self.prefix}/") for key in self.server.keys(self.name)}


class OssBucket(Bucket):
    """A bucket as users of Aliyun OSS name it."""

    def config_with(
        self, *, protected: Iterable[str] = (), without: Iterable[str] = (), **options: str
    ) -> RemoteConfig:
        given = {
            "oss_endpoint": self.server.endpoint,
            "oss_key_id": self.server.key_id,
            "oss_key_secret": self.server.secret,
            **options,
        }
        kept = {name: value for name, value in given.items() if name not in set(without)}
        return RemoteConfig("place", f"oss://{self.name}/{self.prefix}", kept, frozenset(protected))


@dataclass(slots=True)
class Container:
    server: Azurite
    name: str
    prefix: str = "some/where"
    config: RemoteConfig = field(init=False)
    odd_keys: tuple[str, ...] = ()
    impossible: str = "\n\t\\"  # Azure takes a backslash for a slash
    page: int = 40  # less than the server's 5,000: this is not a test of many pages

    def __post_init__(self) -> None:
        self.config = self.config_with()

    def config_with(self, *, without: Iterable[str] = (), **options: str) -> RemoteConfig:
        """The settings of this container, with some options changed or left out."""
        given = {"connection_string": self.server.connection_string, **options}
        kept = {name: value for name, value in given.items() if name not in set(without)}
        return RemoteConfig("place", f"azure://{self.name}/{self.prefix}", kept)

    def transport(self) -> Transport:
        return open_transport(self.config)

    def look(self, key: str) -> bytes | None:
        return self.server.read(self.name, f"{self.prefix}/{key}")

    def plant(self, key: str, data: bytes) -> None:
        self.server.write(self.name, f"{self.prefix}/{key}", data)

    def keys(self) -> set[str]:
        return {key.removeprefix(f"{self.prefix}/") for key in self.server.keys(self.name)}


@dataclass(slots=True)
class GsBucket:
    """A bucket as clients of Google Cloud Storage see it."""

    server: Rclone
    name: str
    prefix: str = "some/where"
    config: RemoteConfig = field(init=False)
    odd_keys: tuple[str, ...] = ()
    impossible: str = "\n\t"
    page: int = 40  # less than the server's 1,000: this is not a test of many pages

    def __post_init__(self) -> None:
        self.config = self.config_with()

    def config_with(self, bucket: str = "", **options: str) -> RemoteConfig:
        given = {
            "endpointurl": self.server.endpoint,
            "credentialpath": str(self.server.credentials),
            **options,
        }
        url = f"gs://{bucket or self.name}/{self.prefix}"
        return RemoteConfig("place", url, given, frozenset({"credentialpath"}))

    def transport(self) -> Transport:
        return open_transport(self.config)

    def look(self, key: str) -> bytes | None:
        return self.server.read(self.name, f"{self.prefix}/{key}")

    def plant(self, key: str, data: bytes) -> None:
        self.server.write(self.name, f"{self.prefix}/{key}", data)

    def keys(self) -> set[str]:
        return {key.removeprefix(f"{self.prefix}/") for key in self.server.keys(self.name)}


class HadoopFolder:
    """A folder of HDFS; seen from outside by the other of its two protocols."""

    odd_keys: tuple[str, ...] = ()
    impossible = ":\\\n\t"  # by Hadoop's own rule, but for the backslash
    page = 40

    def __init__(
        self,
        server: Hadoop | HadoopPair | HttpFs,
        name: str,
        scheme: str,
        with_ticket: dict[str, dict[str, str]] | None = None,
    ) -> None:
        """with_ticket: options by scheme, of a server that believes nobody's name."""
        urls = {"hdfs": server.hdfs, "webhdfs": server.web}
        options = {kind: (with_ticket or {}).get(kind, {}) for kind in urls}
        if with_ticket is None:
            options = {kind: {"user": USER} for kind in urls}
        folder = f"open/{name}/some where"
        self.config = RemoteConfig("place", f"{urls.pop(scheme)}/{folder}", options.pop(scheme))
        if scheme == "webhdfs":
            self.impossible += "%"  # this name node hands names to its data nodes unescaped
        (other,) = urls.items()
        given = options[other[0]]
        self._other = open_transport(RemoteConfig("other", f"{other[1]}/{folder}", given))

    def transport(self) -> Transport:
        return open_transport(self.config)

    def look(self, key: str) -> bytes | None:
        try:
            return self._other.read(key)
        except NotThere:
            return None

    def plant(self, key: str, data: bytes) -> None:
        self._other.write(key, data)

    def keys(self) -> set[str]:
        return {entry.key for entry in self._other.list("")}


def nothing(_: int) -> None: ...


def by_key(results: Iterable[Result]) -> dict[str, Result]:
    return {result.key: result for result in results}


def listed(place: Place, transport: Transport) -> set[str]:
    """All keys as the transport tells them; as they are seen from outside where it cannot."""
    try:
        return {entry.key for entry in transport.list("")}
    except Unlistable:
        return place.keys()


def errors(results: Iterable[Result]) -> dict[str, str]:
    """What went wrong, by key: the names of the errors."""
    return {r.key: type(r.error).__name__ for r in results if r.error is not None}


def failure(work: Callable[[], object]) -> PannierError:
    """The error that work raises."""
    try:
        work()
    except PannierError as error:
        return error
    raise AssertionError("nothing was raised")


def every_call(transport: Transport, folder: Path) -> Iterator[PannierError]:
    """The errors of all calls, when all of them fail."""
    source = folder / "source"
    source.write_bytes(b"x" * 100)
    items = [(str(source), "a/b", "")]
    yield failure(lambda: transport.stat("a/b"))
    yield failure(lambda: list(transport.list("a/")))
    yield failure(lambda: transport.read("a/b"))
    yield failure(lambda: transport.write("a/b", b"x"))
    yield failure(lambda: transport.delete("a/b"))
    yield only_error(transport.upload_many(items, 2, nothing))
    yield only_error(transport.download_many([("a/b", f"{folder}/target", "")], 2, nothing))
    assert not (folder / "target").exists()


def only_error(results: Iterable[Result]) -> PannierError:
    """What became of the one item of a bulk call: told of it, or raised of all."""
    try:
        (result,) = results
    except PannierError as error:
        return error
    assert isinstance(result.error, PannierError)
    return result.error


def refusals(transport: Transport, folder: Path, key: str) -> list[object]:
    """What each call says of a key that cannot be one."""
    (folder / "x").write_bytes(b"x")
    (up,) = transport.upload_many([(f"{folder}/x", key, "")], 1, nothing)
    (down,) = transport.download_many([(key, f"{folder}/y", "")], 1, nothing)
    assert ["x"] == [path.name for path in folder.iterdir()]
    return [
        up.error,
        down.error,
        failure(lambda: transport.read(key)),
        failure(lambda: transport.stat(key)),
        failure(lambda: transport.write(key, b"")),
        failure(lambda: transport.delete(key)),
    ]


KEYS_OUTSIDE = ("", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a/.", "..", "a\0b", "a/", "/")
