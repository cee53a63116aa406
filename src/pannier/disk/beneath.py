"""Reaching into a directory without ever following a link out of it.

A cloned repository may hold links where data directories are expected; what is created, replaced
or deleted below a root goes through descriptors opened part by part without following links.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from pannier.core.errors import DiskError, FileChanged
from pannier.disk import faults, fsio
from pannier.disk.walk import StatKey, stat_key

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


class Root:
    """An opened directory; all paths are relative to it, POSIX, and stay below it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: dict[str, int] = {"": self._fd}

    def __enter__(self) -> Root:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open = {}

    def _folder(self, path: str, *, create: bool) -> int:
        """A descriptor of a directory below the root. Raises DiskError where a link stands."""
        fd = self._open.get(path)
        if fd is not None:
            return fd
        parent, _, name = path.rpartition("/")
        parent_fd = self._folder(parent, create=create)
        if create:
            with contextlib.suppress(FileExistsError):
                faults.point("mkdir", f"{self.path}/{path}")
                os.mkdir(name, dir_fd=parent_fd)
        try:
            fd = os.open(name, _DIR, dir_fd=parent_fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise DiskError(
                    f"{self.path}/{path}",
                    error.errno,
                    "a link or a file stands where a directory belongs",
                    hint="nothing is written through links; move it away and repeat",
                ) from None
            raise
        if len(self._open) > 256:
            self._forget()
        self._open[path] = fd
        return fd

    def _forget(self) -> None:
        for path, fd in list(self._open.items()):
            if path:
                os.close(fd)
                del self._open[path]

    @contextlib.contextmanager
    def _parent(self, path: str, *, create: bool) -> Iterator[tuple[int, str]]:
        parent, _, name = path.rpartition("/")
        yield self._folder(parent, create=create), name

    def make_folder(self, path: str) -> None:
        self._folder(path, create=True)

    def stat(self, path: str) -> os.stat_result | None:
        try:
            with self._parent(path, create=False) as (fd, name):
                return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def place(self, source: str, path: str) -> None:
        """Moves source (absolute) to a path where nothing is, parents made as needed."""
        with self._parent(path, create=True) as (fd, name):
            target = f"/proc/self/fd/{fd}/{name}"
            if not fsio.publish(source, target, shown=f"{self.path}/{path}"):
                raise DiskError(
                    f"{self.path}/{path}",
                    errno.EEXIST,
                    "something stands there that is not part of the data"
                    " (new, or left out by .dvcignore)",
                    hint="move it away and repeat the command",
                )

    def swap(self, source: str, path: str, expected: StatKey | None) -> None:
        """Puts source in the place of an existing path; what was there is at source afterwards.

        expected: stats that the old file must have, else the names are swapped back and
        FileChanged is raised: somebody edited it meanwhile.
        """
        with self._parent(path, create=False) as (fd, name):
            target = f"/proc/self/fd/{fd}/{name}"
            shown = f"{self.path}/{path}"
            if fsio.exchange(source, target, shown=shown):
                if expected is not None and not _same_file(os.lstat(source), expected):
                    self.swap_back(source, path)
                    raise FileChanged(shown)
                return
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if expected is not None and not _same_file(found, expected):
                raise FileChanged(shown)
            aside = f"{source}.old"
            faults.point("rename", shown, aside)
            if stat.S_ISDIR(found.st_mode) or stat.S_ISDIR(os.lstat(source).st_mode):
                os.rename(name, aside, src_dir_fd=fd)
                try:
                    os.rename(source, name, dst_dir_fd=fd)
                except OSError:
                    self.put_back(aside, path)
                    raise
                os.rename(aside, source)
            else:
                # A link to the old file first: its bytes keep a name at every moment.
                with contextlib.suppress(OSError):
                    os.link(name, aside, src_dir_fd=fd, follow_symlinks=False)
                os.rename(source, name, dst_dir_fd=fd)
                with contextlib.suppress(OSError):
                    os.rename(aside, source)

    def swap_back(self, source: str, path: str) -> None:
        """Undoes `swap`, also where others took the new file away meanwhile."""
        try:
            self.swap(source, path, None)
        except FileNotFoundError:
            self.put_back(source, path)

    def put_back(self, source: str, path: str) -> None:
        """Gives what was taken from a path its name again. It may be the only copy: where others
        put something there meanwhile it gets a name beside that, and DiskError says which."""
        parent, _, name = path.rpartition("/")
        beside = f"{os.fsdecode(os.fsencode(name)[:200])}.{os.urandom(4).hex()}.kept"
        for folder, new in ((parent, name), (parent, beside), ("", beside)):
            shown = f"{self.path}/{folder}/{new}" if folder else f"{self.path}/{new}"
            try:
                fd = self._folder(folder, create=False)
                done = fsio.publish(source, f"/proc/self/fd/{fd}/{new}", shown=shown)
            except (OSError, DiskError):
                continue
            if done and new != name:
                raise DiskError(
                    f"{self.path}/{path}",
                    errno.EEXIST,
                    f"others are at work on it: what stood there is '{shown}' now",
                    hint="look at both, move one away and repeat the command",
                )
            if done:
                return
        raise DiskError(source, errno.EEXIST, f"it cannot go back to '{self.path}/{path}'")

    def names(self, path: str) -> list[str]:
        """What is in a directory, in order."""
        return sorted(os.listdir(self._folder(path, create=False)))

    def hand_over(self, path: str, other: Root, target: str) -> bool:
        """Moves an existing path to a place below another root, parents made as needed; False when
        something stands there: then nothing is moved."""
        with (
            self._parent(path, create=False) as (fd, name),
            other._parent(target, create=True) as (to, new),
        ):
            return fsio.publish(
                f"/proc/{os.getpid()}/fd/{fd}/{name}",
                f"/proc/self/fd/{to}/{new}",
                shown=f"{other.path}/{target}",
            )

    def take(self, path: str, target: str) -> None:
        """Moves an existing path to target (absolute), where nothing is."""
        with self._parent(path, create=False) as (fd, name):
            faults.point("rename", f"{self.path}/{path}", target)
            os.rename(name, target, src_dir_fd=fd)

    def delete(self, path: str, expected: StatKey | None) -> None:
        """Removes a file, unless it changed since its stats were expected."""
        with self._parent(path, create=False) as (fd, name):
            try:
                found = os.stat(name, dir_fd=fd, follow_symlinks=True)
            except FileNotFoundError:
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if expected is not None and not _is_unchanged(found, expected):
                raise FileChanged(f"{self.path}/{path}")
            faults.point("unlink", f"{self.path}/{path}")
            os.unlink(name, dir_fd=fd)

    def delete_folder_if_empty(self, path: str) -> bool:
        with self._parent(path, create=False) as (parent_fd, name):
            kept = self._open.pop(path, None)
            if kept is not None:
                os.close(kept)
            faults.point("rmdir", f"{self.path}/{path}")
            try:
                os.rmdir(name, dir_fd=parent_fd)
            except OSError:
                return False
            return True


def _same_file(found: os.stat_result, expected: StatKey) -> bool:
    """All but ctime: the exchange itself moves it."""
    mtime, _, size, inode = expected
    if stat.S_ISLNK(found.st_mode):
        return True  # its own stats were never taken; a link holds no data
    return (found.st_mtime_ns, found.st_size, found.st_ino) == (mtime, size, inode)


def _is_unchanged(found: os.stat_result, expected: StatKey) -> bool:
    """ctime counts only for a file of one name: losing another name moves it, too."""
    if stat.S_ISLNK(found.st_mode) or found.st_nlink > 1:
        return _same_file(found, expected)
    return stat_key(found) == expected


def has_link_parent(root: str, path: str) -> str | None:
    """The first directory on the way from root to path that is a link, or None."""
    parts = path.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        folder = "/".join(parts[:count])
        try:
            if stat.S_ISLNK(os.lstat(f"{root}/{folder}").st_mode):
                return folder
        except FileNotFoundError:
            return None
    return None
