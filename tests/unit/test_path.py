"""The path rule, case by case (docs/durability.md)."""

from __future__ import annotations

import pytest

from pannier.core.errors import BadPath
from pannier.core.path import check, is_inside, is_within, join, reason_to_refuse, relative

ALLOWED = [
    "a",
    "a/b/c.txt",
    "...",
    "..foo",
    "foo..",
    ".gitignore",
    "sub/.gitattributes",
    ".github/x",
    "git",
    "x.git",
    "x.git/hooks",
    "git~",
    "git~x",
    "~",
    "~/x",
    "a\\b",
    "..\\x",
    "new\nline",
    "x\n",
    " ",
    " a ",
    "x.dvc",
    ".dvc",  # as a file of data it is odd, but it is no folder of a project
    ".dvcignore",
    ".hidden/.dvc",
    "é",
    "e\u0301",
    "\U0001f600",
    "a" * 255,
    "x\u200cy",
]
REFUSED = {
    "": "empty",
    ".": "a part '.'",
    "..": "a part '..'",
    "/": "absolute",
    "/a": "absolute",
    "//a": "absolute",
    "a//b": "empty part",
    "a/": "empty part",
    "a/b/": "empty part",
    "./a": "a part '.'",
    "a/.": "a part '.'",
    "a/./b": "a part '.'",
    "../a": "a part '..'",
    "a/..": "a part '..'",
    "a/../../x": "a part '..'",
    "a\0b": "NUL",
    "\0": "NUL",
    "/a\0": "NUL",
    ".git": "Git's own folder",
    ".git/config": "Git's own folder",
    "a/.git": "Git's own folder",
    "a/.GIT/x": "Git's own folder",
    ".gIt/x": "Git's own folder",
    ".git./x": "Git's own folder",
    ".git /x": "Git's own folder",
    ".git . ./x": "Git's own folder",
    "git~1": "Git's own folder",
    "a/GIT~2/x": "Git's own folder",
    "GIT~10": "Git's own folder",
    ".g\u200cit/config": "Git's own folder",
    "\ufeff.git": "Git's own folder",
    "\u202e.git": "Git's own folder",
    ".gi\u206at": "Git's own folder",
    ".dvc/config": "'.dvc' folder",
    "a/.dvc/tmp/x": "'.dvc' folder",
    "\ud800x": "Unicode",
    "a/\udcff": "Unicode",
}


@pytest.mark.parametrize("path", ALLOWED)
def test_the_rule_allows(path: str) -> None:
    assert reason_to_refuse(path) is None


@pytest.mark.parametrize("path", REFUSED)
def test_the_rule_refuses_and_says_why(path: str) -> None:
    assert REFUSED[path] in (reason_to_refuse(path) or "allowed")


def test_what_is_no_data_may_lie_in_a_dvc_folder() -> None:
    assert reason_to_refuse(".dvc/tmp/x", data=False) is None


def test_a_checked_path_comes_back_as_it_was() -> None:
    assert "a/b" == check("a/b", "x.dvc")


def test_a_refused_path_names_the_place_where_it_was_read() -> None:
    with pytest.raises(BadPath) as caught:
        check("../a", "x.dvc")

    assert ("../a", "x.dvc") == (caught.value.path, caught.value.where)
    assert "the path '../a' in x.dvc is not allowed: it has a part '..'" == str(caught.value)


@pytest.mark.parametrize(
    ("directory", "path", "joined"),
    [
        ("", "a", "a"),
        ("", ".", ""),
        ("", "", ""),
        ("a", "..", ""),
        ("a", ".", "a"),
        ("a", "b/../c", "a/c"),
        ("a/b", "../../x", "x"),
        ("a", "../../x", "../x"),
        ("a", "/abs", "/abs"),
    ],
)
def test_joining_normalises(directory: str, path: str, joined: str) -> None:
    assert joined == join(directory, path)


@pytest.mark.parametrize("path", ["", "a", "..a", "a/..b", "..."])
def test_inside(path: str) -> None:
    assert is_inside(path)


@pytest.mark.parametrize("path", ["..", "../a", "/a", "/"])
def test_not_inside(path: str) -> None:
    assert not is_inside(path)


def test_a_directory_holds_itself_and_what_is_below_it() -> None:
    assert is_within("a", "a")
    assert is_within("a/b", "a")
    assert is_within("a", "")
    assert not is_within("ab", "a")
    assert not is_within("a", "a/b")


@pytest.mark.parametrize(
    ("path", "start", "seen"),
    [
        ("a/b", "", "a/b"),
        ("", "", "."),
        ("a/b", "a", "b"),
        ("a", "a", "."),
        ("b", "a", "../b"),
        ("", "a/b", "../.."),
        ("../x", "", "../x"),
    ],
)
def test_a_path_as_seen_from_a_folder(path: str, start: str, seen: str) -> None:
    assert seen == relative(path, start)
