"""What changed between two states of what is tracked, for any two states."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pannier.core.diff import Changes, Entry, Scope, State, Tracked, compare, same_everywhere
from pannier.core.manifest import Manifest
from pannier.core.path import is_within

HEXES = st.sampled_from([letter * 32 for letter in "abc"])
OUTS = ["d", "d2", "f", "w/x"]
INNER = ["a", "a-b", "s/b", "s/t/c", "z"]
FOLDERS = st.dictionaries(st.sampled_from(INNER), HEXES, max_size=4).map(
    lambda files: Manifest.of(files.items())
)


@st.composite
def states(draw: st.DrawFn, lists_known: bool = True) -> dict[str, Tracked]:
    found = {}
    for path in draw(st.lists(st.sampled_from(OUTS), unique=True)):
        if draw(st.booleans()):
            found[path] = Tracked.of(path, draw(HEXES))
            continue
        manifest = draw(FOLDERS)
        known = lists_known or draw(st.booleans())
        found[path] = Tracked.of(path, manifest.digest_hex(), manifest if known else None)
    return found


def files_of(state: State) -> dict[str, str | None]:
    """Every file and directory of a state: path -> digest."""
    found = {}
    for path, tracked in state.items():
        found[path] = tracked.hex
        manifest = tracked.members()
        if manifest is not None:
            found |= {f"{path}/{inner}": name for inner, name in manifest}
    return found


def arrived(changes: Changes) -> list[Entry]:
    return changes.added + [pair.new for pair in changes.renamed]


def gone(changes: Changes) -> list[Entry]:
    return changes.deleted + [pair.old for pair in changes.renamed]


@given(old=states(), new=states())
def test_applying_the_changes_to_the_old_state_yields_the_new_one(old: State, new: State) -> None:
    changes = compare(old, new)

    files = files_of(old)
    for entry in gone(changes):
        assert files.pop(entry.path) == entry.hex
    for pair in changes.modified:
        assert files.pop(pair.old.path) == pair.old.hex
        assert pair.old.path == pair.new.path
    for entry in [*arrived(changes), *(pair.new for pair in changes.modified)]:
        assert entry.path not in files
        files[entry.path] = entry.hex
    assert files_of(new) == files


@given(state=states())
def test_a_state_does_not_differ_from_itself(state: State) -> None:
    changes = compare(state, state, Scope(unchanged=True))

    assert not changes
    assert files_of(state) == {entry.path: entry.hex for entry in changes.unchanged}
    assert sorted(state) == same_everywhere([state, state])


@given(old=states(), new=states())
def test_the_way_back_is_the_same_way(old: State, new: State) -> None:
    there, back = compare(old, new), compare(new, old)

    assert sorted(arrived(there)) == sorted(gone(back))
    assert sorted(gone(there)) == sorted(arrived(back))
    assert [(p.new, p.old) for p in there.modified] == [(p.old, p.new) for p in back.modified]
    assert len(there.renamed) == len(back.renamed)


@given(old=states(), new=states())
def test_every_path_is_told_about_once(old: State, new: State) -> None:
    changes = compare(old, new, Scope(unchanged=True))

    told = Counter(entry.path for entry in arrived(changes) + gone(changes) + changes.unchanged)
    told.update(pair.new.path for pair in changes.modified)
    assert dict.fromkeys(files_of(old).keys() | files_of(new).keys(), 1) == told


@given(old=states(), new=states())
def test_content_that_moved_is_renamed_as_far_as_it_goes(old: State, new: State) -> None:
    changes = compare(old, new)

    assert all(pair.old.hex == pair.new.hex for pair in changes.renamed)
    assert set() == {e.hex for e in changes.added} & {e.hex for e in changes.deleted}


@given(old=states(), new=states(), target=st.sampled_from([*OUTS, "w", "d/s", "d/s/b", "d/a"]))
def test_targets_leave_out_the_rest_and_nothing_else(old: State, new: State, target: str) -> None:
    whole, part = compare(old, new), compare(old, new, Scope(targets=(target,)))

    def within(entries: list[Entry]) -> list[Entry]:
        return sorted(entry for entry in entries if is_within(entry.path, target))

    assert within(arrived(whole)) == sorted(arrived(part))
    assert within(gone(whole)) == sorted(gone(part))
    assert [p for p in whole.modified if is_within(p.new.path, target)] == part.modified


@given(old=states(lists_known=False), new=states(lists_known=False))
def test_of_a_lost_list_nothing_is_made_up(old: State, new: State) -> None:
    changes = compare(old, new)

    lost = {path for path, tracked in old.items() if tracked.is_dir and not tracked.known()}
    in_lost = [e for e in arrived(changes) + gone(changes) if e.path.rpartition("/")[0] in lost]
    assert [] == in_lost
    assert {entry.path.split("/")[0] for entry in changes.unknown} <= {
        p.split("/")[0] for p in lost
    }


@given(old=states(), new=states())
def test_without_files_only_outputs_are_told_about(old: State, new: State) -> None:
    changes = compare(old, new, Scope(granular=False, unchanged=True))

    told = arrived(changes) + gone(changes) + changes.unchanged
    paths = [entry.path for entry in told] + [pair.new.path for pair in changes.modified]
    assert sorted(old.keys() | new.keys()) == sorted(paths)
