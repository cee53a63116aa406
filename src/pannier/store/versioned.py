"""Remotes that keep every version of a file under its own name, as their bucket does.

`version_aware` and `worktree` remotes: a file lies at `<url>/<path in the project>`, and a pointer
says which of its versions is meant. docs/formats.md, section 9.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar, cast

from pannier.core.errors import AccessDenied, ConfigError
from pannier.core.record import dataclass, field
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Facts, Telling, Transport, Versioning, key_of_version
from pannier.store.transports.threads import Team

T = TypeVar("T")


@dataclass(slots=True)
class Known:
    """What a bucket has. ids: (key, version id) of all versions; latest: of each key that names
    something now. listed: False when the server would not say."""

    ids: set[tuple[str, str]] = field(default_factory=set)
    latest: dict[str, Facts] = field(default_factory=dict)
    listed: bool = True
    bad: frozenset[tuple[str, str]] = frozenset()

    def forget(self, bad: frozenset[tuple[str, str]]) -> None:
        """These versions count as not there."""
        self.bad = bad

    def has(self, key: str, version_id: str) -> bool:
        if (key, version_id) in self.bad:
            return False
        return not self.listed or (key, version_id) in self.ids

    def same(self, key: str, md5: str, size_bytes: int) -> Facts | None:
        """The version that a key names, if its ETag says that it has these bytes: an upload that
        nobody wrote down. ETags of encrypted or big objects say nothing."""
        facts = self.latest.get(key)
        if facts is None or facts.size_bytes != size_bytes or facts.checksum != ("etag", md5):
            return None
        if (key, facts.version_id) in self.bad:
            return None
        return facts


class VersionedRemote:
    """One such remote. Made per command."""

    def __init__(self, config: RemoteConfig) -> None:
        self.name = config.name
        self.config = config
        self.transport: Transport = open_transport(config)
        if not hasattr(self.transport, "keeps_versions"):
            self.transport.close()
            raise ConfigError(
                f"remote '{config.name}' is to keep cloud versions, which works with s3://,"
                " azure:// and gs:// only",
                hint=f"use a plain remote: 'dvc remote modify --unset {config.name} version_aware'",
            )

    def __enter__(self) -> VersionedRemote:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    @property
    def jobs(self) -> int:
        configured = self.config.get("jobs")
        return int(configured) if configured else self.transport.jobs_default

    def check_keeps_versions(self, replaced: bool) -> None:
        """Raises ConfigError for a bucket in which an upload would replace what is there.

        replaced: some of the names have something now. Where only a trial tells, none is made
        without need.
        """
        tidy = getattr(self.transport, "tidy", None)
        if tidy is not None:
            tidy()
        if not replaced and not hasattr(self.transport, "versions"):
            return
        if cast(Versioning, self.transport).keeps_versions() is False:
            raise ConfigError(
                f"the bucket of remote '{self.name}' does not keep versions:"
                " an upload would replace what is there",
                hint="enable versioning for the bucket at its provider, then repeat the command",
            )

    def latest(self, prefix: str) -> dict[str, Facts]:
        """What the keys that start with prefix name now."""
        return latest_below(self.transport, prefix, self.jobs)

    def known(self, recorded: Mapping[str, str]) -> Known:
        """What there is of keys, by one listing of what they have in common; where versions cannot
        be listed each is asked for. recorded: key -> the version that is meant, or ""."""
        if not recorded:
            return Known()
        if hasattr(self.transport, "versions"):
            return self._listed(recorded.keys())
        found = Known()

        def ask(item: tuple[str, str]) -> None:
            key, version = item
            if self.transport.stat(key_of_version(key, version)) is not None:
                found.ids.add(item)

        pairs = [(key, version) for key, version in recorded.items() if version]
        _spread(ask, pairs, self.jobs)
        lacking = [key for key, version in recorded.items() if (key, version) not in found.ids]
        found.latest = _facts(self.transport, lacking, self.jobs)
        return found

    def _listed(self, keys: Collection[str]) -> Known:
        found = Known()
        wanted = set(keys)
        try:
            for key, facts, is_latest in cast(Versioning, self.transport).versions(_start(wanted)):
                if key in wanted and facts.version_id:
                    found.ids.add((key, facts.version_id))
                    if is_latest:
                        found.latest[key] = facts
        except AccessDenied:
            return Known(listed=False)
        return found


def _start(keys: Collection[str]) -> str:
    """What all keys start with."""
    first, last = min(keys), max(keys)
    same = 0
    while same < len(first) and first[same] == last[same]:
        same += 1
    return first[:same]


def latest_below(transport: Transport, prefix: str, jobs: int) -> dict[str, Facts]:
    """What the keys that start with prefix name now, at a place that keeps versions."""
    if not hasattr(transport, "versions"):
        return _facts(transport, [entry.key for entry in transport.list(prefix)], jobs)
    versions = cast(Versioning, transport).versions(prefix)
    return {key: facts for key, facts, is_latest in versions if is_latest}


def _facts(transport: Transport, keys: Collection[str], jobs: int) -> dict[str, Facts]:
    found: dict[str, Facts] = {}

    def ask(key: str) -> None:
        facts = cast(Telling, transport).facts(key)
        if facts is not None:
            found[key] = facts

    _spread(ask, keys, jobs)
    return found


def _spread(function: Callable[[T], None], items: Collection[T], jobs: int) -> None:
    team: Team[T, None] = Team(function, jobs)
    for _ in team.map(items):
        pass
