"""Manifests: what a tracked directory holds (docs/formats.md, section 3)."""

from __future__ import annotations

import hashlib
import json

import pytest

from pannier.core.errors import CorruptObject
from pannier.core.manifest import Manifest, parse_manifest

A, B, C = "a" * 32, "b" * 32, "c" * 32
NAME = "0" * 32 + ".dir"


def raw(*rows: tuple[str, str]) -> bytes:
    return json.dumps([{"md5": md5, "relpath": path} for path, md5 in rows]).encode()


def test_the_example_of_the_format_has_the_digest_that_real_dvc_gave_it() -> None:
    manifest = Manifest.of(
        [
            ("sub/b.txt", "59b0d7772f0561efb95518f3cb8abc60"),
            ("a.txt", "b1946ac92492d2347c6235b4d2611184"),
            ("c.bin", "aa1e316687756584560121c5fbe78c3c"),
        ]
    )

    assert "202e6dd7d4eb35c2bae3f51a79fea084.dir" == manifest.digest_hex()
    assert 199 == len(manifest.to_bytes())


def test_an_empty_directory_has_the_digest_of_an_empty_list() -> None:
    assert b"[]" == Manifest([], []).to_bytes()
    assert "d751713988987e9331980363e24189ce.dir" == Manifest([], []).digest_hex()


@pytest.mark.parametrize("count", [9_999, 10_000, 10_001, 20_000])
def test_a_big_manifest_is_one_list_however_it_was_written(count: int) -> None:
    manifest = Manifest.of((f"{number:05}", A) for number in range(count))
    rows = [{"md5": A, "relpath": f"{number:05}"} for number in range(count)]

    assert json.dumps(rows, sort_keys=True).encode() == manifest.to_bytes()
    assert hashlib.md5(manifest.to_bytes()).hexdigest() + ".dir" == manifest.digest_hex()


def test_entries_are_sorted_by_the_whole_path_not_by_part() -> None:
    assert ["a-b/x", "a/x"] == Manifest.of([("a/x", A), ("a-b/x", B)]).paths


def test_names_beyond_ascii_are_escaped_and_sorted_unescaped() -> None:
    manifest = Manifest.of([("é.txt", A), ("z", B), ("\U0001f600", C)])

    assert ["z", "é.txt", "\U0001f600"] == manifest.paths
    assert b'"relpath": "\\u00e9.txt"' in manifest.to_bytes()
    assert b'"\\ud83d\\ude00"' in manifest.to_bytes()


def test_a_manifest_is_read_in_any_order() -> None:
    assert Manifest(["a", "b"], [A, B]) == parse_manifest(raw(("b", B), ("a", A)), NAME)


def test_keys_that_other_versions_write_are_left_out() -> None:
    data = json.dumps([{"md5": A, "relpath": "a", "size": 3, "isexec": True}]).encode()

    assert Manifest(["a"], [A]) == parse_manifest(data, NAME)


BROKEN = {
    "empty": b"",
    "cut": raw(("a", A))[:-1],
    "no UTF-8": b'[{"md5": "' + A.encode() + b'", "relpath": "\xff"}]',
    "a mapping": b"{}",
    "null": b"null",
    "a number": b"3",
    "a row that is a list": b"[[]]",
    "a row that is a text": b'["a"]',
    "no path": b'[{"md5": "' + A.encode() + b'"}]',
    "a path that is a number": b'[{"md5": "' + A.encode() + b'", "relpath": 3}]',
    "no digest": b'[{"relpath": "a"}]',
    "a digest that is a number": b'[{"md5": 3, "relpath": "a"}]',
    "a digest in upper case": raw(("a", A.upper())),
    "a digest that is a path": raw(("a", "../../../../x")),
    "a manifest within a manifest": raw(("a", A + ".dir")),
    "an absolute path": raw(("/a", A)),
    "a path that climbs": raw(("../a", A)),
    "a path into Git": raw((".git/config", A)),
    "a path into DVC": raw((".dvc/config", A)),
    "an empty path": raw(("", A)),
    "half a character": raw(("\ud800", A)),
    "a path twice": raw(("a", A), ("b", A), ("a", B)),
    "the same entry twice": raw(("a", A), ("a", A)),
    "a file that is a directory too": raw(("a", A), ("a-b", A), ("a/b", B)),
    "a file that is a directory far above": raw(("x/a", A), ("x/a/b/c/d", B)),
    "too deep": b"[" * 200_000,
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_bad_manifest_is_refused_as_a_whole(what: str) -> None:
    with pytest.raises(CorruptObject) as caught:
        parse_manifest(BROKEN[what], NAME)

    assert NAME == caught.value.name
    assert caught.value.reason


def test_siblings_that_only_share_letters_are_no_conflict() -> None:
    found = parse_manifest(raw(("a", A), ("a.b/c", B), ("a-b", C), ("ab/c", C)), NAME)

    assert 4 == len(found)


def test_an_entry_is_found_by_its_path() -> None:
    manifest = Manifest.of([("a", A), ("b/c", B)])

    assert B == manifest.get("b/c")
    assert manifest.get("b") is None
    assert manifest.get("") is None
    assert manifest.get("z") is None


def test_below_is_the_directory_and_nothing_that_only_starts_like_it() -> None:
    manifest = Manifest.of([("a", A), ("a-b/x", B), ("d/x", A), ("d/y/z", B), ("d0", C), ("d.", C)])

    assert ["d/x", "d/y/z"] == manifest.below("d").paths
    assert [A, B] == manifest.below("d").hexes
    assert ["a"] == manifest.below("a").paths
    assert [] == manifest.below("nothing").paths
    assert manifest == manifest.below("")


def test_changes_make_a_new_manifest_and_leave_the_old_one() -> None:
    old = Manifest.of([("a", A), ("b/c", B), ("b/d", B)])

    new = old.with_changes(["b/c", "not there"], [("b/e", C), ("a", B)])

    assert [("a", B), ("b/d", B), ("b/e", C)] == list(new)
    assert [("a", A), ("b/c", B), ("b/d", B)] == list(old)


def test_what_became_a_directory_is_no_file_any_more() -> None:
    new = Manifest.of([("a", A), ("z", B)]).with_changes([], [("a/b/c", C)])

    assert [("a/b/c", C), ("z", B)] == list(new)
    assert new == parse_manifest(new.to_bytes(), NAME)


def test_manifests_are_compared_and_never_hashed() -> None:
    assert Manifest(["a"], [A]) != Manifest(["a"], [B])
    assert Manifest(["a"], [A]) != [("a", A)]
    with pytest.raises(TypeError):
        hash(Manifest([], []))
