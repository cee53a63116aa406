"""Mirror: a bare, partial copy of somebody's Git repository, for reading a project in it.

One for each URL in the user's own cache folder, under a lock, and never with a working tree. No
hook of the source runs and no config of it counts; the user's own Git config does, so credentials,
proxies and rewritten URLs work as they do for `git fetch`.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence

from pannier.core.errors import DiskError, GitError, PannierError, SourceError
from pannier.core.events import Progress
from pannier.disk import fsio, trees
from pannier.disk.mutex import ProjectLock
from pannier.git.command import READ_ONLY, environment, run
from pannier.git.refs import is_oid
from pannier.git.repo import GitRepo

_SCHEMES = {"file", "git", "git+ssh", "http", "https", "ssh", "ssh+git"}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)\Z", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_HEAD = "refs/pannier/head"
_REFSPECS = ("+HEAD:" + _HEAD, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FETCH = ("fetch", "--quiet", "--no-write-fetch-head", "--recurse-submodules=no")
_WHOLE = "pannier-whole"
_PARTIAL = "--filter=blob:none"
_ASKS_BEFORE = {"ssh", "ssh+git", "git+ssh", "git", ""}
"""Kinds of servers that may speak Git's older protocol, which gives whole branches only."""
DAYS_KEPT = 30
"""A mirror that was not used for so long makes room when another one is brought up to date."""

# A housekeeping that went on behind our back would work without our lock.
_ALONE = ("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false")


def check_url(url: str) -> None:
    """Raises SourceError for what Git would read as an option, or a program to run."""
    parsed = _URL.match(url)
    if url.startswith("-") or _HELPER.match(url) or any(c in url for c in "\0\n\r"):
        raise SourceError(url, "it is no address of a Git repository")
    if parsed is None:
        host, colon, _ = url.partition(":")
        if colon and "/" not in host and host.rpartition("@")[2].startswith("-"):
            raise SourceError(url, "the name of its host starts with '-'")
        return
    scheme, rest = parsed[1].lower(), parsed[2]
    if scheme not in _SCHEMES:
        raise SourceError(
            url,
            f"Git repositories cannot be reached by '{scheme}://'",
            hint="by a path, and by " + ", ".join(f"{s}://" for s in sorted(_SCHEMES)),
        )
    if rest.partition("/")[0].rpartition("@")[2].startswith("-"):
        raise SourceError(url, "the name of its host starts with '-'")


def private_folder(path: str) -> str:
    """Makes a folder for this user alone. Raises DiskError for one that others can write."""
    fsio.make_dirs(path, 0o700)
    found = os.stat(path)
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise DiskError(
            path,
            0,
            "others could put their own data there",
            hint=f"make it yours alone with: chmod 700 '{path}'",
        )
    return path


class Mirror:
    """The copy of one URL. folder: its own, in the user's cache folder."""

    def __init__(self, url: str, folder: str) -> None:
        check_url(url)
        self.url, self._folder = url, folder
        self.git_dir = f"{folder}/git"
        self._env = environment(os.environ, {"GIT_DIR": self.git_dir}, lazy_fetch=True)
        # Git's own rules for questions on the terminal hold here.
        self._env["GIT_TERMINAL_PROMPT"] = os.environ.get("GIT_TERMINAL_PROMPT", "1")

    def open(self) -> GitRepo:
        return GitRepo.bare(self.git_dir, lazy_fetch=True)

    def update(self, rev: str | None, progress: Progress) -> str:
        """Brings what is new at the source; the full name of the commit that rev means there.

        rev None: the source's own HEAD. A full name of a commit that is here needs no network.
        Raises SourceError when the source cannot be reached, GitError for an unknown revision.
        """
        private_folder(self._folder)
        with ProjectLock(f"{self._folder}/lock", wait=True):
            _mark_used(self._folder)
            if rev is not None and is_oid(rev) and self._is_made():
                with contextlib.suppress(GitError):
                    return self.open().resolve(rev)
            remove_unused(os.path.dirname(self._folder))
            task = progress.task(f"Fetching {self.url}")
            self._fetch_refs()
            task.close()
            return self._resolve(rev)

    def _is_made(self) -> bool:
        """True after the first fetch: HEAD is set as the last thing of it."""
        try:
            with open(f"{self.git_dir}/HEAD", encoding="ascii", errors="replace") as file:
                return is_oid(file.read(100).strip())
        except OSError:
            return False

    def _fetch_refs(self) -> None:
        try:
            is_new = not self._is_made()
            if is_new:
                self._run(["init", "--quiet", "--bare", "--template="])
            # By the config, not on the command line: an address may hold a password.
            self._run(["config", "remote.origin.url", self.url])
            fetch = [*_FETCH, "--prune", "--force"]
            self._run([*fetch, *self._filter(), "origin", *_REFSPECS])
            if is_new and not self._gives_single_objects():
                self._start_whole()
                self._run([*fetch, "origin", *_REFSPECS])
            self._run(["update-ref", "--no-deref", "HEAD", _HEAD])
        except GitError as error:
            raise SourceError(self.url, error.message, hint=error.hint) from None

    def _filter(self) -> tuple[str, ...]:
        return () if os.path.exists(f"{self.git_dir}/{_WHOLE}") else (_PARTIAL,)

    def _gives_single_objects(self) -> bool:
        """Tries it with a file of HEAD: only then is a partial copy of use."""
        scheme = _URL.match(self.url)
        if (scheme[1].lower() if scheme else "") not in _ASKS_BEFORE or os.path.isabs(self.url):
            return True
        missing = self._missing(_HEAD)
        if not missing:
            return True
        try:
            self._bring(missing[:1])
        except GitError as error:
            if "unadvertised object" in error.message or "not our ref" in error.message:
                return False
            raise
        return True

    def _start_whole(self) -> None:
        """From now on the copy is no partial one."""
        trees.remove_tree(self.git_dir)
        self._run(["init", "--quiet", "--bare", "--template="])
        self._run(["config", "remote.origin.url", self.url])
        os.close(fsio.create_new(f"{self.git_dir}/{_WHOLE}"))

    def _resolve(self, rev: str | None) -> str:
        with contextlib.closing(self.open()) as repo:
            try:
                return repo.resolve(rev or "HEAD")
            except GitError:
                if rev is None or not is_oid(rev):
                    raise
            with contextlib.suppress(GitError):  # a commit that no branch leads to
                self._run([*_FETCH, *self._filter(), "origin", rev])
            return repo.resolve(rev)

    def bring_blobs(self, tree: str, oids: Collection[str], progress: Progress) -> None:
        """Brings those of the objects below a commit or tree that the partial copy lacks.

        All in one request; git itself would bring them one by one.
        """
        wanted = set(oids)
        if not wanted:
            return
        needed = sorted(wanted.intersection(self._missing(tree)))
        if not needed:
            return
        task = progress.task(f"Fetching from {self.url}", len(needed))
        try:
            with ProjectLock(f"{self._folder}/lock", wait=True):
                self._bring(needed)
        except GitError as error:
            raise SourceError(self.url, error.message, hint=error.hint) from None
        task.close()

    def _missing(self, tree: str) -> list[str]:
        """Objects below a commit or tree that are not here."""
        _, answer = self._run(
            ["rev-list", "--objects", "--missing=print", "--no-object-names", f"{tree}^{{tree}}"]
        )
        return [line[1:] for line in answer.decode().split("\n") if line.startswith("?")]

    def _bring(self, oids: Sequence[str]) -> None:
        self._run(
            [*_FETCH, "--no-tags", _PARTIAL, "origin", "--stdin"],
            more=("-c", "fetch.negotiationAlgorithm=noop"),
            stdin="".join(f"{oid}\n" for oid in oids).encode(),
        )

    def _run(
        self, args: Sequence[str], *, more: Sequence[str] = (), stdin: bytes | None = None
    ) -> tuple[int, bytes]:
        fsio.make_dirs(self.git_dir, 0o700)
        overrides = (*READ_ONLY, *_ALONE, *more)
        call = {"cwd": self.git_dir, "env": self._env, "stdin": stdin, "overrides": overrides}
        try:
            return run(args, **call)  # type: ignore[arg-type]
        except GitError as error:
            # We hold the lock of the whole mirror: git's own are of a run that was killed.
            locked = ".lock" in error.message or "File exists" in error.message
            if not locked or not self._remove_stale_locks():
                raise
            return run(args, **call)  # type: ignore[arg-type]

    def _remove_stale_locks(self) -> bool:
        found = list(self._stale_locks())
        for path in found:
            fsio.unlink(path)
        return bool(found)

    def _stale_locks(self) -> Iterator[str]:
        for folder, inner, names in os.walk(self.git_dir):
            if folder == self.git_dir:
                inner[:] = [name for name in inner if name == "refs"]
            yield from (f"{folder}/{name}" for name in names if name.endswith(".lock"))


# -- those that nobody uses any more -------------------------------------------------------------


def _mark_used(folder: str) -> None:
    """Sets the time that `remove_unused` goes by; the lock of the mirror is held."""
    fsio.remove_if_there(f"{folder}/used")
    os.close(fsio.create_new(f"{folder}/used"))


def mirrors_in(parent: str) -> list[str]:
    """The folders below parent that hold a mirror, or what is left of one."""
    try:
        with os.scandir(parent) as entries:
            return sorted(
                entry.path
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and any(os.path.isdir(f"{entry.path}/{name}") for name in ("git", "git.gone"))
            )
    except OSError:
        return []


def remove_unused(parent: str) -> None:
    """Removes the mirrors below parent that nobody used for DAYS_KEPT days.

    Each under its own lock, which stays where it is: somebody may be waiting for it. Who reads a
    mirror has marked it under that lock before. One that cannot be removed is left for next time.
    """
    limit_s = time.time() - DAYS_KEPT * 86400
    for folder in mirrors_in(parent):
        with contextlib.suppress(OSError, PannierError):
            if (_time_of(f"{folder}/used") or _time_of(f"{folder}/lock")) >= limit_s:
                continue
            with ProjectLock(f"{folder}/lock", patience_s=0):
                if _time_of(f"{folder}/used") < limit_s:
                    _remove(folder)


def _time_of(path: str) -> float:
    """When a file was last written; 0 when there is none."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0


def _remove(folder: str) -> None:
    """By a rename first: no reader ever finds half of a mirror."""
    gone = f"{folder}/git.gone"
    if os.path.isdir(gone):
        trees.remove_tree(gone)
    if os.path.isdir(f"{folder}/git"):
        fsio.replace(f"{folder}/git", gone)
        trees.remove_tree(gone)
    fsio.remove_if_there(f"{folder}/used")
