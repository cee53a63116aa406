"""The path rule, for any text, against the same rule said part by part (docs/durability.md)."""

from __future__ import annotations

import posixpath

from hypothesis import example, given
from hypothesis import strategies as st

from pannier.core.path import is_inside, is_within, join, reason_to_refuse, relative

IGNORED_BY_HFS = {
    *map(chr, range(0x200C, 0x2010)),
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x206A, 0x2070)),
    "\ufeff",
}
odd = [
    ".",
    "..",
    ".git",
    ".GIT",
    ".git.",
    ".git ",
    "git~1",
    "git~",
    ".dvc",
    "",
    "\u200c",
    ".g\u200dit",
]
parts = st.sampled_from(odd) | st.text("agit.~1 \0\u200c\ud800\\", max_size=6) | st.text(max_size=5)
texts = st.lists(parts, min_size=1, max_size=4).map("/".join)
plain_paths = st.lists(st.sampled_from(["a", "b", "ab", "..a", "a b"]), max_size=4).map("/".join)


def is_taken_for_git(part: str) -> bool:
    seen = "".join(char for char in part if char not in IGNORED_BY_HFS).rstrip(". ").lower()
    short = seen.startswith("git~") and seen[4:].isdecimal()
    return seen == ".git" or short


def refuses(path: str, *, data: bool) -> bool:
    found = path.split("/")
    try:
        path.encode()
    except UnicodeEncodeError:
        return True
    return any(
        part in ("", ".", "..") or "\0" in part or is_taken_for_git(part) for part in found
    ) or (data and ".dvc" in found[:-1])


@example(".g\u200cit/x")
@example("a/\ufeff.Git. . /x")
@given(texts)
def test_the_rule_refuses_exactly_what_is_written_down(path: str) -> None:
    assert refuses(path, data=True) == (reason_to_refuse(path) is not None)
    assert refuses(path, data=False) == (reason_to_refuse(path, data=False) is not None)


@given(texts)
def test_what_is_allowed_stays_where_it_says(path: str) -> None:
    if reason_to_refuse(path) is None:
        assert path == posixpath.normpath(path) == join("", path)
        assert is_inside(path)
        assert join("root", path).startswith("root/")


@given(plain_paths, plain_paths)
def test_a_path_seen_from_a_folder_leads_back_from_there(path: str, start: str) -> None:
    assert path == join(start, relative(path, start))


@given(plain_paths, plain_paths)
def test_a_path_is_within_a_folder_when_its_parts_begin_with_the_folders(
    path: str, directory: str
) -> None:
    above = directory.split("/") if directory else []
    below = path.split("/") if path else []

    assert (below[: len(above)] == above) == is_within(path, directory)
