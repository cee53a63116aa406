"""HDFS with two name nodes: whichever is the active one is asked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from tests.contract import core
from tests.contract.places import USER, HadoopFolder, errors, every_call, nothing
from tests.servers.hadoop_pair import HadoopPair

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("pair")]

MIB = 1 << 20


@pytest.fixture
def pair(hadoop_pair: HadoopPair, monkeypatch: pytest.MonkeyPatch) -> HadoopPair:
    """`one` is active, and the program finds the settings that know both."""
    monkeypatch.setenv("HADOOP_CONF_DIR", str(hadoop_pair.conf))
    hadoop_pair.activate("one")
    return hadoop_pair


@pytest.fixture(params=["hdfs", "webhdfs"])
def place(request: pytest.FixtureRequest, pair: HadoopPair, tmp_path: Path) -> HadoopFolder:
    return HadoopFolder(pair, tmp_path.name, request.param)


@core.each_of_the_core
def test_the_core_of_the_contract_at_the_name_of_a_cluster(
    check: Callable[..., None], place: HadoopFolder, tmp_path: Path
) -> None:
    core.run(check, place, tmp_path)


def test_the_other_name_node_is_asked_when_it_has_become_the_active_one(
    place: HadoopFolder, pair: HadoopPair
) -> None:
    transport = place.transport()
    transport.write("a", b"one")

    pair.activate("two")
    transport.write("b", b"two")

    assert b"one" == transport.read("a")
    assert b"two" == place.transport().read("b")
    pair.activate("one")
    assert {"a", "b"} == {entry.key for entry in transport.list("")}


def test_a_name_node_that_died_is_not_missed(
    place: HadoopFolder, pair: HadoopPair, tmp_path: Path
) -> None:
    data = os.urandom(3 * MIB)
    (tmp_path / "x").write_bytes(data)
    transport = place.transport()
    transport.write("a", b"one")

    pair.kill("one")
    try:
        pair.activate("two")
        done = list(transport.upload_many([(f"{tmp_path}/x", "b", "")], 4, nothing))
        read = [transport.read("a"), place.transport().read("b")]
    finally:
        pair.revive("one")

    assert {} == errors(done)
    assert [b"one", data] == read


def test_what_is_asked_while_none_is_active_is_answered_when_one_is(
    place: HadoopFolder, pair: HadoopPair
) -> None:
    transport = place.transport()
    transport.write("a", b"x")
    pair.stand_by("one")
    takes_over = threading.Thread(target=pair.activate, args=("two",))

    takes_over.start()
    found = transport.read("a")
    takes_over.join()

    assert b"x" == found


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_a_name_node_that_stands_by_alone_is_said_at_once(
    scheme: str, pair: HadoopPair, tmp_path: Path
) -> None:
    """hdfs-native alone would try again for three minutes."""
    base = pair.hdfs_of("two") if scheme == "hdfs" else pair.web_of("two")
    transport = open_transport(RemoteConfig("far", f"{base}/open/x", {"user": USER}))
    start_s = time.monotonic()

    for error in every_call(transport, tmp_path):
        assert error.temporary  # type: ignore[attr-defined]
        assert not isinstance(error, AccessDenied)
        assert "stands by" in str(error)
        assert f"far url {scheme}://<cluster>/<path>" in str(error.hint)
    assert time.monotonic() - start_s < 60


def test_without_a_host_the_settings_default_counts(pair: HadoopPair, tmp_path: Path) -> None:
    place = HadoopFolder(pair, tmp_path.name, "hdfs")
    url = place.config.url.replace(pair.hdfs, "hdfs://")
    transport = open_transport(RemoteConfig("far", url, place.config.options))

    transport.write("a", b"x")

    assert b"x" == place.look("a")
