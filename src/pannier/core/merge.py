"""Three-way merges of values: what each side changed since the common ancestor, or a conflict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from pannier.core.manifest import Manifest
from pannier.core.record import dataclass, field
from pannier.core.typed import Any

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Merged:
    """Entries after a merge, in our side's order, what only their side has last.

    conflicts: keys that both sides changed, each in its own way; they stand with our value.
    both: keys that both sides changed, in the same way.
    """

    entries: dict[Any, Any]
    conflicts: list[Any] = field(default_factory=list)
    both: list[Any] = field(default_factory=list)


def merge_mappings(
    ancestor: Mapping[Key, Value],
    our: Mapping[Key, Value],
    their: Mapping[Key, Value],
    identity: Callable[[Value | None], object] = lambda value: value,
) -> Merged:
    """Merges key by key. A key that is not there counts as a value of its own: it was removed.

    identity: what two values must agree in to be the same.
    """
    entries: dict[Any, Any] = {}
    conflicts: list[Any] = []
    both: list[Any] = []
    for key in [*our, *(key for key in their if key not in our)]:
        before, ours, theirs = (identity(side.get(key)) for side in (ancestor, our, their))
        chosen = our.get(key)
        if ours == before:
            chosen = their.get(key)
        elif theirs == ours:
            both.append(key)
        elif theirs != before:
            conflicts.append(key)
        if chosen is not None:
            entries[key] = chosen
    both += [key for key in ancestor if key not in our and key not in their]
    return Merged(entries, conflicts, both)


@dataclass(frozen=True, slots=True)
class MergedManifest:
    """A directory after a merge. manifest: None when there are conflicts (paths, sorted).

    both: paths that both sides changed, in the same way.
    """

    manifest: Manifest | None
    conflicts: list[str]
    both: list[str]


def merge_manifests(ancestor: Manifest, our: Manifest, their: Manifest) -> MergedManifest:
    """Merges file by file. A file where the other side made a directory is a conflict, too."""
    merged = merge_mappings(dict(ancestor), dict(our), dict(their))
    conflicts = set(merged.conflicts)
    for path in merged.entries:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in merged.entries:
                conflicts.add(parent)
            parent = parent.rpartition("/")[0]
    if conflicts:
        return MergedManifest(None, sorted(conflicts), merged.both)
    return MergedManifest(Manifest.of(merged.entries.items()), [], merged.both)


def exact(value: object) -> str:
    """An identity for values of YAML: 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True, default=repr)
