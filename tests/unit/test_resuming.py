"""What a dead fetch left is used again, and only if it is what it should be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pannier.core.digest import MD5
from pannier.core.events import Silent
from pannier.store import schemes, transfer
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import KEPT_NAMES, Staging
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.resuming import note_names
from pannier.store.statcache import StatCache
from tests.support import memory_transport
from tests.support.memory_transport import Place, place_of

OBJECTS = [b"one" * 1000, b"two" * 1000, b"three" * 1000]
NAMES = [hashlib.md5(data).hexdigest() for data in OBJECTS]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(schemes._TRANSPORTS, memory_transport.SCHEME, memory_transport.WHERE)
    return f"memory:/{tmp_path}"


@pytest.fixture
def place(url: str) -> Place:
    place = place_of(url)
    for name, data in zip(NAMES, OBJECTS, strict=True):
        place.objects[Remote.key(MD5, name)] = data
    return place


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"), StatCache(None))


def leave(store: Store, files: dict[str, bytes]) -> Path:
    """What a fetch leaves that ends without cleaning up."""
    store.make_dir(store.root)
    with Staging(store) as staging:
        note_names(staging, NAMES)
        for number, data in files.items():
            Path(staging.path, number).write_bytes(data)
        return Path(staging.path)


def fetch(store: Store, url: str) -> transfer.Transferred:
    sizes: dict[str, int | None] = dict.fromkeys(NAMES)
    return transfer.fetch(store, Remote(RemoteConfig("far", url)), NAMES, sizes, Pace(2), Silent())


def downloads(place: Place) -> list[str]:
    return sorted(key.replace("/", "")[8:] for kind, key in place.log if kind == "download")


def stored(store: Store) -> list[bytes]:
    return [Path(store.path(name)).read_bytes() for name in NAMES]


def test_what_arrived_before_is_not_asked_for_again(store: Store, place: Place, url: str) -> None:
    left = leave(store, {"0": OBJECTS[0], "2": OBJECTS[2]})

    report = fetch(store, url)

    assert (3, {}) == (report.done, report.failed)
    assert [NAMES[1]] == downloads(place)
    assert OBJECTS == stored(store)
    assert not left.exists()


@pytest.mark.parametrize("data", [OBJECTS[0][:-1], b"x" + OBJECTS[0][1:], OBJECTS[0] + b"x", b""])
def test_what_is_not_the_object_becomes_none(
    store: Store, place: Place, url: str, data: bytes
) -> None:
    leave(store, {"0": data})

    fetch(store, url)

    assert sorted(NAMES) == downloads(place)
    assert OBJECTS == stored(store)


@pytest.mark.parametrize("text", ["", "../x\n", "\xff\xfe", "a" * 40 + "\n", NAMES[0] * 2])
def test_a_list_that_is_damaged_is_no_help_and_no_harm(
    store: Store, place: Place, url: str, text: str
) -> None:
    left = leave(store, {"0": OBJECTS[0]})
    (left / KEPT_NAMES).write_text(text, "latin-1")

    fetch(store, url)

    assert sorted(NAMES) == downloads(place)
    assert OBJECTS == stored(store)


def test_links_and_files_with_another_name_are_left_alone(
    store: Store, place: Place, url: str, tmp_path: Path
) -> None:
    """Somebody could go on writing to them after their bytes were looked at."""
    left = leave(store, {})
    other = tmp_path / "other"
    other.write_bytes(OBJECTS[0])
    os.link(other, left / "0")
    (left / "1").symlink_to(other)

    fetch(store, url)

    assert sorted(NAMES) == downloads(place)
    assert OBJECTS[0] == other.read_bytes()
    assert 1 == os.stat(store.path(NAMES[0])).st_nlink


def test_what_another_fetch_works_on_is_not_taken_from_it(
    store: Store, place: Place, url: str
) -> None:
    store.make_dir(store.root)
    with Staging(store) as staging:
        note_names(staging, NAMES)
        Path(staging.path, "0").write_bytes(OBJECTS[0])

        fetch(store, url)

        assert OBJECTS[0] == Path(staging.path, "0").read_bytes()
    assert sorted(NAMES) == downloads(place)


def test_what_waits_for_the_next_fetch_is_swept_after_a_day(
    store: Store, place: Place, url: str
) -> None:
    young, old = leave(store, {"0": OBJECTS[0]}), leave(store, {"0": OBJECTS[0]})
    dead = [path.with_name(path.name.replace(str(os.getpid()), "4194305")) for path in (young, old)]
    for now, then in zip((young, old), dead, strict=True):
        now.rename(then)
    os.utime(dead[1], (1, 1))

    with Staging(store):
        assert [True, False] == [path.exists() for path in dead]
