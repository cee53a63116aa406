"""Remote: a transport seen as a store far away."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import AccessDenied, CorruptObject, NotThere, Unreachable
from pannier.core.events import Silent
from pannier.store import schemes
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from tests.support import memory_transport
from tests.support.memory_transport import Place, place_of

A, B = "a" * 32, "b" * 32


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(schemes._TRANSPORTS, memory_transport.SCHEME, memory_transport.WHERE)
    return f"memory:/{tmp_path}"


@pytest.fixture
def place(url: str) -> Place:
    return place_of(url)


@pytest.fixture
def remote(url: str) -> Remote:
    return Remote(RemoteConfig("store", url))


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def plant(place: Place, names: list[str], data: bytes = b"12345") -> None:
    for name in names:
        place.objects[Remote.key(MD5, name)] = data


def test_objects_of_either_age_have_their_own_layout() -> None:
    assert f"files/md5/aa/{A[2:]}" == Remote.key(MD5, A)
    assert f"aa/{A[2:]}" == Remote.key(LEGACY, A)
    assert f"files/md5/aa/{A[2:]}.dir" == Remote.key(MD5, A + ".dir")


def test_jobs_are_the_remotes_own_or_what_does_well_there(url: str) -> None:
    assert 4 == Remote(RemoteConfig("store", url)).jobs
    assert 9 == Remote(RemoteConfig("store", url, {"jobs": "9"})).jobs


def names_of(count: int) -> list[str]:
    return [md5(b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("jobs", [1, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 500])
def test_present_tells_what_is_there_with_its_size(
    remote: Remote, place: Place, count: int, jobs: int
) -> None:
    names = names_of(count)
    plant(place, names[::2])

    found = remote.present(MD5, names, jobs, Silent())

    assert dict.fromkeys(names[::2], 5) == found


def test_few_objects_are_asked_for_one_by_one(remote: Remote, place: Place) -> None:
    remote.present(MD5, names_of(64), 4, Silent())

    assert {"stat": 64} == dict(place.requests)


def test_many_objects_are_listed_where_that_takes_fewer_requests(
    remote: Remote, place: Place
) -> None:
    names = names_of(2000)

    remote.present(MD5, names, 4, Silent())

    assert {"list": len({name[:2] for name in names}) + 1} == dict(place.requests)


def test_a_remote_with_very_many_more_objects_is_not_listed(remote: Remote, place: Place) -> None:
    plant(place, [f"000{number:029x}" for number in range(50)])

    remote.present(MD5, names_of(100), 4, Silent())

    assert {"list": 1, "stat": 100} == dict(place.requests)


def test_only_the_folders_of_the_wanted_are_listed(remote: Remote, place: Place) -> None:
    remote.present(MD5, [f"0{n % 3}{n:030x}" for n in range(70)], 4, Silent())

    assert 3 + 1 == place.requests["list"]


def test_what_is_no_object_is_not_found(remote: Remote, place: Place) -> None:
    names = names_of(65)
    place.objects["files/md5/../" + A] = b""
    place.objects[f"files/md5/aa/{A[2:]}.tmp"] = b""
    place.objects[f"files/md5/tmp/{A}"] = b""

    assert {} == remote.present(MD5, names, 4, Silent())


def test_a_request_that_fails_is_no_silence(remote: Remote, place: Place) -> None:
    place.faults["stat", Remote.key(MD5, A)] = [Unreachable("no")] * 3

    with pytest.raises(Unreachable):
        remote.present(MD5, [A, B], 2, Silent())


def test_a_question_is_asked_again_when_the_place_was_busy(
    remote: Remote, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pannier.store.remote._PAUSES_S", (0.0, 0.0))
    plant(place, [A])
    place.faults["stat", Remote.key(MD5, A)] = [Unreachable("no")] * 2
    place.faults["list", "files/md5/aa/"] = [Unreachable("no")]
    place.faults["stat", Remote.key(MD5, B)] = [AccessDenied("no")]

    assert {A: 5} == remote.present(MD5, [A], 2, Silent())
    assert {A: 5} == remote.listing(MD5, 2, Silent())
    with pytest.raises(AccessDenied):
        remote.present(MD5, [B], 2, Silent())


def test_a_manifest_is_verified_when_it_is_read(remote: Remote, place: Place) -> None:
    good = md5(b"[]") + ".dir"
    plant(place, [good], b"[]")
    plant(place, [A + ".dir"], b"damaged")

    assert b"[]" == remote.read(MD5, good)
    with pytest.raises(CorruptObject, match="remote 'store'"):
        remote.read(MD5, A + ".dir")
    with pytest.raises(NotThere):
        remote.read(MD5, B + ".dir")


def test_many_manifests_are_read_and_what_is_not_to_be_had_is_told(
    remote: Remote, place: Place
) -> None:
    good = md5(b"[]") + ".dir"
    plant(place, [good], b"[]")
    plant(place, [A + ".dir"], b"damaged")

    found, failed = remote.read_many(MD5, [good, A + ".dir", B + ".dir"], 4)

    assert {good: b"[]"} == found
    assert {A + ".dir": "CorruptObject", B + ".dir": "NotThere"} == {
        name: type(error).__name__ for name, error in failed.items()
    }
    assert ({}, {}) == remote.read_many(MD5, [], 4)
