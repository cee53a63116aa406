"""Links and copies: which kinds work between two places, and making one of a kind."""

from __future__ import annotations

import errno
import fcntl
import os

from pannier.disk import fsio

REFLINK, HARDLINK, SYMLINK, COPY = "reflink", "hardlink", "symlink", "copy"
KINDS = (REFLINK, HARDLINK, SYMLINK, COPY)
_FICLONE = 0x40049409

CANNOT = (
    errno.EXDEV,
    errno.EPERM,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EINVAL,
    errno.ENOTTY,
    errno.EMLINK,
    errno.EACCES,
)
"""What the system answers where a kind of link does not work between two places."""


def clone_fd(source_fd: int, target_fd: int) -> None:
    """Makes target share source's blocks. Raises OSError where the file system cannot."""
    fcntl.ioctl(target_fd, _FICLONE, source_fd)


def probe(store_dir: str, workspace_dir: str) -> list[str]:
    """Tells which kinds of link work from a store to a workspace, best first; copy always does.

    Tries them between two temporary files of its own, never on anything that has a meaning:
    a probe on a real object's name once emptied it.
    """
    name = f".{os.getpid()}-{os.urandom(8).hex()}.pannier-probe"
    source, target = f"{store_dir}/{name}", f"{workspace_dir}/{name}.2"
    working = []
    fd = fsio.create_new(source, 0o600)
    try:
        fsio.write_all(fd, b"probe", source)
        for kind in (REFLINK, HARDLINK, SYMLINK):
            try:
                if kind == REFLINK:
                    clone = fsio.create_new(target, 0o600)
                    try:
                        clone_fd(fd, clone)
                    finally:
                        os.close(clone)
                elif kind == HARDLINK:
                    fsio.link(source, target)
                else:
                    fsio.symlink(source, target)
                working.append(kind)
            except OSError as error:
                if error.errno not in CANNOT:
                    raise
            finally:
                fsio.remove_if_there(target)
    finally:
        os.close(fd)
        fsio.remove_if_there(source)
    return [*working, COPY]
