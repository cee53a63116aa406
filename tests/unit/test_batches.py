"""What is done to many files at once: the rules that concern one file (docs/durability.md, 3)."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from array import array
from pathlib import Path

import pytest

from pannier.core.digest import LEGACY, MD5
from pannier.disk import batches, taking_out
from pannier.disk.batches import (
    CANNOT,
    CORRUPT,
    DONE,
    EXECUTABLE,
    EXISTS,
    FAILED,
    MISSING,
    MOVED,
    PRIVATE,
    SETTLED,
)
from pannier.disk.walk import FIELDS, stat_key

NEVER = bytes(FIELDS * 8)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def packed(*paths: Path) -> bytes:
    """The stats of files, as columns."""
    return b"".join(array("q", stat_key(os.lstat(path))).tobytes() for path in paths)


def put(store: Path, data: bytes, name: str = "") -> str:
    """Makes an object; name: when it is not its digest."""
    name = name or md5(data)
    path = store / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o444)
    return name


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


# -- hashing ----


def test_hashing_tells_digests_stats_and_what_kind_of_file_it_was(work: Path) -> None:
    for name, mode in (("plain", 0o644), ("private", 0o600), ("program", 0o755)):
        (work / name).write_text(name)
        (work / name).chmod(mode)

    digests, stats, flags, errors = batches.hash_batch(
        str(work), ["plain", "private", "program"], MD5
    )

    assert [md5(b"plain"), md5(b"private"), md5(b"program")] == [
        digests[at : at + 16].hex() for at in (0, 16, 32)
    ]
    assert packed(work / "plain", work / "private", work / "program") == stats
    assert [SETTLED, SETTLED | PRIVATE, SETTLED | EXECUTABLE] == list(flags)
    assert [] == errors


def test_a_file_open_for_writing_is_hashed_but_not_settled(work: Path) -> None:
    (work / "f").write_text("x")
    with open(work / "f", "ab"):
        _, _, flags, _ = batches.hash_batch(str(work), ["f"], MD5)

    assert 0 == flags[0] & SETTLED


def test_a_file_that_cannot_be_read_keeps_its_place_in_the_columns(work: Path) -> None:
    (work / "a").write_text("a")
    (work / "c").write_text("c")
    (work / "d").mkdir()

    digests, stats, flags, errors = batches.hash_batch(str(work), ["a", "gone", "d", "c"], MD5)

    assert [(1, errno.ENOENT), (2, errno.EISDIR)] == errors
    assert [FAILED, FAILED] == list(flags[1:3])
    assert bytes(32) == digests[16:48]
    assert md5(b"c") == digests[48:].hex()
    assert 4 * FIELDS * 8 == len(stats)


def test_the_old_way_of_hashing_is_one_of_the_algorithms(work: Path) -> None:
    (work / "f").write_bytes(b"a\r\n")

    assert md5(b"a\n") == batches.hash_batch(str(work), ["f"], LEGACY)[0].hex()


def test_a_pipe_does_not_hang(work: Path) -> None:
    os.mkfifo(work / "pipe")

    batches.hash_batch(str(work), ["pipe"], MD5)


# -- into the store ----


def test_staging_copies_the_bytes_that_it_hashes(work: Path, staging: Path) -> None:
    (work / "a").write_text("aa")
    (work / "b").write_text("b")
    (work / "b").chmod(0o600)

    digests, stats, flags, errors = batches.stage_batch(
        str(work), ["a", "b"], str(staging), 7, False, MD5
    )

    assert b"aa" == (staging / "7").read_bytes()
    assert b"b" == (staging / "8").read_bytes()
    assert (md5(b"aa"), md5(b"b")) == (digests[:16].hex(), digests[16:].hex())
    assert packed(work / "a", work / "b") == stats
    assert ([SETTLED, SETTLED | PRIVATE], []) == (list(flags), errors)


def test_a_copy_is_read_only_and_as_private_as_the_file(work: Path, staging: Path) -> None:
    (work / "a").write_text("a")
    (work / "b").write_text("b")
    (work / "b").chmod(0o600)

    batches.stage_batch(str(work), ["a", "b"], str(staging), 0, False, MD5)

    modes = [stat.S_IMODE(os.stat(staging / name).st_mode) for name in ("0", "1")]
    assert [0o444, 0o400] == modes
    assert 0o600 == stat.S_IMODE(os.stat(work / "b").st_mode)


def test_a_file_that_vanished_is_told_and_the_others_are_staged(work: Path, staging: Path) -> None:
    (work / "b").write_text("b")

    _, _, _, errors = batches.stage_batch(str(work), ["a", "b"], str(staging), 0, False, MD5)

    assert [(0, errno.ENOENT)] == errors
    assert ["1"] == os.listdir(staging)


def test_publishing_gives_digests_as_names_and_never_replaces(staging: Path, store: Path) -> None:
    old = put(store, b"old", md5(b"b"))
    (store / md5(b"a")[:2]).mkdir(exist_ok=True)
    (staging / "0").write_bytes(b"a")
    (staging / "1").write_bytes(b"b")

    outcomes, stats = batches.publish_batch(
        str(staging), [0, 1], [md5(b"a"), old], str(store), False
    )

    made = store / md5(b"a")[:2] / md5(b"a")[2:]
    kept = store / old[:2] / old[2:]
    assert [DONE, EXISTS] == list(outcomes)
    assert (b"a", b"old") == (made.read_bytes(), kept.read_bytes())
    assert packed(made, kept) == stats
    assert ["1"] == os.listdir(staging)


def link_in(work: Path, store: Path, name: str, seen: bytes) -> int:
    digest = md5((work / name).read_bytes())
    (store / digest[:2]).mkdir(exist_ok=True)
    outcomes, _ = batches.link_in_batch(str(work), [name], seen, [digest], str(store))
    return outcomes[0]


def test_a_file_becomes_an_object_by_one_more_name(work: Path, store: Path) -> None:
    (work / "f").write_text("f")
    digest = md5(b"f")
    (store / digest[:2]).mkdir()

    outcomes, stats = batches.link_in_batch(
        str(work), ["f"], packed(work / "f"), [digest], str(store)
    )

    made = store / digest[:2] / digest[2:]
    assert [DONE] == list(outcomes)
    assert os.path.samefile(work / "f", made)
    assert packed(made) == stats
    assert 0o444 == stat.S_IMODE(os.stat(made).st_mode)


def test_a_file_that_moved_on_since_it_was_hashed_becomes_no_object(
    work: Path, store: Path
) -> None:
    (work / "f").write_text("f")
    seen = packed(work / "f")
    (work / "f").write_text("g")

    assert MOVED == link_in(work, store, "f", seen)
    assert [] == [path for path in store.rglob("*") if path.is_file()]


def test_a_file_open_for_writing_becomes_no_object(work: Path, store: Path) -> None:
    (work / "f").write_text("f")
    with open(work / "f", "ab"):
        assert CANNOT == link_in(work, store, "f", packed(work / "f"))
    assert [] == [path for path in store.rglob("*") if path.is_file()]


def test_an_object_that_is_there_is_not_replaced_by_the_file(work: Path, store: Path) -> None:
    (work / "f").write_text("f")
    name = put(store, b"f")
    inode = os.stat(store / name[:2] / name[2:]).st_ino

    assert EXISTS == link_in(work, store, "f", packed(work / "f"))
    assert inode == os.stat(store / name[:2] / name[2:]).st_ino
    assert 0o444 != stat.S_IMODE(os.stat(work / "f").st_mode)


# -- out of the store ----


def link_out(
    store: Path,
    work: Path,
    names: list[str],
    kind: str,
    known: bytes = b"",
    executable: bool = False,
) -> tuple[list[int], bytes, bytes]:
    outcomes, files = taking_out.link_out_batch(
        str(store),
        names,
        known or NEVER * len(names),
        str(work),
        [f"f{number}" for number in range(len(names))],
        kind,
        executable,
        MD5,
    )
    return list(outcomes), files


@pytest.mark.parametrize("kind", ["copy", "reflink", "hardlink", "symlink"])
def test_files_are_made_from_objects(store: Path, work: Path, kind: str) -> None:
    names = [put(store, b"one"), put(store, b"two")]

    outcomes, files = link_out(store, work, names, kind)

    assert [DONE, DONE] == outcomes
    assert [b"one", b"two"] == [(work / name).read_bytes() for name in ("f0", "f1")]
    assert files == b"".join(
        array("q", stat_key(os.stat(work / name))).tobytes() for name in ("f0", "f1")
    )


def test_each_kind_of_link_is_of_that_kind(store: Path, work: Path) -> None:
    name = put(store, b"one")
    made = store / name[:2] / name[2:]

    link_out(store, work, [name], "symlink")
    (work / "f0").rename(work / "sym")
    link_out(store, work, [name], "hardlink")
    (work / "f0").rename(work / "hard")
    link_out(store, work, [name], "copy", executable=True)

    assert str(made) == os.readlink(work / "sym")
    assert os.path.samefile(made, work / "hard")
    assert not os.path.samefile(made, work / "f0")
    assert os.stat(work / "f0").st_mode & 0o100


def test_an_empty_object_is_never_linked_hard(store: Path, work: Path) -> None:
    name = put(store, b"")

    link_out(store, work, [name], "hardlink")

    assert 1 == os.stat(store / name[:2] / name[2:]).st_nlink
    assert b"" == (work / "f0").read_bytes()


@pytest.mark.parametrize("kind", ["copy", "reflink", "hardlink", "symlink"])
def test_a_damaged_object_is_handed_to_nobody(store: Path, work: Path, kind: str) -> None:
    bad, good = put(store, b"damaged", "0" * 32), put(store, b"good")

    outcomes, _ = link_out(store, work, [bad, good], kind)

    assert [CORRUPT, DONE] == outcomes
    assert ["f1"] == os.listdir(work)


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_a_missing_object_makes_no_file(store: Path, work: Path, kind: str) -> None:
    assert [MISSING] == link_out(store, work, ["1" * 32], kind)[0]
    assert [] == os.listdir(work)


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_a_name_that_is_taken_stays(store: Path, work: Path, kind: str) -> None:
    (work / "f0").write_text("mine")

    assert [EXISTS] == link_out(store, work, [put(store, b"one")], kind)[0]
    assert "mine" == (work / "f0").read_text()


def test_an_object_known_under_these_stats_is_linked_unread(store: Path, work: Path) -> None:
    name = put(store, b"damaged", "0" * 32)
    known = packed(store / name[:2] / name[2:])

    assert [DONE] == link_out(store, work, [name], "symlink", known)[0]
    (work / "f0").unlink()
    (store / name[:2] / name[2:]).touch()
    assert [CORRUPT] == link_out(store, work, [name], "symlink", known)[0]


# -- looking ----


def test_verifying_reads_every_byte(store: Path) -> None:
    good, bad = put(store, b"good"), put(store, b"bad", "0" * 32)
    manifest = put(store, b"[]", md5(b"[]") + ".dir")

    outcomes, stats = batches.verify_batch(str(store), [good, bad, "1" * 32, manifest], MD5)

    assert [DONE, CORRUPT, MISSING, DONE] == list(outcomes)
    assert NEVER == stats[2 * FIELDS * 8 : 3 * FIELDS * 8]


def test_an_object_that_is_a_link_is_no_object(store: Path) -> None:
    good = put(store, b"good")
    (store / "00").mkdir(exist_ok=True)
    (store / "00" / good[2:]).symlink_to(store / good[:2] / good[2:])

    assert [MISSING] == list(batches.verify_batch(str(store), ["00" + good[2:]], MD5)[0])


def test_stats_of_what_is_not_there_are_zeros(store: Path) -> None:
    good = put(store, b"good")

    stats = batches.stat_batch(str(store), ["1" * 32, good])

    assert NEVER + packed(store / good[:2] / good[2:]) == stats
