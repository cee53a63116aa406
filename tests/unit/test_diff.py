"""What changed: the corners that no random state is sure to meet."""

from __future__ import annotations

from pannier.core.diff import Entry, Pair, Scope, State, Tracked, compare
from pannier.core.manifest import Manifest

A, B = "a" * 32, "b" * 32


def folder(path: str, **files: str) -> Tracked:
    manifest = Manifest.of((name.replace("__", "/"), digest) for name, digest in files.items())
    return Tracked.of(path, manifest.digest_hex(), manifest)


def state(*tracked: Tracked) -> State:
    return {one.path: one for one in tracked}


def test_what_is_there_in_a_folder_whose_list_is_lost_is_unknown_with_its_folders() -> None:
    now = folder("d", x=A, s__y=B)
    lost = Tracked.of("d", now.hex or "")

    changes = compare(state(lost), state(now))

    shown = [entry.shown for entry in changes.unknown]
    assert ["d/s/", "d/s/y", "d/x"] == shown
    assert not changes.modified


def test_a_file_that_became_a_folder_is_modified_and_its_files_are_added() -> None:
    now = folder("f", x=B)

    changes = compare(state(Tracked.of("f", A)), state(now))

    assert [Pair(Entry("f", A), Entry("f", now.hex, True))] == changes.modified
    assert [Entry("f/x", B)] == changes.added


def test_equal_content_is_paired_in_the_order_of_the_parts_of_paths() -> None:
    before = folder("d", **{"a-b": A, "a__x": A})
    after = folder("d", **{"n0-": A, "n0__x": A})

    changes = compare(state(before), state(after))

    assert [("d/a-b", "d/n0-"), ("d/a/x", "d/n0/x")] == [
        (pair.old.path, pair.new.path) for pair in changes.renamed
    ]


def test_what_has_no_digest_yet_is_neither_renamed_nor_equal_to_what_has_one() -> None:
    changes = compare(state(Tracked("f", None), Tracked("g", None)), state(Tracked.of("f", A)))

    assert [Pair(Entry("f", None), Entry("f", A))] == changes.modified
    assert [Entry("g", None)] == changes.deleted


def test_no_list_is_asked_for_where_digests_are_equal() -> None:
    def asked() -> Manifest | None:
        raise AssertionError("nobody needs the list")

    one = Tracked("d", A + ".dir", True, lambda: True, asked)

    assert not compare(state(one), state(one))
    assert not compare(state(one), state(one), Scope(granular=False))


def test_a_target_inside_of_a_folder_leaves_the_folder_itself_out() -> None:
    changes = compare(
        state(folder("d", x=A, s__y=A)), state(folder("d", x=B, s__y=B)), Scope(targets=("d/s",))
    )

    assert ["d/s/y"] == [pair.new.path for pair in changes.modified]
