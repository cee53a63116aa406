"""`.dvcignore` rules and the upkeep of `.gitignore` lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from pannier.core.errors import InvalidFile
from pannier.formats.ignore import IgnoreRules, add_entry, gitignore_entry, remove_entry


def rules(*lines: str, **nested: str) -> IgnoreRules:
    return IgnoreRules([("", "\n".join(lines)), *nested.items()])


@pytest.mark.parametrize(
    ("pattern", "ignored", "kept"),
    [
        ("*.log", ["a.log", "d/e/a.log", ".log"], ["a.log.txt", "alog"]),
        ("tmp", ["tmp", "d/tmp", "tmp/x", "d/tmp/e/x"], ["tmpx", "d/xtmp"]),
        ("/tmp", ["tmp", "tmp/x"], ["d/tmp"]),
        ("a/b", ["a/b", "a/b/c"], ["x/a/b", "a/bc"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("a/*", ["a/b", "a/b/c"], ["a", "x/a/b"]),
        ("**/b", ["b", "a/b", "a/x/b"], ["bc"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["b"]),
        ("a/**", ["a/b", "a/b/c"], ["x/a/b"]),
        ("[ab].z", ["a.z"], ["c.z", "[ab].z"]),
        ("[!a].z", ["b.z"], ["a.z"]),
        (r"\#x", ["#x"], ["x"]),
        (r"\!x", ["!x"], ["x"]),
        (r"st\*r", ["st*r"], ["star"]),
        ("two words", ["two words"], ["two", "words"]),
        ("  padded\t", ["padded"], ["  padded\t"]),
        ("é*", ["été"], ["ete"]),
        ("a+b.c", ["a+b.c"], ["aab.c", "a+bxc"]),
    ],
)
def test_a_pattern_ignores_what_it_names(pattern: str, ignored: list[str], kept: list[str]) -> None:
    matched = rules(pattern)

    assert ignored == [path for path in ignored if matched.matches(path, False)]
    assert [] == [path for path in kept if matched.matches(path, False)]


def test_a_slash_at_the_end_means_directories_only() -> None:
    matched = rules("build/")

    assert matched.matches("build", True)
    assert matched.matches("a/build", True)
    assert matched.matches("build/x", False)
    assert not matched.matches("build", False)


def test_taking_back_a_directory_does_not_take_back_its_files() -> None:
    matched = rules("d", "!d/")

    assert not matched.matches("d", True)
    assert matched.matches("d/x", False)


def test_the_last_pattern_decides() -> None:
    matched = rules("*.txt", "!keep.txt", "d/keep.txt")

    assert matched.matches("a.txt", False)
    assert not matched.matches("keep.txt", False)
    assert matched.matches("d/keep.txt", False)


def test_nothing_comes_back_below_an_ignored_directory() -> None:
    matched = rules("d", "!d/keep")

    assert matched.matches("d/keep", False)
    assert matched.matches("d/keep/x", False)


def test_what_is_ignored_inside_a_directory_can_be_taken_back() -> None:
    matched = rules("d/*", "!d/keep")

    assert not matched.matches("d/keep/x", False)
    assert matched.matches("d/other/x", False)


def test_nested_files_add_to_those_above_and_are_relative() -> None:
    matched = rules("*.txt", s="!a.txt\n/top\nd/e\n", s_t="")

    assert not matched.matches("s/a.txt", False)
    assert not matched.matches("s/deep/a.txt", False)
    assert matched.matches("s/b.txt", False)
    assert matched.matches("a.txt", False)
    assert matched.matches("s/top", False)
    assert not matched.matches("top", False)
    assert not matched.matches("s/x/top", False)
    assert matched.matches("s/d/e", False)
    assert not matched.matches("d/e", False)


def test_a_nested_file_says_nothing_about_its_own_directory() -> None:
    for pattern in ("*", "**", "s", "/**"):
        matched = IgnoreRules([("s", pattern)])

        assert not matched.matches("s", True)
        assert not matched.matches("x/s", True)


@pytest.mark.parametrize("directory", ["#q", "!z", "a[b]", "st*r", "w ord", "back\\slash"])
def test_the_name_of_a_directory_is_no_pattern(directory: str) -> None:
    matched = IgnoreRules([(directory, "x\n**/y\n[z]\n")])

    for name in "xyz":
        assert matched.matches(f"{directory}/{name}", False)
        assert matched.matches(f"{directory}/d/{name}", False)
        assert not matched.matches(name, False)


def test_an_ignored_file_of_patterns_counts_for_nothing() -> None:
    assert not rules(".*", s="a\n").matches("s/a", False)
    assert rules("t", s="a\n").matches("s/a", False)


def test_files_may_be_given_in_any_order() -> None:
    matched = IgnoreRules([("s", "!a"), ("", "a"), ("s/t", "a")])

    assert (False, True) == (matched.matches("s/a", False), matched.matches("s/t/a", False))


@pytest.mark.parametrize("text", ["!.git\n!.hg\n!.dvc\n", ""])
@pytest.mark.parametrize(
    ("path", "is_dir", "ignored"),
    [
        (".git", True, True),
        (".git", False, True),
        ("a/.git/x", False, True),
        (".hg", True, True),
        (".hg", False, False),
        ("a/.dvc", True, True),
        ("a/.dvc/x", False, True),
        ("x.dvc", False, False),
        (".gitignore", False, False),
    ],
)
def test_folders_of_git_and_dvc_are_always_ignored(
    text: str, path: str, is_dir: bool, ignored: bool
) -> None:
    assert ignored == rules(text).matches(path, is_dir)


def test_comments_blank_lines_and_other_line_ends_are_understood() -> None:
    matched = rules("\ufeff# comment\r\n\r\n  # too\r*.a\r\n\n*.b")

    assert [True, True, False] == [matched.matches(f"x.{c}", False) for c in "ab#"]


@pytest.mark.parametrize("pattern", ["/", "//", "[a-"])
def test_some_patterns_match_nothing(pattern: str) -> None:
    matched = rules(pattern)

    assert not matched.matches("a", True)
    assert not matched.active("")


@pytest.mark.parametrize("pattern", ["!", "a\\", r"a\/b"])
def test_a_pattern_without_meaning_is_refused_with_its_place(pattern: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        IgnoreRules([("", "# fine\n"), ("d", f"ok\n{pattern}\n")])

    assert ("d/.dvcignore", 2) == (caught.value.path, caught.value.line)


def test_rules_are_active_only_where_a_pattern_can_match() -> None:
    matched = rules("/notebooks/x", "data/raw/*.tmp", s="b")

    assert matched.active("")
    assert matched.active("notebooks")
    assert matched.active("notebooks/x/deep")
    assert matched.active("data/raw/deep")
    assert matched.active("s/deep")
    assert not matched.active("data/clean")
    assert not matched.active("models")
    assert rules("*.x").active("anywhere")
    assert not rules("# comment", "").active("")


def test_the_deciding_pattern_is_explained() -> None:
    matched = rules("# c", "*.log", "!keep.log", "d", s="/x\n")

    assert (".dvcignore", 2, "*.log") == matched.explain("a.log", False)
    assert (".dvcignore", 3, "!keep.log") == matched.explain("keep.log", False)
    assert (".dvcignore", 4, "d") == matched.explain("d/e/f", False)
    assert ("s/.dvcignore", 1, "/x") == matched.explain("s/x", False)
    assert ("", 0, ".git") == matched.explain("a/.git/x", False)
    assert ("", 0, ".dvc/") == matched.explain(".dvc", True)
    assert matched.explain("other", False) is None


def test_of_neighbours_the_one_that_dvc_names_is_explained() -> None:
    """Recorded with DVC 3.67.1; tests/compat/test_ignore_oracle.py asks it again."""
    assert (".dvcignore", 1, "*.a") == rules("*.a", "x*").explain("x.a", False)
    assert (".dvcignore", 2, "!x*") == rules("!*.a", "!x*").explain("x.a", False)
    assert (".dvcignore", 2, "x*/") == rules("*.a", "x*/").explain("x.a", True)
    assert (".dvcignore", 2, "a*") == rules("a/**", "a*").explain("a", True)


def test_all_matching_patterns_are_explained_in_order() -> None:
    matched = rules("*.log", "!keep.*", "k*")

    assert [(".dvcignore", 1, "*.log"), (".dvcignore", 2, "!keep.*"), (".dvcignore", 3, "k*")] == (
        matched.explain_all("keep.log", False)
    )
    assert [] == matched.explain_all("x", False)


simple = st.lists(
    st.sampled_from(["a", "b", ".", "-", "*", "?", "é", " ", "+", "a.b"]), min_size=1, max_size=4
).map("".join)
patterns = st.tuples(
    st.sampled_from(["", "/"]),
    st.lists(simple, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "/"]),
).map("".join)
paths = st.lists(st.text("ab.-é +", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@given(pattern=patterns.map(str.strip).filter(bool), path=paths, is_dir=st.booleans())
def test_our_own_translation_agrees_with_the_library(pattern: str, path: str, is_dir: bool) -> None:
    """Simple patterns never load the library; for all of them it would have said the same."""
    regex, _ = GitIgnoreSpecPattern.pattern_to_regex(pattern)
    shown = path + "/" if is_dir else path
    above = ["/".join(path.split("/")[:n]) + "/" for n in range(1, path.count("/") + 1)]
    dirs_only = pattern.endswith("/")
    expected = regex is not None and any(
        re.match(regex, text) for text in above + ([] if dirs_only and not is_dir else [shown])
    )

    assert expected == rules(pattern).matches(path, is_dir)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("plain.csv", "/plain.csv"),
        ("#hash", r"/\#hash"),
        ("!bang", r"/\!bang"),
        ("st*r?", r"/st\*r\?"),
        ("[a]", r"/\[a\]"),
        ("back\\slash", "/back\\\\slash"),
        ("two words", "/two words"),
        ("end ", "/end\\ "),
        ("line\nbreak", "/line?break"),
        ("é", "/é"),
    ],
)
def test_a_gitignore_entry_is_escaped(name: str, entry: str) -> None:
    assert entry == gitignore_entry(name)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, b"/a\n"),
        (b"", b"/a\n"),
        (b"/b\n", b"/b\n/a\n"),
        (b"/b", b"/b\n/a\n"),
        (b"\xff\r\n", b"\xff\r\n/a\n"),
        (b"/aa\n#/a\n", b"/aa\n#/a\n/a\n"),
    ],
)
def test_an_entry_is_added_at_the_end(before: bytes | None, after: bytes) -> None:
    assert after == add_entry(before, "/a")


@pytest.mark.parametrize("before", [b"/a\n", b"/b\n/a", b"/b\r\n/a\r\n"])
def test_an_entry_is_not_added_twice(before: bytes) -> None:
    assert add_entry(before, "/a") is None


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        (b"/a\n", "a", None),
        (b"/a\n/b\n", "a", b"/b\n"),
        (b"# c\n/a\n\n/a\n", "a", b"# c\n\n"),
        (b"/b\r\n /a \r\n", "a", b"/b\r\n"),
        (b"/b\n/a", "a", b"/b\n"),
        (b"/b\n", "a", b"/b\n"),
        (b"/\\#x\n/y\n", "#x", b"/y\n"),
        (b"/#x\n/y\n", "#x", b"/y\n"),
        (b"/a \n/a\\ \n/a\n", "a ", b"/a\n"),
        ("/é\n".encode(), "é", None),
    ],
)
def test_entries_are_removed_in_both_spellings(
    before: bytes, name: str, after: bytes | None
) -> None:
    assert after == remove_entry(before, name)


@given(
    before=st.lists(st.sampled_from([b"/a", b"#x", b"", b"*.o", b"/b c"]), max_size=4).map(
        lambda lines: b"".join(line + b"\n" for line in lines)
    ),
    name=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0/\n\r"), min_size=1
    ),
)
def test_what_was_added_can_be_removed_again(before: bytes, name: str) -> None:
    added = add_entry(before, gitignore_entry(name))

    if added is not None:
        assert (before or None) == remove_entry(added, name)
