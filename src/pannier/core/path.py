"""The path rule: which relative paths may come out of a repository, a manifest or an option."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from pannier.core.errors import BadPath
from pannier.core.pattern import pattern

# Characters that HFS+ ignores when it compares names: ".g\u200cit" is ".git" there.
_IGNORABLE = "\u200c\u200d\u200e\u200f\u202a-\u202e\u206a-\u206f\ufeff"
# Half a character: JSON can spell it, no UTF-8 name can hold it.
_SURROGATES = "\ud800-\udfff"
_SUSPICIOUS = pattern(rf"(?:^|/)(?:[./]|$)|/$|\0|~|[{_IGNORABLE}{_SURROGATES}]")
_HALF_CHARACTER = pattern(f"[{_SURROGATES}]")
_STRIP_IGNORABLE = pattern(f"[{_IGNORABLE}]")
_GIT_SHORT = pattern(r"git~\d+\Z")


def reason_to_refuse(path: str, *, data: bool = True) -> str | None:
    """Says why a relative POSIX path is not allowed, or None when it is.

    The rule: parts split at '/'; none empty, '.' or '..'; no NUL, no half of a character; none
    that any file system takes for `.git`; with data, no directory part `.dvc`. Source:
    docs/durability.md, path rule.
    """
    if not _SUSPICIOUS.search(path):
        return None
    if "\0" in path:
        return "it contains a NUL character"
    if _HALF_CHARACTER.search(path):
        return "it is not valid Unicode"
    if path.startswith("/"):
        return "it is absolute"
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part == "":
            return "it is empty" if path == "" else "it has an empty part"
        if part in (".", ".."):
            return f"it has a part '{part}'"
        if _is_git_dir(part):
            return f"'{part}' stands for Git's own folder"
        if data and part == ".dvc" and index < len(parts) - 1:
            return "it lies in a '.dvc' folder"
    return None


def all_plain(paths: Iterable[str]) -> bool:
    """True when none of many paths holds anything that the rule could refuse: one fast look."""
    return not any(map(_SUSPICIOUS.search, paths))


def _is_git_dir(part: str) -> bool:
    bare = _STRIP_IGNORABLE.sub("", part).rstrip(". ").lower()
    return bare == ".git" or _GIT_SHORT.match(bare) is not None


def check(path: str, where: str) -> str:
    """Returns path, or raises BadPath naming `where` it was read."""
    why = reason_to_refuse(path)
    if why is not None:
        raise BadPath(path=path, reason=why, where=where)
    return path


def join(directory: str, path: str) -> str:
    """Joins and normalises two POSIX paths relative to the project root; '' is the root.

    The result may start with '..' when it leaves the project; see `is_inside`.
    """
    # The library's `join` takes as long as all the rest, and commands join each path they know.
    if directory and path[:1] != "/":
        path = directory + path if directory[-1] == "/" else f"{directory}/{path}"
    joined = posixpath.normpath(path)
    return "" if joined == "." else joined


def is_inside(path: str) -> bool:
    """True when a normalised root-relative path stays in the project."""
    return not (path == ".." or path.startswith(("../", "/")))


def is_within(path: str, directory: str) -> bool:
    """True when path is directory or lies below it (both normalised, root-relative)."""
    return directory == "" or path == directory or path.startswith(directory + "/")


def relative(path: str, start: str) -> str:
    """path (root-relative) as seen from the directory start (root-relative); '.' for itself."""
    if not start:
        return path or "."
    return posixpath.relpath("/" + path, "/" + start)
