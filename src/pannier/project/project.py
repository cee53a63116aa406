"""Project: the record of one opened project. It has no verbs but opening and locking."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import ConfigError
from pannier.core.hashes import blake2b
from pannier.core.record import dataclass, field
from pannier.core.typed import TYPE_CHECKING
from pannier.disk import clock, fsio, link, pool
from pannier.disk.mutex import LinkLock, ProjectLock
from pannier.git.repo import GitRepo
from pannier.project.committed import refuse_committed_links
from pannier.project.config_files import find_root
from pannier.project.settings import Settings, load_settings, own_cache
from pannier.store.objects import Store
from pannier.store.publishing import Staging
from pannier.store.statcache import StatCache

if TYPE_CHECKING:
    from pannier.project.recording import Recording

_DEFAULT_KINDS = ["reflink", "copy"]
_CLOCK_S = 0.5


@dataclass(slots=True)
class Project:
    """One opened project. All paths are absolute.

    root: the directory that holds `.dvc`. scratch: our temporary folder, on the file system of
    `.dvc`; it may not exist yet. git: None in a project without Git. recording: of the command
    that runs, None when it is none that is recorded.
    """

    root: str
    settings: Settings
    git: GitRepo | None
    statcache: StatCache
    cache_dir: str
    store: Store
    legacy: Store
    recording: Recording | None = None
    _kinds: list[str] | None = field(default=None)
    _clock_ns: int = 0
    _clock_until_s: float = 0.0

    @property
    def dvc_dir(self) -> str:
        return f"{self.root}/.dvc"

    @property
    def scratch(self) -> str:
        return f"{self.root}/.dvc/tmp/pannier"

    @property
    def rwlock(self) -> str:
        return f"{self.root}/.dvc/tmp/rwlock"

    def absolute(self, path: str) -> str:
        """An absolute path from a root-relative one; what is outside may be absolute already."""
        if path.startswith("/"):
            return path
        return f"{self.root}/{path}" if path else self.root

    def store_of(self, algorithm: str) -> Store:
        return self.legacy if algorithm == LEGACY else self.store

    def link_kinds(self) -> list[str]:
        """Kinds of link to use, in order: the configured ones that work here; never empty."""
        if self._kinds is None:
            configured = self.settings.get("cache.type")
            wanted = [k.strip() for k in configured.split(",")] if configured else _DEFAULT_KINDS
            if wanted[0] == link.COPY:
                self._kinds = [link.COPY]
            else:
                fsio.make_dirs(self.scratch)
                with Staging(self.store) as staging:
                    working = link.probe(staging.path, self.scratch)
                self._kinds = [kind for kind in wanted if kind in working] or [link.COPY]
        return self._kinds

    def clock_ns(self) -> int:
        """The time of the workspace's file system, now."""
        return clock.clock_ns(self.scratch)

    def recent_clock_ns(self) -> int:
        """The same, now or up to half a second ago: thousands of looks need not ask each.

        Who looks at a file wants to know whether it may change once more within the same time
        stamp. An earlier time makes more files suspicious, never fewer.
        """
        now_s = time.monotonic()
        if now_s >= self._clock_until_s:
            self._clock_ns = self.clock_ns()
            self._clock_until_s = now_s + _CLOCK_S
        return self._clock_ns

    @contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """One process at a time. Raises LockBusy after three seconds, or waits."""
        kind = LinkLock if self.locks_by_links else ProjectLock
        with kind(f"{self.root}/.dvc/tmp/lock", wait=wait):
            yield

    @property
    def locks_by_links(self) -> bool:
        """For file systems without `flock`; real DVC must find the kind of lock that it looks
        for."""
        return self.settings.flag("core.hardlink_lock")

    def close(self) -> None:
        self.store.release()
        self.legacy.release()
        self.statcache.close()
        if self.git is not None:
            self.git.close()


def open_project(start: str) -> Project:
    """Opens the project that start lies in. Raises NotInProject, ConfigError."""
    root = find_root(start)
    refuse_committed_links(root)
    settings = load_settings(f"{root}/.dvc")
    git = None if settings.flag("core.no_scm") else GitRepo.find(root)
    fsio.set_policy(settings.own("fsync", "batch"))
    pool.set_workers(settings.integer("core.checksum_jobs"))
    return make_project(root, settings, git)


def open_folder(start: str) -> Project:
    """What some commands take for a project outside of any: the Git repository that start lies in,
    else that folder. It has no settings of its own; nothing is to be written into it."""
    git = GitRepo.find(start)
    settings = load_settings(None)
    return make_project(git.root if git else os.path.realpath(start), settings, git)


def make_project(
    root: str, settings: Settings, git: GitRepo | None, cache_dir: str | None = None
) -> Project:
    """A project out of its parts. cache_dir: instead of the one in its settings."""
    cache_dir = cache_dir or settings.get("cache.dir") or f"{root}/.dvc/cache"
    statcache = StatCache(_statcache_path(root))
    shared = settings.get("cache.shared") == "group"
    if "://" in cache_dir:
        raise ConfigError(f"the cache must be a folder, not '{cache_dir}'")
    common = _is_common(root, cache_dir)
    return Project(
        root=root,
        settings=settings,
        git=git,
        statcache=statcache,
        cache_dir=cache_dir,
        store=Store(f"{cache_dir}/files/md5", statcache, MD5, shared, common),
        legacy=Store(cache_dir, statcache, LEGACY, shared, common),
    )


def _is_common(root: str, cache_dir: str) -> bool:
    """True when others than the holder of this project's lock may work on its cache.

    Projects share a cache that lies outside of them; DVC's temporary experiments share the cache
    of the project that they belong to.
    """
    inside = os.path.realpath(f"{root}/.dvc") + "/"
    own = os.path.realpath(cache_dir).startswith(inside)
    return not own or os.path.isdir(f"{root}/.dvc/tmp/exps")


def _statcache_path(root: str) -> str:
    """In the user's own cache folder: what others could write there would be believed."""
    return f"{own_cache()}/{token_of(root)}/state.db"


def token_of(name: str) -> str:
    """A name of fixed length for a path or a URL, fit for a folder."""
    return blake2b(os.fsencode(name), digest_size=12).hexdigest()
