"""Stores that rclone knows. The whole contract runs with `make test-long`, its core here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, ConfigError, CorruptObject, NotThere, TransportError
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transports.rclone_process import RcloneProcess
from tests.contract import core
from tests.contract.places import RcloneFolder, errors, every_call, failure, nothing
from tests.servers.rclone import program
from tests.servers.swift import Swift
from tests.support.programs import started

MIB = 1 << 20


@pytest.fixture
def place(tmp_path: Path) -> RcloneFolder:
    return RcloneFolder(tmp_path)


@core.each_of_the_core
def test_the_core_of_the_contract(
    check: Callable[..., None], place: RcloneFolder, tmp_path: Path
) -> None:
    core.run(check, place, tmp_path)


def test_a_name_that_rclone_does_not_know_is_said_so(place: RcloneFolder, tmp_path: Path) -> None:
    config = RemoteConfig("far", "rclone://none/x", place.config.options, place.config.protected)
    transport = open_transport(config)

    for error in every_call(transport, tmp_path):
        assert "rclone knows no remote for 'rclone://none/x'" == str(error)
        assert "rclone listremotes" in str(error.hint)
    transport.close()


@pytest.mark.parametrize("name", [":local", ":sftp,ssh=touch x:", "a,b=c", "-x", "", "a'b", "[a]"])
def test_a_url_names_a_remote_and_sets_no_options(name: str) -> None:
    """rclone takes `:sftp,ssh="command":` for a remote that runs a command."""
    error = failure(lambda: open_transport(RemoteConfig("far", f"rclone://{name}/x")))

    assert isinstance(error, ConfigError)


@pytest.mark.parametrize("option", ["program", "config"])
def test_which_program_is_run_only_the_user_says(option: str) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", "rclone://a/x", {option: "/bin/x"})))

    assert isinstance(error, ConfigError)
    assert f"--local far {option}" in str(error.hint)


def test_without_rclone_the_user_is_told_so(tmp_path: Path) -> None:
    options = {"program": str(tmp_path / "rclone")}
    transport = open_transport(RemoteConfig("far", "rclone://a/x", options, frozenset(options)))

    error = failure(lambda: transport.stat("a"))

    assert isinstance(error, ConfigError)
    assert "install rclone" in str(error.hint)


def test_an_rclone_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("RCLONE_ENCRYPT_V0:\nbm8gc3VjaCBwYXNzd29yZA==\n")
    options = {"program": program(), "config": str(tmp_path / "settings")}
    transport = open_transport(RemoteConfig("far", "rclone://a/x", options, frozenset(options)))

    error = failure(lambda: transport.stat("a"))

    assert "rclone" in str(error)
    assert isinstance(error, TransportError)
    transport.close()


def test_it_listens_to_nobody_else_and_ends_with_the_transport(place: RcloneFolder) -> None:
    process = RcloneProcess(program(), str(place.settings))
    door = process.start()
    running = process._process
    assert running is not None

    shown = Path(f"/proc/{running.pid}/cmdline").read_bytes()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{door.base}/rc/noop", method="POST"))
    process.stop()

    assert b"rcd" in shown
    assert door.password.encode() not in shown
    assert 401 == caught.value.code
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(door.base)


def test_it_ends_with_a_process_that_is_killed(place: RcloneFolder) -> None:
    script = (
        "import sys, time\n"
        "from pannier.store.transports.rclone_process import RcloneProcess\n"
        "process = RcloneProcess(*sys.argv[1:])\n"
        "process.start()\n"
        "print(process._process.pid, flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", script, program(), str(place.settings)]
    with started(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)

    until = time.monotonic() + 20
    while _runs(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_switches_of_the_environment_leave_nothing_undone(
    place: RcloneFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for switch in ("DRY_RUN", "IGNORE_EXISTING", "IMMUTABLE", "SIZE_ONLY"):
        monkeypatch.setenv(f"RCLONE_{switch}", "true")
    place.plant("a", b"old")
    (tmp_path / "source").write_bytes(b"new")
    transport = place.transport()

    results = list(transport.upload_many([(f"{tmp_path}/source", "a", "")], 1, nothing))
    transport.close()

    assert {} == errors(results)
    assert b"new" == place.look("a")


def test_the_same_size_and_time_is_not_taken_for_the_same_bytes(
    place: RcloneFolder, tmp_path: Path
) -> None:
    place.plant("a", b"damaged!")
    (tmp_path / "source").write_bytes(b"original")
    for path in (place.root / "a", tmp_path / "source"):
        os.utime(path, ns=(0, 10**18))
    transport = place.transport()

    list(transport.upload_many([(f"{tmp_path}/source", "a", "")], 1, nothing))
    transport.close()

    assert b"original" == place.look("a")


@pytest.fixture
def bucket(s3_server: Swift, tmp_path: Path) -> RemoteConfig:
    """A bucket on a real S3 server, as rclone's configuration knows it."""
    settings = tmp_path / "rclone.conf"
    keys = f"access_key_id = {s3_server.key_id}\nsecret_access_key = {s3_server.secret}\n"
    kind = f"type = s3\nprovider = Other\nendpoint = {s3_server.endpoint}\n"
    wrong = keys.replace(s3_server.secret, "not-this-one")
    settings.write_text(f"[right]\n{kind}{keys}\n[wrong]\n{kind}{wrong}")
    options = {"program": program(), "config": str(settings)}
    url = f"rclone://right/{s3_server.make_bucket()}/some/where"
    return RemoteConfig("far", url, options, frozenset(options))


def test_an_object_store_by_way_of_rclone(bucket: RemoteConfig, tmp_path: Path) -> None:
    transport = open_transport(bucket)
    data = {f"files/md5/0{n}/x": os.urandom(size) for n, size in enumerate((0, 100, 6 * MIB))}
    for number, body in enumerate(data.values()):
        (tmp_path / str(number)).write_bytes(body)
    up = [(f"{tmp_path}/{number}", key, "") for number, key in enumerate(data)]
    bad = (f"{tmp_path}/1", "files/md5/ff/x", "0" * 32)

    uploaded = list(transport.upload_many([*up, bad], 4, nothing))
    down = [(key, f"{tmp_path}/{n}.back", "") for n, key in enumerate(data)]
    downloaded = list(transport.download_many(down, 4, nothing))

    assert {"files/md5/ff/x": CorruptObject.__name__} == errors(uploaded)
    assert {} == errors(downloaded)
    assert list(data.values()) == [Path(path).read_bytes() for _, path, _ in down]
    assert data == {entry.key: data[entry.key] for entry in transport.list("files/")}
    assert b"" == transport.read("files/md5/00/x")
    assert isinstance(failure(lambda: transport.read("files/md5/00/y")), NotThere)
    for key in data:
        transport.delete(key)
    assert [] == list(transport.list(""))
    transport.close()


def test_keys_that_a_store_does_not_accept_are_a_matter_of_rclones_settings(
    bucket: RemoteConfig, tmp_path: Path
) -> None:
    url = bucket.url.replace("right", "wrong")
    transport = open_transport(RemoteConfig("far", url, bucket.options, bucket.protected))

    for error in every_call(transport, tmp_path):
        assert isinstance(error, AccessDenied), error
        assert "rclone config" in str(error.hint)
        assert "not-this-one" not in str(error)
    transport.close()
