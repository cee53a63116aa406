"""Supplies of a project: files of its commits, and objects of its cache and its remote.

What `origins` makes cargo of (store/cargo.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator

from pannier.core.digest import LEGACY
from pannier.core.errors import (
    CorruptObject,
    DiskError,
    GitError,
    NoRemote,
    NotThere,
    PannierError,
)
from pannier.core.events import Progress
from pannier.disk import fsio
from pannier.disk.hashing import hex_of_file
from pannier.git.repo import GitRepo
from pannier.project.index import OutRef
from pannier.project.project import Project
from pannier.project.sources import Source
from pannier.project.version_keys import Far, keys_of, open_far
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import OnBytes, Result
from pannier.store.transports.s3_bodies import Sink


class GitSupply:
    """Files of a commit, by the names of their Git objects."""

    def __init__(self, source: Source, progress: Progress) -> None:
        assert source.git is not None
        assert source.sha is not None
        self._git: GitRepo = source.git
        self._source, self._sha, self._progress = source, source.sha, progress
        self.jobs_default = 1

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        items = list(items)
        oids = [oid for oid, _, _ in items]
        if self._source.mirror is not None:
            self._source.mirror.bring_blobs(self._sha, oids, self._progress)
        paths = {oid: path for oid, path, _ in items}
        never = threading.Event()
        try:
            for oid, data in self._git.read_blobs(oids):
                with Sink(paths[oid], never, on_bytes) as sink:
                    sink.add(data)
                    md5, size = sink.finish(len(data), "", f"'{self._source.url}'")
                yield Result(oid, None, md5, size)
        except GitError as error:
            raise PannierError(error.message, hint=error.hint) from None

    def close(self) -> None:
        return None


class ObjectSupply:
    """Objects of a project: from its cache where that can be read, else from its remote.

    refs: outputs that say which cloud versions they are, where the remote keeps such. own: the
    only remote that they go to. cache: it has one on this machine.
    """

    def __init__(
        self,
        project: Project,
        refs: list[OutRef],
        own: str | None,
        algorithm: str,
        *,
        cache: bool,
    ) -> None:
        self._project, self._refs, self._own, self._algorithm = project, refs, own, algorithm
        self._cache = cache
        self.jobs_default = 0
        """As the remote has it."""

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        items = list(items)
        done: set[str] = set()
        if self._cache:
            for result in self._from_cache(items, jobs, on_bytes):
                done.add(result.key)
                yield result
        rest = [item for item in items if item[0] not in done]
        if not rest:
            return
        try:
            config = self._project.settings.remote(self._own)
        except NoRemote as error:
            raise PannierError(
                f"its data is {'not in its cache' if self._cache else 'on no remote'}, and"
                f" '{self._project.root}' has no default remote",
                hint="name one with '--remote <name>', or '--remote-config url=<url>' beside it",
            ) from error
        with open_far(config) as remote:
            yield from self._from(remote, rest, jobs, on_bytes)

    def _from_cache(
        self, items: list[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        """What arrived from the cache; what is damaged there comes from the remote."""
        here = self._project.store_of(self._algorithm).present({name for name, _, _ in items})
        some = [item for item in items if item[0] in here]
        if not some:
            return
        paths = {name: path for name, path, _ in some}
        with Remote(RemoteConfig("cache", self._project.cache_dir)) as cache:
            for result in self._from(cache, some, jobs, on_bytes):
                if result.error is None:
                    yield result
                elif isinstance(result.error, DiskError):
                    raise result.error
                elif os.path.lexists(paths[result.key]):
                    fsio.remove_if_there(paths[result.key])

    def _from(
        self, remote: Far, items: list[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        if isinstance(remote, Remote):
            keys = remote.keys(self._algorithm, [name for name, _, _ in items])
        else:
            known = keys_of(self._refs, remote.name)
            for name, _, _ in items:
                if name not in known:
                    gone = f"no version of object {name} is recorded for remote '{remote.name}'"
                    yield Result(name, NotThere(gone))
            items = [item for item in items if item[0] in known]
            keys = [known[name] for name, _, _ in items]
        names = dict(zip(keys, items, strict=True))
        calls = [(key, path, md5) for key, (_, path, md5) in names.items()]
        for result in remote.transport.download_many(calls, jobs or remote.jobs, on_bytes):
            name, path, _ = names[result.key]
            yield self._checked(result, name, path, remote.name)

    def _checked(self, result: Result, name: str, path: str, where: str) -> Result:
        if result.error is None and self._algorithm == LEGACY:
            found = hex_of_file(path, LEGACY)
            if found != name[:32]:
                error = CorruptObject(name, found=found, where=f"'{where}'")
                fsio.remove_if_there(path)
                return Result(name, error)
        if isinstance(result.error, NotThere):
            gone = NotThere(f"object {name} is not on remote '{where}'")
            return Result(name, gone)
        return result._replace(key=name)

    def close(self) -> None:
        return None
