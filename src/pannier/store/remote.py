"""Remote: a transport seen as a store far away, laid out as DVC lays it out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator

from pannier.core.digest import LEGACY, is_object_name
from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    CorruptObject,
    DiskError,
    NotThere,
    TransportError,
    Unlistable,
)
from pannier.core.events import Progress
from pannier.core.plan import prefer_listing
from pannier.disk.hashing import hash_bytes
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.threads import Team

_ASK_AT_ONCE = 64
"""So few are asked for one by one without a thought."""

_PAUSES_S = (0.3, 0.6)
"""Before a question is asked again. Transfers have more patience: they have more to lose."""

_SAMPLE_SHARE = 4096
"""Objects under one three-digit prefix are this fraction of all: digests spread evenly."""


def _patient(function: Callable[[str], None]) -> Callable[[str], None]:
    """function, called again after a pause when what stopped it is called temporary."""

    def tried(item: str) -> None:
        for pause_s in _PAUSES_S:
            try:
                return function(item)
            except TransportError as error:
                if not error.temporary:
                    raise
            time.sleep(pause_s)
        return function(item)

    return tried


class Remote:
    """Objects of both layouts under one transport. Made per command; holds no cache."""

    def __init__(self, config: RemoteConfig) -> None:
        if config.is_versioned:
            raise ConfigError(
                f"remote '{config.name}' keeps cloud versions, which this command cannot use",
                hint="push, fetch and pull can",
            )
        self.name = config.name
        self.config = config
        self.transport: Transport = open_transport(config)

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    @property
    def jobs(self) -> int:
        """How many requests in flight: the remote's own setting, or what does well there."""
        configured = self.config.get("jobs")
        return int(configured) if configured else self.transport.jobs_default

    @staticmethod
    def key(algorithm: str, name: str) -> str:
        return f"{_base(algorithm)}{name[:2]}/{name[2:]}"

    @staticmethod
    def keys(algorithm: str, names: Collection[str]) -> list[str]:
        base = _base(algorithm)
        return [f"{base}{name[:2]}/{name[2:]}" for name in names]

    def present(
        self, algorithm: str, names: Collection[str], jobs: int, progress: Progress
    ) -> dict[str, int | None]:
        """Those of names that are there: name -> size in bytes, None when the place hides it.

        Asked or listed, whatever takes fewer requests; never concluded from anything else (a
        manifest that is there proves nothing about its files).
        """
        if not names:
            return {}
        if len(names) <= _ASK_AT_ONCE or not self._listing_pays(algorithm, len(names)):
            return self._ask(algorithm, names, jobs, progress)
        return self._list(algorithm, set(names), jobs, progress)

    def _listing_pays(self, algorithm: str, wanted: int) -> bool:
        try:
            sample = sum(1 for _ in self.transport.list(f"{_base(algorithm)}00/0"))
        except Unlistable:
            return False
        return prefer_listing(wanted, sample * _SAMPLE_SHARE)

    def _ask(
        self, algorithm: str, names: Collection[str], jobs: int, progress: Progress
    ) -> dict[str, int | None]:
        task = progress.task(f"Querying {self.name}", len(names))
        found: dict[str, int | None] = {}

        def ask(name: str) -> None:
            entry = self.transport.stat(self.key(algorithm, name))
            if entry is not None:
                found[name] = entry.size_bytes
            task.advance()

        self._spread(ask, names, jobs)
        task.close()
        return found

    def _list(
        self, algorithm: str, names: set[str], jobs: int, progress: Progress
    ) -> dict[str, int | None]:
        task = progress.task(f"Listing {self.name}")
        found: dict[str, int | None] = {}
        base = _base(algorithm)

        def list_one(prefix: str) -> None:
            count = 0
            for name, size in self._entries(base, prefix):
                count += 1
                if name in names:
                    found[name] = size
            task.advance(count)

        # The hex digits cut the names into 256 equal shares that are listed side by side.
        prefixes = sorted({name[:2] for name in names})
        self._spread(list_one, prefixes, min(jobs, 32))
        task.close()
        return found

    def _entries(self, base: str, prefix: str) -> Iterator[tuple[str, int | None]]:
        skip = len(base)
        for entry in self.transport.list(f"{base}{prefix}/"):
            name = entry.key[skip:].replace("/", "", 1)
            if is_object_name(name):
                yield name, entry.size_bytes

    def listing(self, algorithm: str, jobs: int, progress: Progress) -> dict[str, int | None]:
        """All objects of one layout: name -> size in bytes, None when the place hides it."""
        task = progress.task(f"Listing {self.name}")
        found: dict[str, int | None] = {}
        base = _base(algorithm)

        def list_one(prefix: str) -> None:
            entries = dict(self._entries(base, prefix))
            found.update(entries)
            task.advance(len(entries))

        self._spread(list_one, [f"{number:02x}" for number in range(256)], min(jobs, 32))
        task.close()
        return found

    def delete(
        self, algorithm: str, names: Collection[str], jobs: int, progress: Progress
    ) -> dict[str, Exception]:
        """Removes objects for good. Returns name -> why not; one does not stop the others.

        Raises AccessDenied: what is not allowed for one is not allowed for any.
        """
        task = progress.task(f"Removing from {self.name}", len(names))
        failed: dict[str, Exception] = {}

        def delete(name: str) -> None:
            try:
                self.transport.delete(self.key(algorithm, name))
            except AccessDenied:
                raise
            except (TransportError, DiskError) as error:
                failed[name] = error
            task.advance()

        if names:
            self._spread(delete, names, jobs)
        task.close()
        return failed

    def give_up_uploads(self) -> None:
        """See Abandoning. Not every server can list them, and not every key may: then they stay."""
        give_up = getattr(self.transport, "give_up_uploads", None)
        if give_up is not None:
            with contextlib.suppress(TransportError):
                give_up()

    @staticmethod
    def _spread(function: Callable[[str], None], items: Collection[str], jobs: int) -> None:
        function = _patient(function)
        if len(items) == 1:
            function(*items)
            return
        team: Team[str, None] = Team(function, min(jobs, len(items)))
        for _ in team.map(items):
            pass

    def read(self, algorithm: str, name: str) -> bytes:
        """A manifest, verified. Raises NotThere, CorruptObject, TransportError."""
        data = self.transport.read(self.key(algorithm, name))
        found = hash_bytes(data, algorithm)
        if found != name[:32]:
            raise CorruptObject(name, found=found, where=f"remote '{self.name}'")
        return data

    def read_many(
        self, algorithm: str, names: Collection[str], jobs: int
    ) -> tuple[dict[str, bytes], dict[str, Exception]]:
        """Manifests: (name -> bytes, name -> why not)."""
        found: dict[str, bytes] = {}
        failed: dict[str, Exception] = {}

        def read(name: str) -> None:
            try:
                found[name] = self.read(algorithm, name)
            except (NotThere, CorruptObject) as error:
                failed[name] = error

        if names:
            self._spread(read, names, jobs)
        return found, failed


def _base(algorithm: str) -> str:
    return "" if algorithm == LEGACY else "files/md5/"
