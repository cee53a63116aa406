"""Carrying out a transfer: files first, every byte checked, what is temporary tried again."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import AccessDenied, CorruptObject, TransportError, Unreachable
from pannier.core.events import Silent
from pannier.core.plan import TransferPlan
from pannier.store import transfer
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.statcache import StatCache
from pannier.store.transport import Result
from tests.support.memory_transport import Place
from tests.support.opened import make_read_only_file


@pytest.fixture
def remote(url: str) -> Remote:
    return Remote(RemoteConfig("store", url))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"), StatCache(None))


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def put(store: Store, data: bytes, name: str = "") -> str:
    name = name or md5(data)
    make_read_only_file(Path(store.path(name)), data)
    return name


def uploads(place: Place) -> list[str]:
    return [key.replace("/", "")[8:] for kind, key in place.log if kind == "upload"]


def push(store: Store, remote: Remote, plan: TransferPlan) -> transfer.Transferred:
    return transfer.push(store, remote, plan, Pace(4), Silent())


# -- push ----


def test_files_travel_before_the_manifests_that_name_them(
    store: Store, remote: Remote, place: Place
) -> None:
    files = sorted(put(store, b"%d" % n) for n in range(5))
    manifest = put(store, b"[]", md5(b"[]") + ".dir")

    report = push(store, remote, TransferPlan(files, {manifest: files}, []))

    assert (6, {}) == (report.done, report.failed)
    assert [*files, manifest] == uploads(place)
    # What is there survives a crash of the remote before anything refers to it.
    kinds = [kind for kind, _ in place.log]
    assert ["upload"] * 5 + ["flush", "upload", "flush"] == kinds
    assert b"3" == place.objects[Remote.key(MD5, md5(b"3"))]


def test_a_manifest_stays_here_when_one_of_its_files_did_not_arrive(
    store: Store, remote: Remote, place: Place
) -> None:
    good, bad = put(store, b"good"), put(store, b"bad")
    waits, goes = put(store, b"w", "1" * 32 + ".dir"), put(store, b"[]", md5(b"[]") + ".dir")
    place.faults["upload", Remote.key(MD5, bad)] = [TransportError("refused")]

    report = push(store, remote, TransferPlan([good, bad], {waits: [good, bad], goes: [good]}, []))

    assert (2, {bad: "refused"}) == (report.done, {n: str(e) for n, e in report.failed.items()})
    assert {good, bad, goes} == set(uploads(place))
    assert Remote.key(MD5, waits) not in place.objects


def test_a_damaged_object_goes_to_quarantine_and_not_to_the_remote(
    store: Store, remote: Remote, place: Place
) -> None:
    bad, good = put(store, b"damaged", "0" * 32), put(store, b"good")

    report = push(store, remote, TransferPlan([bad, good], {}, []))

    assert isinstance(report.failed[bad], CorruptObject)
    assert [Remote.key(MD5, good)] == list(place.objects)
    assert not store.has(bad)
    assert 1 == len(os.listdir(f"{store.root}/quarantine"))


def test_an_old_object_is_checked_before_it_travels(
    remote: Remote, place: Place, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "old"), StatCache(None), LEGACY)
    text = put(store, b"a\r\n", md5(b"a\n"))
    bad = put(store, b"damaged", "0" * 32)
    manifest = put(store, b"[]", md5(b"[]") + ".dir")

    report = push(store, remote, TransferPlan([bad, text], {manifest: [bad, text]}, []))

    assert [bad] == list(report.failed)
    assert {Remote.key(LEGACY, text): b"a\r\n"} == place.objects


def test_what_is_temporary_is_tried_again(store: Store, remote: Remote, place: Place) -> None:
    names = [put(store, b"%d" % number) for number in range(3)]
    place.faults["upload", Remote.key(MD5, names[1])] = [Unreachable("a"), Unreachable("b")]

    report = push(store, remote, TransferPlan(names, {}, []))

    assert (3, {}) == (report.done, report.failed)
    assert [*names, names[1], names[1]] == uploads(place)


def test_what_stays_unreachable_is_given_up(store: Store, remote: Remote, place: Place) -> None:
    names = [put(store, b"%d" % number) for number in range(2)]
    place.faults["upload", Remote.key(MD5, names[0])] = [Unreachable("no")] * 99

    report = push(store, remote, TransferPlan(names, {}, []))

    assert (1, [names[0]]) == (report.done, list(report.failed))
    assert 5 == uploads(place).count(names[0])


def test_without_rights_nothing_more_is_tried(store: Store, remote: Remote, place: Place) -> None:
    names = [put(store, b"%d" % number) for number in range(9)]
    place.faults["upload", Remote.key(MD5, names[0])] = [AccessDenied("no")]

    with pytest.raises(AccessDenied):
        push(store, remote, TransferPlan(names, {}, []))
    assert 1 == len(uploads(place))


def test_a_server_that_is_gone_is_not_asked_for_every_object(
    store: Store, remote: Remote, place: Place
) -> None:
    names = [put(store, b"%d" % number) for number in range(300)]
    for name in names:
        place.faults["upload", Remote.key(MD5, name)] = [Unreachable("gone")] * 99

    report = push(store, remote, TransferPlan(names, {}, []))

    assert set(names) == set(report.failed)
    assert {"gone"} == {str(error) for error in report.failed.values()}
    assert len(uploads(place)) <= 150


def test_a_server_that_is_gone_is_asked_for_nothing_of_what_comes_after(
    store: Store, remote: Remote, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_UPLOAD_FILES", 50)
    names = [put(store, b"%d" % number) for number in range(120)]
    for name in names[50:]:
        place.faults["upload", Remote.key(MD5, name)] = [Unreachable("gone")] * 99

    report = push(store, remote, TransferPlan(names, {}, []))

    assert (50, set(names[50:])) == (report.done, set(report.failed))
    assert not set(uploads(place)) & set(names[100:])


def test_a_server_that_is_gone_is_asked_for_nothing_of_the_next_group(
    store: Store, remote: Remote, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_GROUP_FILES", 50)
    names = [plant(place, b"%d" % number) for number in range(120)]
    for name in names[50:]:
        place.faults["download", Remote.key(MD5, name)] = [Unreachable("gone")] * 99

    report = fetch(store, remote, names)

    assert (50, set(names[50:])) == (report.done, set(report.failed))
    asked = {key.replace("/", "")[8:] for kind, key in place.log if kind == "download"}
    assert not asked & set(names[100:])


def test_uploads_are_got_ready_so_many_at_a_time(
    store: Store, remote: Remote, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_UPLOAD_FILES", 3)
    names = [put(store, b"%d" % number) for number in range(8)]
    counts: list[int] = []
    send = remote.transport.upload_many

    def counted(items: list[tuple[str, str, str]], *rest: Any) -> Iterator[Result]:
        counts.append(len(items))
        return send(items, *rest)

    monkeypatch.setattr(remote.transport, "upload_many", counted)

    report = push(store, remote, TransferPlan(names, {}, []))

    assert (8, [3, 3, 2]) == (report.done, counts)


def test_a_server_that_comes_back_gets_everything(
    store: Store, remote: Remote, place: Place
) -> None:
    names = [put(store, b"%d" % number) for number in range(300)]
    for name in names[:50]:
        place.faults["upload", Remote.key(MD5, name)] = [Unreachable("gone")]

    report = push(store, remote, TransferPlan(names, {}, []))

    assert (300, {}) == (report.done, report.failed)


# -- fetch ----


def fetch(store: Store, remote: Remote, names: list[str]) -> transfer.Transferred:
    return transfer.fetch(store, remote, names, {}, Pace(4), Silent())


def plant(place: Place, data: bytes, name: str = "") -> str:
    name = name or md5(data)
    place.objects[Remote.key(MD5, name)] = data
    return name


@pytest.mark.parametrize("count", [1, 40])
def test_what_is_fetched_is_an_object(
    store: Store, remote: Remote, place: Place, count: int
) -> None:
    names = [plant(place, b"%d" % number) for number in range(count)]

    report = fetch(store, remote, names)

    assert (count, {}) == (report.done, report.failed)
    assert set(names) == set(store.listing())
    assert set() == store.verify(names)
    assert {0o444} == {stat.S_IMODE(os.stat(store.path(name)).st_mode) for name in names}
    assert [] == os.listdir(f"{store.root}/tmp")


def test_wrong_bytes_never_become_an_object(store: Store, remote: Remote, place: Place) -> None:
    bad, good = plant(place, b"damaged", "0" * 32), plant(place, b"good")

    report = fetch(store, remote, [bad, good])

    assert isinstance(report.failed[bad], CorruptObject)
    assert (1, {good}) == (report.done, set(store.listing()))


def test_an_old_object_is_checked_the_old_way(remote: Remote, place: Place, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "old"), StatCache(None), LEGACY)
    text, bad = md5(b"a\n"), "0" * 32
    place.objects[Remote.key(LEGACY, text)] = b"a\r\n"
    place.objects[Remote.key(LEGACY, bad)] = b"damaged"

    report = fetch(store, remote, [text, bad])

    assert [bad] == list(report.failed)
    assert b"a\r\n" == Path(store.path(text)).read_bytes()
    assert not store.has(bad)


def test_one_object_that_is_not_there_does_not_stop_the_others(
    store: Store, remote: Remote, place: Place
) -> None:
    good = plant(place, b"good")

    report = fetch(store, remote, ["0" * 32, good])

    assert (1, ["0" * 32]) == (report.done, list(report.failed))
    assert store.has(good)


def test_a_download_that_broke_off_is_tried_again(
    store: Store, remote: Remote, place: Place
) -> None:
    name = plant(place, b"good")
    place.faults["download", Remote.key(MD5, name)] = [Unreachable("no"), Unreachable("no")]

    report = fetch(store, remote, [name])

    assert (1, {}) == (report.done, report.failed)
    assert b"good" == store.read(name)


def test_nothing_to_fetch_asks_nobody(store: Store, remote: Remote, place: Place) -> None:
    assert 0 == fetch(store, remote, []).done
    assert 0 == place.requests.total()
    assert not os.path.exists(store.root)
