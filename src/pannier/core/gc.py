"""What garbage collection takes away: a pure decision over names of objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set

from pannier.core.digest import DIR_SUFFIX
from pannier.core.record import dataclass


@dataclass(frozen=True, slots=True)
class GcPlan:
    """What goes, in order: manifests first, so that none is left whose files are gone.

    spared: unused objects that stay, because they are too young or a young manifest names them.
    """

    manifests: list[str]
    files: list[str]
    spared: int = 0

    @property
    def names(self) -> list[str]:
        return self.manifests + self.files

    @property
    def total(self) -> int:
        return len(self.manifests) + len(self.files)


def plan_gc(
    there: Collection[str],
    live: Set[str],
    young: Collection[str] = (),
    members: Mapping[str, Collection[str]] | None = None,
) -> GcPlan:
    """Decides which of the objects that are there go.

    live: what the roots name, with all that their manifests name. young: objects that came, or
    were taken into use, so lately that what is to name them may not be written yet. members: what
    young manifests name; all of that stays, however old.
    """
    unused = {name for name in there if name not in live}
    kept = unused.intersection(young)
    for name, named in (members or {}).items():
        if name in kept:
            kept |= unused.intersection(named)
    manifests, files = split(unused - kept)
    return GcPlan(manifests, files, len(kept))


def split(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """(manifests, plain objects), each sorted."""
    ordered = sorted(names)
    return (
        [name for name in ordered if name.endswith(DIR_SUFFIX)],
        [name for name in ordered if not name.endswith(DIR_SUFFIX)],
    )


def not_yet_there(
    live: Mapping[str, int | None], remote: Mapping[str, int | None]
) -> tuple[set[str], set[str]]:
    """Cuts what is in use: (what a remote lacks, what the remote has as well).

    live: name -> size here, None when it is not here. remote: name -> size there, None when the
    place hides it. Another size there is damage: such an object counts as not there.
    """
    safe = {
        name
        for name, size in live.items()
        if name in remote and (remote[name] is None or size is None or remote[name] == size)
    }
    return set(live) - safe, safe
