"""The places that every transport test runs on. A new kind: a fixture `<kind>_place`, a line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pannier.store.transport import Transport
from tests.contract.places import (
    Bucket,
    Container,
    DavFolder,
    DriveFolder,
    Folder,
    HadoopFolder,
    OssBucket,
    Place,
    RcloneFolder,
    Shelf,
    SshFolder,
)
from tests.servers.apache import Apache
from tests.servers.azurite import Azurite
from tests.servers.ceph import Ceph
from tests.servers.drive import Drive
from tests.servers.hadoop import Hadoop
from tests.servers.httpfs import HttpFs
from tests.servers.sshd import Sshd
from tests.servers.swift import Swift

PLACES = [
    "folder",
    pytest.param("exfat", marks=pytest.mark.root),
    pytest.param("swift", marks=pytest.mark.xdist_group("s3")),
    pytest.param("ssh", marks=pytest.mark.xdist_group("ssh")),
    pytest.param("plain_sftp", marks=[pytest.mark.long, pytest.mark.xdist_group("ssh")]),
    pytest.param("webdav", marks=pytest.mark.xdist_group("dav")),
    pytest.param("azure", marks=pytest.mark.xdist_group("azure")),
    pytest.param("oss", marks=pytest.mark.xdist_group("s3")),
    pytest.param("hdfs", marks=[pytest.mark.long, pytest.mark.xdist_group("hadoop")]),
    pytest.param("webhdfs", marks=[pytest.mark.long, pytest.mark.xdist_group("hadoop")]),
    pytest.param("httpfs", marks=[pytest.mark.long, pytest.mark.xdist_group("hadoop")]),
    "gdrive",
    "shelf",
    pytest.param("rclone", marks=pytest.mark.long),
    pytest.param("ceph", marks=[pytest.mark.long, pytest.mark.xdist_group("ceph")]),
]


@pytest.fixture
def folder_place(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "remote")


@pytest.fixture
def exfat_place(tmp_path: Path) -> Iterator[Folder]:
    """A file system without hard links, modes, or a rename that refuses to overwrite."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    missing = [name for name in ("mkfs.exfat", "mount.exfat-fuse") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    image, mount = tmp_path / "image", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(512 << 20)
    device = run("losetup", "-f", "--show", image).strip()
    try:
        run("mkfs.exfat", device)
        run("mount.exfat-fuse", device, mount)
        yield Folder(mount / "remote", impossible='\\:*?"<>|\n\t')
        run("umount", mount)
    finally:
        run("losetup", "-d", device)


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def swift_place(s3_server: Swift) -> Bucket:
    return Bucket(s3_server, s3_server.make_bucket())


@pytest.fixture
def ssh_place(ssh_server: Sshd, tmp_path: Path, clean_machine: Path) -> SshFolder:
    ssh_server.let_in(clean_machine)
    return SshFolder(tmp_path / "remote", ssh_server)


@pytest.fixture(scope="session")
def plain_sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that knows none of OpenSSH's own requests, as those of other makers."""
    extensions = "posix-rename,fsync,statvfs,limits,hardlink"
    with closing(Sshd(tmp_path_factory.mktemp("plain"), f"internal-sftp -P {extensions}")) as made:
        yield made


@pytest.fixture
def plain_sftp_place(plain_sftp_server: Sshd, tmp_path: Path, clean_machine: Path) -> SshFolder:
    plain_sftp_server.let_in(clean_machine)
    return SshFolder(tmp_path / "remote", plain_sftp_server)


@pytest.fixture
def webdav_place(dav_server: Apache, tmp_path: Path) -> DavFolder:
    return DavFolder(dav_server, f"{tmp_path.name}/some where")


@pytest.fixture
def azure_place(azure_server: Azurite) -> Container:
    return Container(azure_server, azure_server.make_container())


@pytest.fixture
def oss_place(s3_server: Swift) -> OssBucket:
    return OssBucket(s3_server, s3_server.make_bucket())


@pytest.fixture
def shelf_place(shelf: Path, tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "remote", "shelf")


@pytest.fixture
def rclone_place(tmp_path: Path) -> RcloneFolder:
    return RcloneFolder(tmp_path)


@pytest.fixture
def hdfs_place(hadoop_server: Hadoop, tmp_path: Path) -> HadoopFolder:
    return HadoopFolder(hadoop_server, tmp_path.name, "hdfs")


@pytest.fixture
def webhdfs_place(hadoop_server: Hadoop, tmp_path: Path) -> HadoopFolder:
    return HadoopFolder(hadoop_server, tmp_path.name, "webhdfs")


@pytest.fixture
def httpfs_place(httpfs: HttpFs, tmp_path: Path) -> HadoopFolder:
    return HadoopFolder(httpfs, tmp_path.name, "webhdfs")


@pytest.fixture
def gdrive_place(drive: Drive, tmp_path: Path) -> DriveFolder:
    return DriveFolder(drive, tmp_path / "account.json")


@pytest.fixture
def ceph_place(ceph_server: Ceph) -> Bucket:
    return Bucket(ceph_server, ceph_server.make_bucket())


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def transport(place: Place) -> Iterator[Transport]:
    opened = place.transport()
    yield opened
    opened.close()


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A folder of this machine, for files on their way."""
    folder = tmp_path / "local"
    folder.mkdir()
    return folder
