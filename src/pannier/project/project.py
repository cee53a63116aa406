"""Project: the record of one opened project. It has no verbs but opening and locking."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import ConfigError
from pannier.disk import fsio, link
from pannier.disk.mutex import ProjectLock
from pannier.git.repo import GitRepo
from pannier.project.config_files import find_root
from pannier.project.settings import Settings, load_settings
from pannier.store.objects import Store
from pannier.store.publishing import Staging
from pannier.store.statcache import StatCache

_DEFAULT_KINDS = ["reflink", "copy"]


@dataclass(slots=True)
class Project:
    """One opened project. All paths are absolute.

    root: the directory that holds `.dvc`. scratch: our temporary folder, on the file system of
    `.dvc`; it may not exist yet. git: None in a project without Git.
    """

    root: str
    settings: Settings
    git: GitRepo | None
    statcache: StatCache
    cache_dir: str
    store: Store
    legacy: Store
    _kinds: list[str] | None = field(default=None)

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
        """An absolute path from a root-relative one."""
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
        return fsio.clock_ns(self.scratch)

    @contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """One process at a time. Raises LockBusy after three seconds, or waits."""
        with ProjectLock(f"{self.root}/.dvc/tmp/lock", wait=wait):
            yield

    def close(self) -> None:
        self.statcache.close()
        if self.git is not None:
            self.git.close()


def open_project(start: str) -> Project:
    """Opens the project that start lies in. Raises NotInProject, ConfigError."""
    root = find_root(start)
    settings = load_settings(f"{root}/.dvc")
    git = None if settings.flag("core.no_scm") else GitRepo.find(root)
    fsio.set_policy(settings.own("fsync", "batch"))
    return make_project(root, settings, git)


def make_project(
    root: str, settings: Settings, git: GitRepo | None, cache_dir: str | None = None
) -> Project:
    """A project out of its parts. cache_dir: instead of the one in its settings."""
    cache_dir = cache_dir or settings.get("cache.dir") or f"{root}/.dvc/cache"
    statcache = StatCache(_statcache_path(root))
    shared = settings.get("cache.shared") == "group"
    if "://" in cache_dir:
        raise ConfigError(f"the cache must be a folder, not '{cache_dir}'")
    return Project(
        root=root,
        settings=settings,
        git=git,
        statcache=statcache,
        cache_dir=cache_dir,
        store=Store(f"{cache_dir}/files/md5", statcache, MD5, shared),
        legacy=Store(cache_dir, statcache, LEGACY, shared),
    )


def _statcache_path(root: str) -> str:
    """In the user's own cache folder: what others could write there would be believed."""
    return f"{own_cache()}/{token_of(root)}/state.db"


def own_cache() -> str:
    """Our folder in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{base}/pannier"


def token_of(name: str) -> str:
    """A name of fixed length for a path or a URL, fit for a folder."""
    return hashlib.blake2b(os.fsencode(name), digest_size=12).hexdigest()
