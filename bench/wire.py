"""What is measured over a wire: S3 and SSH, with servers on this machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from scenarios import Bench, Row, Server, SshServer, Step, write_tree


def write_big(path: Path, mebibytes: int) -> None:
    """No two parts of it are the same."""
    block = random.Random(1).randbytes(1 << 20)
    with open(path, "wb") as file:
        for number in range(max(1, mebibytes)):
            file.write(number.to_bytes(8, "big") + block[8:])


def s3_start(bench: Bench, target: str) -> tuple[str, str]:
    """A project whose remote is a new bucket; its URL, and how s5cmd is called."""
    server = bench.server
    assert isinstance(server, Server)
    bucket = f"s3://{server.new_bucket()}/x"
    if not bench.is_plain:
        bench.prepare("add", target)
        bench.prepare("remote", "add", "-d", "-f", "store", bucket)
        bench.prepare("remote", "modify", "store", "endpointurl", server.endpoint)
    return bucket, f"{server.s5cmd} --log error --endpoint-url {server.endpoint} cp"


def s3_small(bench: Bench, scale: float) -> Iterator[Step]:
    bench.start()
    write_tree(bench.repo / "data", max(1, int(5000 * scale)), 10 << 10)
    bucket, s5cmd = s3_start(bench, "data")
    yield "push-s3", bench.time(["push"], f"{s5cmd} data/ {bucket}/")
    bench.shell("mv data ../away; if [ -e .dvc ]; then mv .dvc/cache ../away2; fi; mkdir -p ../new")
    yield "pull-s3", bench.time(["pull"], f"{s5cmd} '{bucket}/*' ../new/")


def s3_big(bench: Bench, scale: float) -> Iterator[Step]:
    bench.start()
    write_big(bench.repo / "big", int(1024 * scale))
    bucket, s5cmd = s3_start(bench, "big")
    yield "push-s3-big", bench.time(["push"], f"{s5cmd} big {bucket}/")
    bench.shell("mv big ../away; if [ -e .dvc ]; then mv .dvc/cache ../away2; fi; mkdir -p ../new")
    yield "pull-s3-big", bench.time(["pull"], f"{s5cmd} {bucket}/big ../new/")


def ssh_start(bench: Bench, port: int) -> None:
    """The remote of a project is a folder of the SSH server at a port."""
    server = bench.server
    assert isinstance(server, SshServer)
    bench.start()
    server.let_in(Path(bench.env["HOME"]), port)
    if not bench.is_plain:
        url = f"ssh://127.0.0.1:{port}{bench.ground}/far"
        bench.prepare("remote", "add", "-d", "-f", "store", url)


def ssh_small(bench: Bench, scale: float) -> Iterator[Step]:
    """Many small files, and a long way."""
    assert isinstance(bench.server, SshServer)
    ssh_start(bench, bench.server.far_port)
    write_tree(bench.repo / "data", max(1, int(1000 * scale)), 10 << 10)
    if not bench.is_plain:
        bench.prepare("add", "data")
    yield "push-ssh", bench.time(["push"], None)
    bench.shell("mv data ../away; if [ -e .dvc ]; then mv .dvc/cache ../away2; fi")
    yield "pull-ssh", bench.time(["pull"], None)


def ssh_big(bench: Bench, scale: float) -> Iterator[Step]:
    server = bench.server
    assert isinstance(server, SshServer)
    ssh_start(bench, server.port)
    write_big(bench.repo / "big", int(512 * scale))
    if not bench.is_plain:
        bench.prepare("add", "big")
    home = bench.env["HOME"]
    sftp = f"sftp -q -i {server.key} -o UserKnownHostsFile={home}/.ssh/known_hosts -P {server.port}"
    put = f"echo 'put big {bench.ground}/far' | {sftp} -b - 127.0.0.1"
    get = f"echo 'get {bench.ground}/far ../new' | {sftp} -b - 127.0.0.1"
    yield "push-ssh-big", bench.time(["push"], put)
    bench.shell("mv big ../away; if [ -e .dvc ]; then mv .dvc/cache ../away2; fi")
    yield "pull-ssh-big", bench.time(["pull"], get)


ROWS = [
    Row("push-s3", "`push` 5,000 x 10 KiB, S3 on this machine", 3, 1.2),
    Row("pull-s3", "`pull` 5,000 x 10 KiB, S3 on this machine", 3, 1.2),
    Row("push-s3-big", "`push` 1 GiB, S3 on this machine", 3, 1.2),
    Row("pull-s3-big", "`pull` 1 GiB, S3 on this machine", 3, 1.2),
    Row("push-ssh", "`push` 1,000 x 10 KiB, SSH with 20 ms for a round trip", 5),
    Row("pull-ssh", "`pull` 1,000 x 10 KiB, SSH with 20 ms for a round trip", 5),
    Row("push-ssh-big", "`push` 512 MiB, SSH on this machine", None, 1.2),
    Row("pull-ssh-big", "`pull` 512 MiB, SSH on this machine", None, 1.2),
]

SCENARIOS = {
    "s3": (s3_small, ["push-s3", "pull-s3"], "s3"),
    "s3-big": (s3_big, ["push-s3-big", "pull-s3-big"], "s3"),
    "ssh": (ssh_small, ["push-ssh", "pull-ssh"], "ssh"),
    "ssh-big": (ssh_big, ["push-ssh-big", "pull-ssh-big"], "ssh"),
}
