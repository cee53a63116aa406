"""Each kind of remote on the main road; where it can, real DVC takes over in both directions.

The first walk-through is run by every transport that there is: a new one needs a line in KINDS.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pannier.store import schemes
from tests.servers import apache, nginx
from tests.servers.apache import Apache
from tests.servers.azurite import Azurite
from tests.servers.drive import Drive
from tests.servers.hadoop import Hadoop
from tests.servers.nginx import Nginx
from tests.servers.rclone import Rclone
from tests.servers.rclone import program as rclone_program
from tests.servers.sshd import Sshd
from tests.servers.swift import Swift
from tests.support.oracle import Oracle
from tests.support.programs import Program, Runner, git
from tests.support.project import Project, make_project
from tests.support.shelf.shelf_files import PASSWORD
from tests.support.wanted import is_wanted

FILES = {"data/a.txt": "a", "data/sub/b.txt": "b" * 3_000_000, "data/ü c": "", "one.csv": "x,y\n"}


@dataclass(frozen=True, slots=True)
class Far:
    """A remote as the project names it. private: options that stay out of Git."""

    url: str
    options: dict[str, str]
    private: dict[str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Far:
    return Far(str(tmp_path / "remote"), {}, {})


@pytest.fixture
def s3(s3_server: Swift) -> Far:
    return Far(
        f"s3://{s3_server.make_bucket()}/some/where",
        {"endpointurl": s3_server.endpoint, "access_key_id": s3_server.key_id},
        {"secret_access_key": s3_server.secret},
    )


@pytest.fixture
def ssh(ssh_server: Sshd, tmp_path: Path, clean_machine: Path) -> Far:
    ssh_server.let_in(clean_machine)
    return Far(ssh_server.url(tmp_path / "remote"), {}, {})


@pytest.fixture
def webdav(dav_server: Apache, tmp_path: Path) -> Far:
    (dav_server.root / tmp_path.name / "remote").mkdir(parents=True)  # real DVC makes it not
    url = f"{dav_server.endpoint}/{tmp_path.name}/remote".replace("http", "webdav")
    return Far(url, {"user": apache.USER}, {"password": apache.PASSWORD})


@pytest.fixture
def http(web_server: Nginx, tmp_path: Path) -> Far:
    options = {"method": "PUT", "auth": "basic", "user": nginx.USER}
    return Far(f"{web_server.endpoint}/{tmp_path.name}", options, {"password": nginx.PASSWORD})


@pytest.fixture
def azure(azure_server: Azurite) -> Far:
    container = azure_server.make_container()
    return Far(
        f"azure://{container}/some/where",
        {},
        {"connection_string": azure_server.connection_string},
    )


@pytest.fixture
def oss(s3_server: Swift) -> Far:
    options = {"oss_endpoint": s3_server.endpoint, "oss_key_id": s3_server.key_id}
    return Far(
        f"oss://{s3_server.make_bucket()}/some/where",
        options,
        {"oss_key_secret": s3_server.secret},
    )


@pytest.fixture
def gs(gs_server: Rclone) -> Far:
    return Far(
        f"gs://{gs_server.make_bucket()}/some/where",
        {"endpointurl": gs_server.endpoint},
        {"credentialpath": str(gs_server.credentials)},
    )


@pytest.fixture
def plug_in(shelf: Path, tmp_path: Path) -> Far:
    return Far(f"shelf:/{tmp_path}/remote", {}, {"password": PASSWORD})


@pytest.fixture
def rclone(tmp_path: Path) -> Far:
    settings = tmp_path / "rclone.conf"
    settings.write_text(f"[store]\ntype = alias\nremote = {tmp_path}\n")
    return Far("rclone://store/far", {}, {"program": rclone_program(), "config": str(settings)})


@pytest.fixture
def hdfs(hadoop_server: Hadoop, tmp_path: Path) -> Far:
    return Far(f"{hadoop_server.hdfs}/open/{tmp_path.name}", {"user": "me"}, {})


@pytest.fixture
def webhdfs(hadoop_server: Hadoop, tmp_path: Path) -> Far:
    return Far(f"{hadoop_server.web}/open/{tmp_path.name}", {"user": "me"}, {})


@pytest.fixture
def gdrive(drive: Drive, tmp_path: Path) -> Far:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(drive.account()))
    return Far(
        f"gdrive://{drive.make_folder('shared')}/some/where",
        {"gdrive_use_service_account": "true"},
        {"gdrive_service_account_json_file_path": str(key)},
    )


KINDS = {
    "folder": "folder",
    "s3": "s3",
    "ssh": "ssh",
    "azure": "azure",
    "gs": "gs",
    "oss": "s3",
    "gdrive": "gdrive",
    "hdfs": "hadoop",
    "http": "web",
    "plug_in": "shelf",
    "rclone": "rclone",
    "webdav": "dav",
    "webhdfs": "hadoop",
}
"""Each with the server that its tests share."""

DVC_TOO = ["azure", "http", "webdav"]
"""Of the others real DVC shares folders, S3 and SSH with us elsewhere. It speaks OSS's own protocol
and Google's JSON interface, which these servers do not; it needs Java and Hadoop for HDFS, and
Google itself for Drive; and it knows no kinds of remotes but its own."""


@pytest.fixture(
    params=[pytest.param(k, marks=pytest.mark.xdist_group(g)) for k, g in KINDS.items()]
)
def far(request: pytest.FixtureRequest) -> Far:
    found: Far = request.getfixturevalue(request.param)
    return found


def name_remote(project: Project, far: Far) -> None:
    project.dvc("remote", "add", "-d", "far", far.url)
    for option, value in far.options.items():
        project.dvc("remote", "modify", "far", option, value)


def keep_secrets(project: Project, far: Far) -> None:
    for option, value in far.private.items():
        project.dvc("remote", "modify", "--local", "far", option, value)


@pytest.fixture
def begin(tmp_path: Path, far: Far) -> Callable[[Runner], Project]:
    """A project of one program with data and a remote, all of it committed."""

    def make(program: Runner) -> Project:
        project = make_project(tmp_path / "first", program)
        for path, text in FILES.items():
            project.write(path, text)
        project.dvc("add", "data", "one.csv")
        name_remote(project, far)
        keep_secrets(project, far)
        project.commit_all()
        return project

    return make


def clone(project: Project, program: Runner, far: Far) -> Project:
    root = project.root.parent / "second"
    git("clone", "-q", str(project.root), str(root), cwd=project.root)
    made = Project(root, program)
    keep_secrets(made, far)
    return made


def data_of(project: Project) -> dict[str, bytes]:
    return {path: (project.root / path).read_bytes() for path in FILES}


def test_what_one_pushes_the_other_pulls(
    begin: Callable[[Runner], Project], far: Far, dvc: Program
) -> None:
    first = begin(dvc)

    cloudy = first.dvc("status", "-c").stdout
    pushed = first.dvc("push").stdout
    again = first.dvc("push").stdout
    second = clone(first, dvc, far)
    missing = second.dvc("status", "-c", "--json").stdout
    pulled = second.dvc("pull").stdout

    assert "new:" in cloudy
    assert "5 files pushed\n" == pushed
    assert "Everything is up to date.\n" == again
    assert "missing" not in missing
    assert "deleted" in missing
    assert pulled.endswith("4 files fetched and 4 files added\n")
    assert data_of(first) == data_of(second)
    assert "Cache and remote 'far' are in sync.\n" == second.dvc("status", "-c").stdout


@pytest.mark.parametrize("start", ["ours", "DVC"])
@pytest.mark.parametrize("far", DVC_TOO, indirect=True)
def test_real_dvc_and_we_share_a_remote(
    begin: Callable[[Runner], Project], far: Far, dvc: Program, oracle: Oracle, start: str
) -> None:
    mine, yours = (dvc, oracle) if start == "ours" else (oracle, dvc)
    first = begin(mine)
    first.dvc("push")
    second = clone(first, yours, far)

    second.dvc("pull")

    assert data_of(first) == data_of(second)
    assert "in sync" in second.dvc("status", "-c").stdout

    second.write("data/new", "new")
    second.dvc("add", "data")
    second.dvc("push")
    shutil.copy(second.root / "data.dvc", first.root / "data.dvc")
    first.dvc("pull")

    assert b"new" == (first.root / "data/new").read_bytes()


def test_a_webdav_folder_that_does_not_exist_is_made(
    tmp_path: Path, dav_server: Apache, dvc: Program, oracle: Oracle
) -> None:
    assert is_wanted("webdav-root")
    url = f"{dav_server.open}/{tmp_path.name}/none/such".replace("http", "webdav")
    project = make_project(tmp_path / "p", dvc)
    project.write("one.csv", "x")
    project.dvc("add", "one.csv")
    project.dvc("remote", "add", "-d", "far", url)

    theirs = oracle("push", cwd=project.root)
    ours = project.dvc("push")

    assert 255 == theirs.rc
    assert "1 file pushed\n" == ours.stdout


def test_every_transport_is_walked_through() -> None:
    walked = {module for module, _ in schemes._TRANSPORTS.values()}
    names = {name.rpartition(".")[2] for name in walked} | {"plug_in"}

    assert {*KINDS} - {"folder"} | {"local"} == names
