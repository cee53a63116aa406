"""Three-way merges of values and manifests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pannier.core.manifest import Manifest
from pannier.core.merge import exact, merge_manifests, merge_mappings

A, B, C = ("a" * 32, "b" * 32, "c" * 32)
entries = st.dictionaries(st.sampled_from("pqrst"), st.sampled_from([A, B, C]))


def manifest(**files: str) -> Manifest:
    return Manifest.of(files.items())


@given(ancestor=entries, our=entries, their=entries)
def test_each_key_is_what_one_side_made_of_it_or_a_conflict(
    ancestor: dict[str, str], our: dict[str, str], their: dict[str, str]
) -> None:
    merged = merge_mappings(ancestor, our, their)

    for key in "pqrst":
        before, ours, theirs = ancestor.get(key), our.get(key), their.get(key)
        conflict = ours != before and theirs != before and ours != theirs
        expected = ours if conflict or ours != before else theirs
        assert conflict == (key in merged.conflicts)
        assert expected == merged.entries.get(key)


@given(ancestor=entries, our=entries, their=entries)
def test_the_sides_may_be_exchanged(
    ancestor: dict[str, str], our: dict[str, str], their: dict[str, str]
) -> None:
    one, other = (
        merge_manifests(*(Manifest.of(side.items()) for side in (ancestor, *pair)))
        for pair in ((our, their), (their, our))
    )

    assert (one.manifest, one.conflicts) == (other.manifest, other.conflicts)
    assert sorted(one.both) == sorted(other.both)


@given(ancestor=entries, our=entries)
def test_a_side_that_changed_nothing_changes_nothing(
    ancestor: dict[str, str], our: dict[str, str]
) -> None:
    before, ours = Manifest.of(ancestor.items()), Manifest.of(our.items())

    assert ours == merge_manifests(before, ours, before).manifest
    assert ours == merge_manifests(before, before, ours).manifest


def test_a_file_where_the_other_side_made_a_folder_is_a_conflict() -> None:
    ours = Manifest.of([("d", A)])
    theirs = Manifest.of([("d/x", B)])

    merged = merge_manifests(manifest(), ours, theirs)

    assert (None, ["d"]) == (merged.manifest, merged.conflicts)


def test_one_and_true_are_not_the_same_value() -> None:
    merged = merge_mappings({"a": 1}, {"a": True}, {"a": 2}, exact)

    assert ["a"] == merged.conflicts
