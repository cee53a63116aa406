"""What changed between two states of what is tracked: the only place that says so.

Both sides are values; a manifest is asked for only where two directories differ, or where
everything is to be listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pannier.core.manifest import Manifest
from pannier.core.path import is_within
from pannier.core.record import dataclass, field


def _nothing() -> Manifest | None:
    return None


@dataclass(frozen=True, slots=True)
class Tracked:
    """One output in one state.

    hex: of its bytes, None when nobody has computed it. known: whether its list of files can be
    had; members: that list, None when it cannot. Both are asked of directories only.
    """

    path: str
    hex: str | None
    is_dir: bool = False
    known: Callable[[], bool] = lambda: False
    members: Callable[[], Manifest | None] = _nothing

    @classmethod
    def of(cls, path: str, hex_: str, manifest: Manifest | None = None) -> Tracked:
        """From values that are at hand. manifest None: a file, or a directory whose list is lost"""
        is_dir = hex_.endswith(".dir")
        return cls(path, hex_, is_dir, lambda: manifest is not None, lambda: manifest)


State = Mapping[str, Tracked]
"""Root-relative path of an output -> what it is. Outputs do not lie in one another."""


class Entry(NamedTuple):
    """One path in one state: an output, or a file inside of one."""

    path: str
    hex: str | None
    is_dir: bool = False

    @property
    def shown(self) -> str:
        """As users see it: a directory ends in '/'."""
        return self.path + "/" if self.is_dir else self.path


class Pair(NamedTuple):
    """One path whose content changed (then the paths are equal), or content whose path did."""

    old: Entry
    new: Entry


@dataclass(slots=True)
class Changes:
    """What differs. Every path is in one list only, but for those of `renamed`, which have two.

    unknown: files and folders there now, in directories whose earlier list of files is lost.
    unchanged: only where it was asked for. All but unchanged are sorted by path.
    """

    added: list[Entry] = field(default_factory=list)
    deleted: list[Entry] = field(default_factory=list)
    modified: list[Pair] = field(default_factory=list)
    renamed: list[Pair] = field(default_factory=list)
    unknown: list[Entry] = field(default_factory=list)
    unchanged: list[Entry] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.deleted or self.modified or self.renamed or self.unknown)


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is told. granular: also files inside of directories. unchanged: also what did not
    change. targets: only these paths and what lies in them; None for everything."""

    granular: bool = True
    unchanged: bool = False
    targets: tuple[str, ...] | None = None

    def parts(self, path: str) -> tuple[str, ...]:
        """Which parts of an output are in scope: ('',) for all of it, or paths inside of it."""
        if self.targets is None or any(is_within(path, target) for target in self.targets):
            return ("",)
        if not self.granular:
            return ()
        prefix = path + "/"
        inside = {t[len(prefix) :] for t in self.targets if t.startswith(prefix)}
        return tuple(
            sorted(p for p in inside if not any(p != q and is_within(p, q) for q in inside))
        )


EVERYTHING = Scope()


def compare(old: State, new: State, scope: Scope = EVERYTHING) -> Changes:
    """What changed from old to new.

    Of a directory whose list of files is lost, only the directory itself can be told about; what
    is there now, in a directory whose earlier list is lost, is `unknown`.
    """
    changes = Changes()
    for path in sorted(old.keys() | new.keys()):
        _compare_output(path, old.get(path), new.get(path), scope, changes)
    _pair_renames(changes)
    changes.modified.sort(key=_path_of_pair)
    changes.unknown.sort(key=_path)
    return changes


def same_everywhere(states: Sequence[State]) -> list[str]:
    """The outputs that every one of the states has with the same content, by path."""
    first = states[0]
    return [
        path
        for path in sorted(first)
        if first[path].hex is not None
        and all(path in state and state[path].hex == first[path].hex for state in states[1:])
    ]


def _compare_output(
    path: str, old: Tracked | None, new: Tracked | None, scope: Scope, changes: Changes
) -> None:
    parts = scope.parts(path)
    if "" in parts:
        _note(_entry(old), _entry(new), scope, changes)
    if not parts or not scope.granular:
        return
    if old is not None and old.is_dir and not old.known():
        if new is not None and new.is_dir:
            changes.unknown += _with_folders(new.path, _members(new, parts))
        return
    if old is not None and new is not None and old.hex == new.hex:
        if scope.unchanged and old.is_dir:
            changes.unchanged += _members(old, parts)
        return
    if old is not None and old.is_dir and new is not None and new.is_dir and not new.known():
        return
    for part in parts:
        _compare_members(path + "/", _below(old, part), _below(new, part), scope, changes)


def _compare_members(
    prefix: str,
    old: Iterable[tuple[str, str]],
    new: Iterable[tuple[str, str]],
    scope: Scope,
    changes: Changes,
) -> None:
    """Columns of paths and digests: what is the same on both sides becomes no value of its own."""
    before = dict(old)
    for path, name in new:
        was = before.pop(path, None)
        if was == name:
            if scope.unchanged:
                changes.unchanged.append(Entry(prefix + path, name))
        elif was is None:
            changes.added.append(Entry(prefix + path, name))
        else:
            changes.modified.append(Pair(Entry(prefix + path, was), Entry(prefix + path, name)))
    changes.deleted += [Entry(prefix + path, name) for path, name in before.items()]


def _below(tracked: Tracked | None, part: str) -> Iterable[tuple[str, str]]:
    manifest = tracked.members() if tracked is not None and tracked.is_dir else None
    return manifest.below(part) if manifest is not None else ()


def _entry(tracked: Tracked | None) -> Entry | None:
    return None if tracked is None else Entry(tracked.path, tracked.hex, tracked.is_dir)


def _members(tracked: Tracked, parts: Iterable[str]) -> Iterator[Entry]:
    prefix = tracked.path + "/"
    for part in parts:
        for path, name in _below(tracked, part):
            yield Entry(prefix + path, name)


def _with_folders(top: str, files: Iterable[Entry]) -> Iterator[Entry]:
    """The files and every folder between them and the output that they lie in."""
    seen = {top}
    for entry in files:
        yield entry
        folder = entry.path.rpartition("/")[0]
        while folder not in seen:
            seen.add(folder)
            yield Entry(folder, None, True)
            folder = folder.rpartition("/")[0]


def _note(old: Entry | None, new: Entry | None, scope: Scope, changes: Changes) -> None:
    if new is None:
        if old is not None:
            changes.deleted.append(old)
    elif old is None:
        changes.added.append(new)
    elif old.hex != new.hex:
        changes.modified.append(Pair(old, new))
    elif scope.unchanged:
        changes.unchanged.append(new)


def _pair_renames(changes: Changes) -> None:
    """Takes pairs of the same content out of `added` and `deleted`, first with first.

    First is by the parts of the path, so that 'a/b' comes before 'a-b': DVC's order.
    """
    if not (changes.added and changes.deleted):
        changes.added.sort(key=_path)
        changes.deleted.sort(key=_path)
        return
    waiting: dict[str, list[Entry]] = {}
    for entry in sorted(changes.deleted, key=_by_parts, reverse=True):
        if entry.hex is not None:
            waiting.setdefault(entry.hex, []).append(entry)
    added: list[Entry] = []
    paired: set[Entry] = set()
    for entry in sorted(changes.added, key=_by_parts):
        same = waiting.get(entry.hex) if entry.hex is not None else None
        if same:
            old = same.pop()
            paired.add(old)
            changes.renamed.append(Pair(old, entry))
        else:
            added.append(entry)
    changes.added = sorted(added, key=_path)
    changes.deleted = sorted((e for e in changes.deleted if e not in paired), key=_path)
    changes.renamed.sort(key=_path_of_pair)


def _path(entry: Entry) -> str:
    return entry.path


def _path_of_pair(pair: Pair) -> str:
    return pair.old.path


def _by_parts(entry: Entry) -> list[str]:
    return entry.path.split("/")
