"""Killed in the middle, then run again: what is done is not done again."""

from __future__ import annotations

import filecmp
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.servers import nginx
from tests.servers.azurite import Azurite
from tests.servers.drive import Drive
from tests.servers.keeping import KeepingGs
from tests.servers.nginx import Nginx
from tests.servers.proxy import FaultProxy
from tests.servers.sshd import Sshd
from tests.servers.swift import Swift
from tests.support.killing import killed_when
from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import Project, make_project

MIB = 1 << 20
BIG, SMALL, COUNT = 9 * MIB, 64 << 10, 16
ALL = BIG + SMALL * COUNT
Proxied = Callable[[str], FaultProxy]


@dataclass(frozen=True, slots=True)
class Line:
    """A remote behind a proxy: its URL, the options, and those that stay out of Git.

    kept: how many bytes of uploads that are not finished the server has.
    """

    proxy: FaultProxy
    url: str
    options: dict[str, str]
    kept: Callable[[], int] = lambda: 0


def s3_line(proxy: FaultProxy, server: Swift, bucket: str) -> Line:
    keys = {"access_key_id": server.key_id, "secret_access_key": server.secret}
    options = {"endpointurl": proxy.endpoint, **keys}
    return Line(proxy, f"s3://{bucket}/far", options, lambda: 8 * MIB * parts_there(server, bucket))


@pytest.fixture
def s3(s3_server: Swift, fault_proxy: Proxied) -> Line:
    return s3_line(fault_proxy(s3_server.endpoint), s3_server, s3_server.make_bucket())


def ssh_line(proxy: FaultProxy, server: Sshd, home: Path, far: Path) -> Line:
    port = int(proxy.endpoint.rpartition(":")[2])
    server.let_in(home, port)

    def kept() -> int:
        return sum(path.stat().st_size for path in far.glob("files/md5/tmp-pannier-*/part"))

    return Line(proxy, server.url(far, port), {}, kept)


@pytest.fixture
def ssh(ssh_server: Sshd, fault_proxy: Proxied, clean_machine: Path, tmp_path: Path) -> Line:
    proxy = fault_proxy(ssh_server.endpoint)
    return ssh_line(proxy, ssh_server, clean_machine, tmp_path / "far")


@pytest.fixture
def sftp_server(tmp_path: Path) -> Iterator[Sshd]:
    """It runs no programs."""
    with closing(Sshd(tmp_path / "sshd", alone=True)) as server:
        yield server


@pytest.fixture
def sftp(sftp_server: Sshd, fault_proxy: Proxied, clean_machine: Path, tmp_path: Path) -> Line:
    proxy = fault_proxy(sftp_server.endpoint)
    return ssh_line(proxy, sftp_server, clean_machine, tmp_path / "far")


@pytest.fixture
def plain_sftp(fault_proxy: Proxied, clean_machine: Path, tmp_path: Path) -> Iterator[Line]:
    """One that cannot flush a file either."""
    program = "internal-sftp -P fsync,posix-rename"
    with closing(Sshd(tmp_path / "sshd", program, alone=True)) as server:
        yield ssh_line(fault_proxy(server.endpoint), server, clean_machine, tmp_path / "far")


@pytest.fixture
def http(web_server: Nginx, fault_proxy: Proxied, tmp_path: Path) -> Line:
    proxy = fault_proxy(web_server.endpoint)
    options = {"method": "PUT", "auth": "basic", "user": nginx.USER, "password": nginx.PASSWORD}
    return Line(proxy, f"{proxy.endpoint}/{tmp_path.name}", options)


@pytest.fixture
def azure(azure_server: Azurite, fault_proxy: Proxied) -> Line:
    proxy = fault_proxy(f"http://127.0.0.1:{azure_server.port}")
    there = azure_server.connection_string_at(f"{proxy.endpoint}/{azure_server.account}")
    container = azure_server.make_container()

    def kept() -> int:
        keys = azure_server.unfinished(container)
        return sum(size for key in keys for size in azure_server.blocks(container, key))

    return Line(proxy, f"azure://{container}", {"connection_string": there}, kept)


@pytest.fixture
def gdrive(
    drive: Drive, fault_proxy: Proxied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Line:
    proxy = fault_proxy(drive.endpoint)
    monkeypatch.setenv("PANNIER_GDRIVE_ENDPOINT", proxy.endpoint)
    account = tmp_path / "account.json"
    account.write_text(json.dumps(drive.account()))
    options = {
        "gdrive_use_service_account": "true",
        "gdrive_service_account_json_file_path": str(account),
    }

    def kept() -> int:
        return sum(len(session.data) for session in drive.sessions.values() if session.alive)

    return Line(proxy, f"gdrive://{drive.make_folder('far')}", options, kept)


@pytest.fixture
def gs(drive: Drive, fault_proxy: Proxied, tmp_path: Path) -> Iterator[Line]:
    """Who sends parts has a token of Google's, which Drive's server hands out."""
    server = KeepingGs()
    server.tokens = drive.tokens
    proxy = fault_proxy(server.endpoint)
    account = tmp_path / "account.json"
    account.write_text(json.dumps(drive.account()))
    options = {"endpointurl": proxy.endpoint, "credentialpath": str(account)}
    yield Line(proxy, f"gs://{server.bucket}/far", options, server.kept)
    server.close()


KINDS = {"s3": "s3", "ssh": "ssh", "http": "web", "azure": "azure"}
EVERY = [pytest.param(k, marks=pytest.mark.xdist_group(g)) for k, g in KINDS.items()]


@pytest.fixture(params=EVERY)
def line(request: pytest.FixtureRequest) -> Line:
    found: Line = request.getfixturevalue(request.param)
    return found


def begin(root: Path, dvc: Program, line: Line, *, big: int = BIG, count: int = COUNT) -> Project:
    """A project with one big file and many small ones, and a remote for them."""
    project = make_project(root, dvc)
    drawn = random.Random(str(root))
    with project.write("data/big", b"").open("wb") as file:
        for size in [64 * MIB] * (big // (64 * MIB)) + [big % (64 * MIB)]:
            file.write(drawn.randbytes(size))
    for number in range(count):
        project.write(f"data/{number}", drawn.randbytes(SMALL))
    name_remote(project, line)
    project.dvc("add", "data")
    project.commit_all()
    return project


def name_remote(project: Project, line: Line) -> None:
    project.dvc("remote", "add", "-d", "far", line.url)
    for option, value in line.options.items():
        project.dvc("remote", "modify", "--local", "far", option, value)


def clone(project: Project, line: Line, name: str) -> Project:
    root = project.root.parent / name
    git("clone", "-q", str(project.root), str(root), cwd=project.root)
    made = Project(root, project.program)
    (root / ".dvc/config.local").write_bytes(
        (project.root / ".dvc/config.local").read_bytes() if line.options else b""
    )
    return made


def content(project: Project) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (project.root / "data").iterdir()}


def test_a_fetch_that_was_killed_goes_on_where_it_was(
    line: Line, dvc: Program, tmp_path: Path
) -> None:
    first = begin(tmp_path / "first", dvc, line)
    first.dvc("push")
    second = clone(first, line, "second")
    proxy = line.proxy
    proxy.down_per_s = 12 * MIB
    before = proxy.received

    killed_when(lambda: proxy.received - before > ALL * 2 // 3, "fetch", "-j", "4", cwd=second.root)

    proxy.down_per_s = 0
    before = proxy.received
    assert "18 files fetched\n" == second.dvc("fetch").stdout
    assert proxy.received - before < ALL * 11 // 20
    second.dvc("checkout")
    assert content(first) == content(second)
    assert [] == os.listdir(second.cache / "files/md5/tmp")


# -- uploads ----


def parts_there(server: Swift, bucket: str) -> int:
    """How many parts of unfinished uploads the server has."""
    found = server.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    pages = [
        server.client.list_parts(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
        for one in found
    ]
    return sum(len(page.get("Parts", ())) for page in pages)


GOING_ON = {"s3": "s3", "ssh": "ssh", "sftp": "ssh", "azure": "azure"}
GOING_ON |= {"gs": "drive", "gdrive": "drive"}


@pytest.fixture(
    params=[pytest.param(k, marks=pytest.mark.xdist_group(g)) for k, g in GOING_ON.items()]
)
def keeping(request: pytest.FixtureRequest) -> Line:
    """A remote that keeps what a killed upload sent."""
    found: Line = request.getfixturevalue(request.param)
    return found


def killed_in_a_push(project: Project, line: Line) -> int:
    """Kills a push of one big object when some of it is there; returns how much.

    It cannot be done before: of 40 MiB, in up to four parts at a time, so much does not go on.
    """
    line.proxy.bytes_per_s = 20 * MIB  # of each connection
    line.proxy.hold_after(36 * MIB)
    killed_when(lambda: line.kept() >= 16 * MIB, "push", cwd=project.root)
    line.proxy.bytes_per_s = 0
    line.proxy.let_go()
    return line.kept()


def notes() -> list[str]:
    return os.listdir(Path.home() / ".cache/pannier/uploads")


def test_a_push_of_a_big_object_that_was_killed_goes_on_where_it_was(
    keeping: Line, dvc: Program, tmp_path: Path
) -> None:
    big = 40 * MIB
    first = begin(tmp_path / "first", dvc, keeping, big=big, count=4)
    kept = killed_in_a_push(first, keeping)

    before = keeping.proxy.sent
    first.dvc("push")

    # The last ones of the dead are read late.
    assert keeping.proxy.sent - before < big - kept + 6 * MIB
    assert 0 == keeping.kept()
    assert keeping.url.startswith("azure:") or [] == notes()
    second = clone(first, keeping, "second")
    second.dvc("pull")
    assert content(first) == content(second)


@pytest.mark.xdist_group("azure")
def test_real_dvc_pushes_where_a_push_of_ours_was_killed(
    azure: Line, dvc: Program, oracle: Oracle, tmp_path: Path
) -> None:
    """It sends more than 64 MiB in blocks, and Azure takes ids of one length alone."""
    first = begin(tmp_path / "first", dvc, azure, big=65 * MIB, count=1)
    killed_in_a_push(first, azure)

    oracle("push", cwd=first.root, check=True)

    second = clone(first, azure, "second")
    second.dvc("pull")
    assert content(first) == content(second)


@pytest.mark.xdist_group("ssh")
def test_what_is_no_beginning_of_the_object_is_not_continued(
    ssh: Line, dvc: Program, tmp_path: Path
) -> None:
    """As after a power loss at the server: bytes that were sent and never reached the disk."""
    first = begin(tmp_path / "first", dvc, ssh, big=40 * MIB, count=1)
    kept = killed_in_a_push(first, ssh)
    (part,) = (tmp_path / "far/files/md5").glob("tmp-pannier-*/part")
    with part.open("r+b") as file:
        file.seek(kept // 2)
        file.write(bytes(4096))

    before = ssh.proxy.sent
    first.dvc("push")

    assert ssh.proxy.sent - before > 40 * MIB
    assert 0 == ssh.kept()
    second = clone(first, ssh, "second")
    second.dvc("pull")
    assert content(first) == content(second)


def noted() -> list[list[object]]:
    """What the one note says has arrived; [] while there is none."""
    folder = Path.home() / ".cache/pannier/uploads"
    lines = [line for path in folder.glob("*") for line in path.read_text().split("\n")[1:-1]]
    return [json.loads(line) for line in lines]


def note_other_digests() -> None:
    (note,) = (Path.home() / ".cache/pannier/uploads").iterdir()
    head, *rows = note.read_text().splitlines()
    other = [json.dumps([json.loads(row)[0], "0" * 32]) for row in rows]
    note.write_text("\n".join([head, *other, ""]))


@pytest.mark.xdist_group("ssh")
@pytest.mark.parametrize("fault", ["none", "others noted", "cut", "holes"])
def test_what_was_flushed_at_a_server_without_programs_is_not_sent_again(
    sftp: Line, sftp_server: Sshd, dvc: Program, tmp_path: Path, fault: str
) -> None:
    big = 64 * MIB
    first = begin(tmp_path / "first", dvc, sftp, big=big, count=1)
    proxy = sftp.proxy
    proxy.bytes_per_s = 20 * MIB
    proxy.hold_after(40 * MIB)  # a third note there cannot be
    killed_when(lambda: len(noted()) >= 2, "push", cwd=first.root)
    proxy.bytes_per_s = 0
    proxy.let_go()
    sftp_server.cut()  # it may have more to write
    (part,) = (tmp_path / "far/files/md5").glob("tmp-pannier-*/part")
    if fault == "others noted":
        note_other_digests()
    elif fault != "none":
        os.truncate(part, 20 * MIB)
    if fault == "holes":
        os.truncate(part, 40 * MIB)

    sent, received = proxy.sent, proxy.received
    first.dvc("push")

    there = {"none": 32, "others noted": 0, "cut": 16, "holes": 19}[fault] * MIB
    assert big - there - MIB < proxy.sent - sent < big - there + 6 * MIB
    read = 20 if fault == "holes" else 0
    assert read * MIB <= proxy.received - received < (read + 10) * MIB
    assert (0, []) == (sftp.kept(), notes())
    second = clone(first, sftp, "second")
    second.dvc("pull")
    assert content(first) == content(second)


@pytest.mark.xdist_group("ssh")
@pytest.mark.parametrize("damaged", [False, True])
def test_where_nothing_can_be_flushed_what_is_there_is_read_and_compared(
    plain_sftp: Line, dvc: Program, tmp_path: Path, damaged: bool
) -> None:
    big = 40 * MIB
    first = begin(tmp_path / "first", dvc, plain_sftp, big=big, count=1)
    kept = killed_in_a_push(first, plain_sftp)
    if damaged:
        (part,) = (tmp_path / "far/files/md5").glob("tmp-pannier-*/part")
        with part.open("r+b") as file:
            file.seek(8 * MIB)
            file.write(bytes(4096))
        kept = 8 * MIB
    proxy = plain_sftp.proxy

    sent, received = proxy.sent, proxy.received
    first.dvc("push")

    assert big - kept - 6 * MIB < proxy.sent - sent < big - kept + 6 * MIB
    assert kept < proxy.received - received
    assert (0, []) == (plain_sftp.kept(), notes())
    second = clone(first, plain_sftp, "second")
    second.dvc("pull")
    assert content(first) == content(second)


@pytest.mark.xdist_group("drive")
def test_a_session_that_was_begun_with_other_bytes_is_not_continued(
    gdrive: Line, drive: Drive, dvc: Program, tmp_path: Path
) -> None:
    first = begin(tmp_path / "first", dvc, gdrive, big=40 * MIB, count=1)
    killed_in_a_push(first, gdrive)
    for session in drive.sessions.values():
        session.data = bytes(len(session.data))
    note_other_digests()

    first.dvc("push")

    assert 2 == len(drive.sessions)
    second = clone(first, gdrive, "second")
    second.dvc("pull")
    assert content(first) == content(second)


@pytest.mark.parametrize("damaged", [False, True])
def test_a_copy_into_a_folder_that_was_killed_goes_on_where_it_was(
    dvc: Program, tmp_path: Path, damaged: bool
) -> None:
    project = make_project(tmp_path / "project", dvc)
    block = random.Random(0).randbytes(32 * MIB)
    with project.write("data", b"").open("wb") as file:
        for number in range(6):
            file.write(block[number:])
    project.dvc("add", "data")
    far = tmp_path / "far"
    project.dvc("remote", "add", "-d", "far", str(far))

    def parts() -> list[Path]:
        return list(far.glob("files/md5/tmp-pannier-*/part"))

    def begun() -> bool:
        return any(part.stat().st_size >= 16 * MIB for part in parts())

    killed_when(begun, "push", "--limit-rate", "64M", cwd=project.root)
    (part,) = parts()
    was = part.stat()
    assert was.st_size < (project.root / "data").stat().st_size
    if damaged:
        with part.open("r+b") as file:
            file.seek(8 * MIB)
            file.write(bytes(4096))

    project.dvc("push")

    (path,) = far.glob("files/md5/??/*")
    assert was.st_ino == path.stat().st_ino
    assert path.stat().st_mode & 0o777 == 0o444
    assert filecmp.cmp(project.root / "data", path, shallow=False)
    assert [] == [*parts(), *notes()]


@pytest.mark.xdist_group("s3")
def test_many_small_objects_and_three_kills(s3: Line, dvc: Program, tmp_path: Path) -> None:
    killed_again_and_again(s3, dvc, tmp_path, 150)


@pytest.mark.long
@pytest.mark.xdist_group("s3")
def test_ten_thousand_small_objects_and_three_kills(s3: Line, dvc: Program, tmp_path: Path) -> None:
    killed_again_and_again(s3, dvc, tmp_path, 10_000)


def _sent_more(proxy: FaultProxy, count: int) -> bool:
    return proxy.sent > count


def killed_again_and_again(line: Line, dvc: Program, tmp_path: Path, count: int) -> None:
    """Each run sends what the ones before did not; what they sent is whole."""
    first = make_project(tmp_path / "first", dvc)
    for number in range(count):
        first.write(f"data/{number}", random.Random(number).randbytes(4 << 10))
    name_remote(first, line)
    first.dvc("add", "data")
    first.commit_all()
    proxy = line.proxy
    for quarter in range(1, 4):
        until = quarter * count * (4 << 10) // 4
        killed_when(partial(_sent_more, proxy, until), "push", cwd=first.root)

    before = proxy.sent
    first.dvc("push")

    assert proxy.sent - before < count * (6 << 10) // 2
    assert "Everything is up to date.\n" == first.dvc("push").stdout
    second = clone(first, line, "second")
    second.dvc("pull")
    assert content(first) == content(second)


# -- the same at sizes that matter ----


@pytest.mark.long
def test_ten_thousand_objects_and_a_kill(line: Line, dvc: Program, tmp_path: Path) -> None:
    count, size = 10_000, 4 << 10
    first = make_project(tmp_path / "first", dvc)
    for number in range(count):
        first.write(f"data/{number}", random.Random(number).randbytes(size))
    name_remote(first, line)
    first.dvc("add", "data")
    first.commit_all()
    proxy = line.proxy

    killed_when(lambda: proxy.sent > count * size // 2, "push", cwd=first.root)
    half = proxy.sent
    first.dvc("push")
    assert proxy.sent - half < half * 3

    # A server says more than the objects: what it has, which both runs ask (Azure takes 690 bytes
    # for each), and heads of answers.
    before = proxy.received
    first.dvc("push")
    asked = proxy.received - before
    before = proxy.received
    clone(first, line, "whole").dvc("fetch")
    objects = proxy.received - before - asked

    second = clone(first, line, "second")
    before = proxy.received
    killed_when(
        lambda: proxy.received - before > asked + objects * 2 // 3, "fetch", cwd=second.root
    )
    middle = proxy.received
    second.dvc("pull")
    assert proxy.received - middle < asked + objects * 3 // 7
    assert content(first) == content(second)


@pytest.mark.long
@pytest.mark.xdist_group("s3")
def test_two_gib_and_a_kill(s3: Line, s3_server: Swift, dvc: Program, tmp_path: Path) -> None:
    big = 2 << 30
    bucket = s3.url.split("/")[2]
    first = begin(tmp_path / "first", dvc, s3, big=big, count=1)
    proxy = s3.proxy

    killed_when(lambda: parts_there(s3_server, bucket) >= 128, "push", cwd=first.root)
    sent = proxy.sent
    first.dvc("push")
    assert proxy.sent - sent < big * 11 // 20

    second = clone(first, s3, "second")
    before = proxy.received
    killed_when(lambda: proxy.received - before > big // 2, "fetch", cwd=second.root)
    middle = proxy.received
    second.dvc("pull")
    assert proxy.received - middle < big * 11 // 20
    assert filecmp.cmp(first.root / "data/big", second.root / "data/big", shallow=False)
