"""Reading HEAD and refs from their files (gitrepository-layout(5)): no process, some 50 us."""

from __future__ import annotations

import os

_MAX_HOPS = 5
_PER_WORKTREE = ("refs/bisect/", "refs/worktree/", "refs/rewritten/")


class Unclear(Exception):
    """Only git can tell: a storage of refs that is not files, or a file that is damaged."""


def is_oid(text: str) -> bool:
    """True for the full name of an object: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits."""
    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


def read_head(git_dir: str, common_dir: str) -> str | None:
    """The object that HEAD names; None on a branch without commits. Raises Unclear."""
    value = _read(git_dir + "/HEAD")
    if value is None or os.path.isdir(common_dir + "/reftable"):
        raise Unclear
    for _ in range(_MAX_HOPS):
        if is_oid(value):
            return value
        if not value.startswith("ref:"):
            raise Unclear
        name = value[4:].strip()
        # The name becomes part of a path, and came out of a repository.
        if not name.startswith("refs/") or ".." in name or "\0" in name:
            raise Unclear
        own = name.startswith(_PER_WORKTREE)
        target = _read(f"{git_dir if own else common_dir}/{name}") or _packed(common_dir, name)
        if target is None:
            return None
        value = target
    raise Unclear


def _read(path: str) -> str | None:
    """The first line of a small file; None when there is no such file. Raises Unclear."""
    try:
        with open(path, "rb") as file:
            data = file.read(4096)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError:
        raise Unclear from None
    if not data.endswith(b"\n"):
        raise Unclear
    return os.fsdecode(data).rstrip()


def _packed(common_dir: str, name: str) -> str | None:
    try:
        with open(common_dir + "/packed-refs", "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError:
        raise Unclear from None
    end = data.find(b" " + os.fsencode(name) + b"\n")
    if end < 0:
        return None
    start = data.rfind(b"\n", 0, end) + 1
    return data[start:end].decode("ascii", "replace")
