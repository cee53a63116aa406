"""The transport contract (store/transport.py), clause by clause, for every kind of place."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.core.errors import CorruptObject, DiskError, NotThere
from pannier.store.ranges import read_range
from pannier.store.schemes import open_transport
from pannier.store.transport import Entry, Transport
from tests.contract.places import (
    Folder,
    GsBucket,
    HadoopFolder,
    Place,
    by_key,
    errors,
    failure,
    listed,
    nothing,
)
from tests.unit.test_proc import until

MIB = 1 << 20
# At and beside every border: one block, one part, several parts, ranged downloads.
SIZES = (0, 1, 10_240, MIB - 1, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1, 20 * MIB, 65 * MIB)
UNUSUAL_KEYS = (
    "with space",
    "percent%20sign",
    "plus+and&?#=",
    "quote'\"",
    "tilde~[{(<>)}]",
    "back\\slash",
    "ünï/çødé",
    "smile-\N{GRINNING FACE}",
    "...",
    "..foo",
    "new\nline",
    "tab\t",
    "x" * 200,
    "deep/" * 30 + "end",
)
WRONG = "0" * 32


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def make_file(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


# -- one key ----


def test_a_key_that_names_nothing_has_no_size(transport: Transport) -> None:
    assert transport.stat("files/md5/ab/cd") is None


def test_reading_a_key_that_names_nothing_says_so(transport: Transport) -> None:
    error = failure(lambda: transport.read("files/md5/ab/cd"))

    assert isinstance(error, NotThere)
    assert not error.temporary


def test_what_is_written_is_read_back(place: Place, transport: Transport) -> None:
    transport.write("runs/ab/cd", b"hello")

    assert b"hello" == transport.read("runs/ab/cd") == place.look("runs/ab/cd")
    assert Entry("runs/ab/cd", 5) == transport.stat("runs/ab/cd")


def test_writing_again_replaces(transport: Transport) -> None:
    transport.write("a/b", b"first")

    transport.write("a/b", b"then")

    assert b"then" == transport.read("a/b")


def test_a_folder_is_not_a_key(transport: Transport) -> None:
    transport.write("a/b", b"x")

    transport.delete("a")

    assert transport.stat("a") is None
    assert b"x" == transport.read("a/b")


def test_a_deleted_key_names_nothing(place: Place, transport: Transport) -> None:
    transport.write("a/b", b"x")
    transport.write("a/c", b"y")

    transport.delete("a/b")

    assert transport.stat("a/b") is None
    assert {"a/c"} == place.keys()


def test_deleting_what_is_not_there_is_no_error(transport: Transport) -> None:
    transport.delete("a/b")


# -- parts ----


PARTS = [(0, 4), (0, 10), (3, 7), (9, 10), (9, 99), (0, 99), (10, 11), (50, 60), (4, 4)]


@pytest.mark.parametrize("key", ["files/md5/ab/cd", "odd"])
def test_any_part_of_an_object_can_be_read(place: Place, transport: Transport, key: str) -> None:
    key = (*place.odd_keys, "odd")[0] if key == "odd" else key
    place.plant(key, b"0123456789")

    found = [read_range(transport, key, start, end) for start, end in PARTS]

    assert [b"0123456789"[start:end] for start, end in PARTS] == found


def test_an_empty_object_has_no_part(place: Place, transport: Transport) -> None:
    place.plant("a/b", b"")

    assert b"" == read_range(transport, "a/b", 0, 100)


def test_a_part_of_a_key_that_names_nothing_says_so(transport: Transport) -> None:
    error = failure(lambda: read_range(transport, "files/md5/ab/cd", 5, 9))

    assert isinstance(error, NotThere)
    assert not error.temporary


def test_a_part_in_the_middle_of_a_big_object_is_that_part(
    place: Place, transport: Transport
) -> None:
    data = os.urandom(3 * MIB)
    place.plant("a/b", data)

    assert data[MIB - 1 : 2 * MIB + 1] == read_range(transport, "a/b", MIB - 1, 2 * MIB + 1)


# -- whole files ----


def test_files_of_every_size_come_back_as_they_were(
    place: Place, transport: Transport, local: Path
) -> None:
    data = {f"files/md5/{n:02}/file": os.urandom(size) for n, size in enumerate(SIZES)}
    paths = {key: make_file(local, str(n), body) for n, (key, body) in enumerate(data.items())}

    up = list(transport.upload_many([(paths[k], k, md5_of(data[k])) for k in data], 8, nothing))
    wanted = [(key, path + ".back", md5_of(data[key])) for key, path in paths.items()]
    down = list(transport.download_many(wanted, 8, nothing))

    told = {(key, None, md5_of(body), len(body)) for key, body in data.items()}
    assert told == {(r.key, r.error, r.md5, r.size_bytes) for r in up}
    assert told == {(r.key, r.error, r.md5, r.size_bytes) for r in down}
    for key, body in data.items():
        assert body == Path(paths[key] + ".back").read_bytes()
    small = [key for key in data if len(data[key]) <= MIB]
    assert {key: data[key] for key in small} == {key: place.look(key) for key in small}


def test_the_bytes_that_travelled_are_told(transport: Transport, local: Path) -> None:
    sizes = {"a": 10_000, "b": 3 * MIB, "c": 9 * MIB}
    items = [(make_file(local, key, bytes(size)), key, "") for key, size in sizes.items()]
    up: list[int] = []
    down: list[int] = []

    list(transport.upload_many(items, 4, up.append))
    list(transport.download_many([(k, f"{local}/{k}.back", "") for k in sizes], 4, down.append))

    assert sum(sizes.values()) == sum(up) == sum(down)


@pytest.mark.parametrize("size", [3, 2 * MIB, 17 * MIB])
def test_bytes_that_differ_from_their_digest_are_not_published(
    place: Place, transport: Transport, local: Path, size: int
) -> None:
    source = make_file(local, "x", bytes(size))

    (result,) = transport.upload_many([(source, "files/md5/00/0", WRONG)], 4, nothing)

    assert isinstance(result.error, CorruptObject)
    assert md5_of(bytes(size)) == result.error.found
    assert set() == place.keys()


def test_bytes_that_differ_from_their_digest_replace_nothing(
    place: Place, transport: Transport, local: Path
) -> None:
    place.plant("a/b", b"good")
    source = make_file(local, "x", b"evil")

    list(transport.upload_many([(source, "a/b", WRONG)], 4, nothing))

    assert b"good" == place.look("a/b")


@pytest.mark.parametrize("old", [b"same size!", b"another size"])
def test_an_upload_replaces_an_object_of_other_content(
    place: Place, transport: Transport, local: Path, old: bytes
) -> None:
    place.plant("files/md5/ab/cd", old)
    source = make_file(local, "x", b"0123456789")

    list(transport.upload_many([(source, "files/md5/ab/cd", md5_of(b"0123456789"))], 4, nothing))

    assert b"0123456789" == place.look("files/md5/ab/cd")


def test_an_upload_of_the_same_content_changes_nothing(
    place: Place, transport: Transport, local: Path
) -> None:
    place.plant("files/md5/ab/cd", b"0123456789")
    source = make_file(local, "x", b"0123456789")

    (result,) = transport.upload_many([(source, "files/md5/ab/cd", "")], 4, nothing)

    assert result.error is None
    assert {"files/md5/ab/cd"} == place.keys()


@pytest.mark.parametrize("size", [3, 2 * MIB, 65 * MIB])
def test_a_download_with_another_digest_leaves_no_file(
    place: Place, transport: Transport, local: Path, size: int
) -> None:
    place.plant("a/b", bytes(size))
    target = local / "x"

    (result,) = transport.download_many([("a/b", str(target), WRONG)], 4, nothing)

    assert isinstance(result.error, CorruptObject)
    assert md5_of(bytes(size)) == result.error.found == result.md5
    assert not target.exists()


def test_a_download_never_overwrites(place: Place, transport: Transport, local: Path) -> None:
    place.plant("a/b", b"remote")
    target = make_file(local, "x", b"mine")

    (result,) = transport.download_many([("a/b", target, "")], 4, nothing)

    assert isinstance(result.error, DiskError)
    assert b"mine" == Path(target).read_bytes()


def test_a_download_goes_on_behind_what_is_there(
    place: Place, transport: Transport, local: Path
) -> None:
    """A beginning is believed only under a digest that is right in the end (D2)."""
    go_on = getattr(transport, "continue_many", None)
    if go_on is None:
        # What is there is copied by the system, at once; the library of HDFS reads from the start.
        assert isinstance(place, Folder | HadoopFolder)
        return
    data = os.urandom(3 * MIB)
    place.plant("a/b", data)
    right = hashlib.md5(data).hexdigest()
    beginnings = {
        "none": None,
        "half": data[: 2 * MIB],
        "whole": data,
        "damaged": b"x" * MIB,
        "damaged to the end": b"x" * len(data),
        "longer": data + b"x",
    }
    travelled = {}
    for name, beginning in beginnings.items():
        target = local / name
        if beginning is not None:
            target.write_bytes(beginning)
        told: list[int] = []
        (result,) = go_on([("a/b", str(target), right)], 1, told.append)
        assert (None, right, len(data)) == (result.error, result.md5, result.size_bytes)
        assert data == target.read_bytes()
        travelled[name] = sum(told)
    # rclone, which stands in the place of Google's server, sends the whole for a part.
    half = 3 * MIB if isinstance(place, GsBucket) else MIB
    assert (3 * MIB, half, 0) == tuple(travelled[name] for name in ("none", "half", "whole"))

    (result,) = go_on([("a/b", str(local / "half"), WRONG)], 1, nothing)
    assert isinstance(result.error, CorruptObject)
    assert not (local / "half").exists()


def test_one_item_that_fails_does_not_stop_the_others(
    place: Place, transport: Transport, local: Path
) -> None:
    good = make_file(local, "x", b"good")
    up = [(good, "a/1", ""), (f"{local}/none", "a/2", ""), (good, "a/3", WRONG), (good, "a/4", "")]
    down = [("a/1", f"{local}/1", ""), ("a/2", f"{local}/2", ""), ("a/4", f"{local}/4", "")]

    uploaded = list(transport.upload_many(up, 2, nothing))
    downloaded = list(transport.download_many(down, 2, nothing))

    assert {"a/2": "DiskError", "a/3": "CorruptObject"} == errors(uploaded)
    assert {"a/1", "a/4"} == place.keys()
    assert {"a/2": "NotThere"} == errors(downloaded)
    assert {"x", "1", "4"} == {path.name for path in local.iterdir()}


def test_nothing_to_do_is_done_at_once(transport: Transport) -> None:
    assert [] == list(transport.upload_many([], 4, nothing))
    assert [] == list(transport.download_many([], 4, nothing))
    transport.flush()


def test_a_flush_may_follow_every_upload(place: Place, transport: Transport, local: Path) -> None:
    source = make_file(local, "x", b"x")

    for number in range(3):
        list(transport.upload_many([(source, f"files/md5/0{number}/x", "")], 1, nothing))
        transport.flush()

    assert 3 == len(listed(place, transport))


# -- keys ----


def test_unusual_keys_are_kept_to_the_letter(
    place: Place, transport: Transport, local: Path
) -> None:
    keys = {key for key in UNUSUAL_KEYS if not set(key) & set(place.impossible)}
    keys |= set(place.odd_keys)
    source = make_file(local, "x", b"body")

    up = list(transport.upload_many([(source, key, "") for key in keys], 8, nothing))

    assert {} == errors(up)
    assert keys == place.keys()
    assert keys == listed(place, transport)

    wanted = [(key, f"{local}/{number}", "") for number, key in enumerate(keys)]
    down = list(transport.download_many(wanted, 8, nothing))

    assert {} == errors(down)
    for key in keys:
        assert Entry(key, 4) == transport.stat(key)
        assert b"body" == transport.read(key)
        transport.write(key, b"again")
        transport.delete(key)
    assert set() == place.keys()


# -- listing ----


def test_a_listing_tells_keys_and_sizes(place: Place, transport: Transport) -> None:
    place.plant("files/md5/00/a", b"1")
    place.plant("files/md5/ff/b", b"22")
    place.plant("runs/00/c", b"")

    assert {Entry("files/md5/00/a", 1), Entry("files/md5/ff/b", 2)} == set(
        transport.list("files/md5/")
    )
    assert {Entry("runs/00/c", 0)} == set(transport.list("runs"))


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("f", {"f/00/a", "f/01/b", "f/0a/c", "f/10/d", "f0"}),
        ("f/", {"f/00/a", "f/01/b", "f/0a/c", "f/10/d"}),
        ("f/0", {"f/00/a", "f/01/b", "f/0a/c"}),
        ("f/01", {"f/01/b"}),
        ("f/01/", {"f/01/b"}),
        ("f/01/b", {"f/01/b"}),
        ("f/1", {"f/10/d"}),
        ("f/2", set()),
        ("g/", set()),
        ("g/h/i", set()),
    ],
)
def test_a_prefix_may_end_in_the_middle_of_a_name(
    place: Place, transport: Transport, prefix: str, found: set[str]
) -> None:
    for key in ("f/00/a", "f/01/b", "f/0a/c", "f/10/d", "f0", "e/z"):
        place.plant(key, b"x")

    assert found == {entry.key for entry in transport.list(prefix)}


def test_an_empty_place_lists_nothing(transport: Transport) -> None:
    assert [] == list(transport.list(""))


def test_a_listing_of_several_pages_is_complete(
    place: Place, transport: Transport, local: Path
) -> None:
    source = make_file(local, "x", b"x")
    keys = {f"files/md5/{number % 16:02x}/{number:04}" for number in range(place.page * 5 // 2)}
    list(transport.upload_many([(source, key, "") for key in keys], 32, nothing))

    assert keys == {entry.key for entry in transport.list("")}
    assert {key for key in keys if key.startswith("files/md5/0")} == {
        entry.key for entry in transport.list("files/md5/0")
    }
    assert {key for key in keys if key > "files/md5/08"} <= {
        entry.key for entry in transport.list("files/md5/", "files/md5/08")
    }


def test_a_listing_may_be_left_early(place: Place, transport: Transport) -> None:
    for number in range(3):
        place.plant(f"a/{number}", b"")
    listing = transport.list("a/")

    next(listing)
    listing.close()  # type: ignore[attr-defined]

    assert 3 == len(list(transport.list("a/")))


# -- together, and not to the end ----


def test_several_threads_may_use_one_transport(
    place: Place, transport: Transport, local: Path
) -> None:
    found: dict[int, list[bytes]] = {}

    def work(number: int) -> None:
        body = b"%d" % number * 1000
        source = make_file(local, str(number), body)
        keys = [f"files/md5/{n:02}/{number}" for n in range(5)]
        list(transport.upload_many([(source, key, md5_of(body)) for key in keys], 4, nothing))
        transport.flush()
        assert set(keys) <= listed(place, transport)
        found[number] = [transport.read(key) for key in keys]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {n: [b"%d" % n * 1000] * 5 for n in range(6)} == found


def test_items_are_taken_in_the_callers_thread(transport: Transport, local: Path) -> None:
    source = make_file(local, "x", b"x")
    takers = set()

    def items() -> Iterator[tuple[str, str, str]]:
        for number in range(50):
            takers.add(threading.get_ident())
            yield source, f"a/{number}", ""

    list(transport.upload_many(items(), 8, nothing))

    assert {threading.get_ident()} == takers


def test_closing_the_iterator_stops_taking_items(
    place: Place, transport: Transport, local: Path
) -> None:
    source = make_file(local, "x", b"x")
    taken = 0

    def items() -> Iterator[tuple[str, str, str]]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield source, f"a/{number}", ""

    transport.write("b", b"x")  # a transport may have threads of its own from its first request on
    before = set(threading.enumerate())
    results = transport.upload_many(items(), 4, nothing)
    next(results)
    results.close()  # type: ignore[attr-defined]

    assert taken < 5_000
    until(lambda: before.issuperset(threading.enumerate()))


UPLOAD = """
import os, sys, threading
from pannier.store.schemes import open_transport
from pannier.store.remote_config import RemoteConfig

half, lock = os.path.getsize(sys.argv[2]) // 2, threading.Lock()
told = 0

def tell(count):
    global told
    print(count, flush=True)
    with lock:
        told += count
    if told >= half:
        threading.Event().wait()  # whenever it is killed, it is in the middle

transport = open_transport(RemoteConfig(*eval(sys.argv[1])))
print([r.error for r in transport.upload_many([(sys.argv[2], "a/b", "")], 4, tell)])
"""


def test_a_killed_upload_leaves_no_key_and_can_be_repeated(
    place: Place, transport: Transport, local: Path
) -> None:
    size = 128 * MIB
    source = local / "big"
    with source.open("wb") as file:
        file.truncate(size)
    config = place.config
    told = repr((config.name, config.url, config.options, config.protected))
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, told, source], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()

    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert 0 < int(first) < size
    assert place.transport().stat("a/b") is None
    assert set() == listed(place, transport)

    (result,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)

    assert (None, size) == (result.error, result.size_bytes)
    assert Entry("a/b", size) == transport.stat("a/b")


def test_a_new_transport_sees_what_another_wrote(place: Place, transport: Transport) -> None:
    transport.write("a/b", b"x")
    transport.close()

    assert b"x" == open_transport(place.config).read("a/b")


def test_a_bulk_call_gives_one_result_for_every_item(transport: Transport, local: Path) -> None:
    source = make_file(local, "x", b"x")
    keys = [f"a/{number}" for number in range(60)]

    results = by_key(transport.upload_many([(source, key, "") for key in keys], 16, nothing))

    assert set(keys) == set(results)
