"""Live objects: what roots name, and what the manifests among that name.

A manifest that cannot be read hides which files it names. Then nothing may be called garbage: it
is looked for in every cache and every remote that is known, and if it is nowhere, that is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress

from pannier.core.errors import (
    ConfigError,
    CorruptObject,
    DiskError,
    MissingObject,
    PannierError,
    TransportError,
)
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.record import dataclass, field
from pannier.project.project import Project
from pannier.project.roots import Key, Roots
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote

_SHOWN_MAX = 20
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Lost:
    """A manifest that is nowhere to be read. why: what was found instead."""

    name: str
    label: str
    why: str


@dataclass(slots=True)
class Live:
    """by_key: remote and algorithm -> names, of one project. lost: manifests that do not count."""

    by_key: dict[Key, set[str]] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    def of(self, algorithm: str) -> set[str]:
        """All names of one algorithm."""
        found: set[str] = set()
        for (_, used), names in self.by_key.items():
            if used == algorithm:
                found |= names
        return found


def live_objects(
    project: Project, beside: Project, roots: Roots, first: str | None, progress: Progress
) -> Live:
    """All that one project's roots keep.

    beside: the project whose cache is looked into as well. first: a remote to ask before the
    others. Manifests that had to be fetched are kept in the cache, as DVC does.
    """
    live = Live({key: set(names) for key, names in roots.names.items()})
    wanted: dict[tuple[Key, str], Lost] = {}
    for key, name, label in roots.manifests():
        manifest, why = _here(project, beside, key[1], name)
        if manifest is not None:
            live.by_key[key].update(manifest.hexes)
        else:
            wanted[key, name] = Lost(name, label, why)
    for (key, name), manifest in _from_remotes(project, wanted, first, progress):
        live.by_key[key].update(manifest.hexes)
        wanted.pop((key, name), None)
    live.lost = list(wanted.values())
    return live


def _here(
    project: Project, beside: Project, algorithm: str, name: str
) -> tuple[Manifest | None, str]:
    why = ""
    for place in (project, beside) if project is not beside else (project,):
        try:
            return place.store_of(algorithm).manifest(name), ""
        except MissingObject:
            continue
        except CorruptObject as error:
            why = error.message
    return None, why or "it is neither in the cache nor on a remote"


def _from_remotes(
    project: Project,
    wanted: dict[tuple[Key, str], Lost],
    first: str | None,
    progress: Progress,
) -> Iterator[tuple[tuple[Key, str], Manifest]]:
    if not wanted:
        return
    missing = set(wanted)
    with ExitStack() as stack:
        for name in _remotes(project, first, missing):
            try:
                remote = stack.enter_context(Remote(project.settings.remote(name)))
            except ConfigError as error:
                progress.debug(f"remote '{name}' is not asked: {error}")
                continue
            for algorithm in {key[1] for key, _ in missing}:
                asked = sorted(hex for key, hex in missing if key[1] == algorithm)
                for digest, manifest in _read(project, remote, algorithm, asked, progress):
                    for item in [m for m in missing if m[0][1] == algorithm and m[1] == digest]:
                        missing.discard(item)
                        yield item, manifest
            if not missing:
                return


def _remotes(project: Project, first: str | None, missing: Iterable[tuple[Key, str]]) -> list[str]:
    """Names of remotes, those first that should have what is missing."""
    settings = project.settings
    own = sorted({key[0] for key, _ in missing if key[0] is not None})
    likely = [*own, first, settings.default_remote(), *settings.remote_names()]
    known = {name.lower() for name in settings.remote_names()}
    return [name for name in dict.fromkeys(likely) if name is not None and name.lower() in known]


def _read(
    project: Project, remote: Remote, algorithm: str, names: list[str], progress: Progress
) -> Iterator[tuple[str, Manifest]]:
    try:
        found, _ = remote.read_many(algorithm, names, min(remote.jobs, _AT_ONCE))
    except (TransportError, DiskError) as error:
        progress.warn(f"remote '{remote.name}' could not be asked for lists of files: {error}")
        return
    store = project.store_of(algorithm)
    for name, data in found.items():
        try:
            manifest = parse_manifest(data, name)
        except CorruptObject:
            continue
        store.keep_manifest(name, manifest)
        with suppress(OSError, PannierError):
            put_bytes(store, name, data)
        yield name, manifest


def refuse_lost(lost: list[Lost], *, skip: bool, progress: Progress) -> None:
    """Raises PannierError when manifests cannot be read, unless they shall not count."""
    if not lost:
        return
    lines = [f"  {item.label} (md5: {item.name}): {item.why}" for item in lost[:_SHOWN_MAX]]
    if len(lost) > _SHOWN_MAX:
        lines.append(f"  ... and {len(lost) - _SHOWN_MAX} more")
    shown = "\n".join(lines)
    if skip:
        progress.warn(f"these lists of files cannot be read, skipping:\n{shown}")
        return
    raise PannierError(
        "these lists of files cannot be read, so nobody knows which objects they name; nothing"
        f" was removed:\n{shown}",
        hint="bring them with 'dvc fetch' (for other revisions with its -a, -T, -A), or add"
        " '--skip-failed' to give up what only they name",
    )
