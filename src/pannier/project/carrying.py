"""Carrying: objects by their digests between this cache and a remote, for work done elsewhere.

What a stage needs goes to the remote before it starts, what it made comes from there: the remote is
all that two machines share.
"""

from __future__ import annotations

from collections.abc import Iterable

from pannier.core.digest import Digest
from pannier.core.errors import MissingObject, TransferFailed
from pannier.core.events import Progress
from pannier.core.manifest import parse_manifest
from pannier.core.plan import plan_transfer
from pannier.project.presence import manifest_of
from pannier.project.project import Project
from pannier.store import transfer
from pannier.store.pace import Pace
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote


class Carrier:
    """Moves objects between a project's cache and one remote. Use as a context manager."""

    def __init__(self, project: Project, progress: Progress, name: str | None = None) -> None:
        """name: of the remote, None for the default one. Raises NoRemote, ConfigError."""
        self._project, self._progress = project, progress
        self.remote = Remote(project.settings.remote(name))
        self._pace = Pace(self.remote.jobs)

    def __enter__(self) -> Carrier:
        return self

    def __exit__(self, *_: object) -> None:
        self.remote.transport.close()

    def send(self, digests: Iterable[Digest]) -> None:
        """Uploads what the remote lacks. Raises MissingObject for what the cache lacks,
        TransferFailed."""
        for algorithm, names in _by_algorithm(digests).items():
            store = self._project.store_of(algorithm)
            members = {n: store.manifest(n).hexes for n in names if n.endswith(".dir")}
            plain = {name for name in names if name not in members}
            every = plain | members.keys() | {one for some in members.values() for one in some}
            there = self.remote.present(algorithm, every, self._pace.jobs, self._progress)
            plan = plan_transfer(members, plain, there.keys(), store.present(every))
            if plan.missing:
                raise MissingObject(plan.missing[0])
            if plan.total:
                sent = transfer.push(store, self.remote, plan, self._pace, self._progress)
                _raise_failed(sent, "upload")

    def bring(self, digests: Iterable[Digest]) -> None:
        """Downloads what the cache lacks. Raises NotThere, TransferFailed, TransportError."""
        for algorithm, names in _by_algorithm(digests).items():
            store = self._project.store_of(algorithm)
            store.hold()
            wanted: set[str] = set()
            lists: dict[str, bytes] = {}
            for name in names:
                if not name.endswith(".dir"):
                    wanted.add(name)
                    continue
                manifest = manifest_of(self._project, Digest(algorithm, name))
                if manifest is None:
                    lists[name] = self.remote.read(algorithm, name)
                    manifest = parse_manifest(lists[name], name)
                wanted |= set(manifest.hexes)
            missing = sorted(store.missing(wanted))
            got = transfer.fetch(store, self.remote, missing, {}, self._pace, self._progress)
            _raise_failed(got, "download")
            for name, data in lists.items():  # a list after all that it names
                put_bytes(store, name, data)


def _by_algorithm(digests: Iterable[Digest]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for digest in dict.fromkeys(digests):
        found.setdefault(digest.algorithm, []).append(digest.hex)
    return found


def _raise_failed(done: transfer.Transferred, verb: str) -> None:
    if done.failed:
        failures = [(name, str(why)) for name, why in done.failed.items()]
        raise TransferFailed(len(failures), verb, failures)
