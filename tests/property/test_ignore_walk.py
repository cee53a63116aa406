"""Walking under `.dvcignore`: exactly the files that no pattern leaves out."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.disk.walk import scan
from pannier.formats.ignore import IgnoreRules

names = st.sampled_from(["a", "b", "ab", "x.log", "y.log", "keep", "é"])
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
trees = st.sets(paths, min_size=1, max_size=10)
patterns = st.builds(
    lambda negated, anchored, path, slash: negated + anchored + path + slash,
    st.sampled_from(["", "!"]),
    st.sampled_from(["", "/", "**/"]),
    st.sampled_from(["a", "b", "ab", "*.log", "a*", "?", "a/b", "keep", "b/*", "[ab]", "*"]),
    st.sampled_from(["", "/"]),
)
rules = st.lists(patterns, max_size=4).map("\n".join)


def make(root: Path, tree: set[str]) -> set[str]:
    """Makes the files whose path is free; returns them."""
    made = set()
    for path in sorted(tree):
        target = root / path
        if any(parent.is_file() for parent in target.parents) or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("x")
        made.add(path)
    return made


def walked(root: Path, ignore: IgnoreRules | None) -> set[str]:
    found = scan(str(root), ignore.matches if ignore else None)
    assert [] == found.problems
    return {folder.join(name) for folder in found.folders for name in folder.names}


@settings(deadline=None)
@given(trees, rules, rules)
def test_a_walk_finds_exactly_the_files_that_no_pattern_leaves_out(
    tree: set[str], outer: str, inner: str
) -> None:
    ignore = IgnoreRules([("", outer), ("a", inner)])
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), tree)

        assert {path for path in made if not ignore.matches(path, False)} == walked(
            Path(folder), ignore
        )


@settings(deadline=None)
@given(trees)
def test_without_patterns_a_walk_finds_every_file(tree: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), tree)

        assert made == walked(Path(folder), None) == walked(Path(folder), IgnoreRules([]))


@settings(deadline=None)
@given(trees, rules, paths)
def test_where_no_pattern_is_active_none_matches(tree: set[str], text: str, below: str) -> None:
    ignore = IgnoreRules([("", text)])
    if not ignore.active(below) and not ignore.matches(below, True):
        for path in tree:
            assert not ignore.matches(f"{below}/{path}", False)
            assert not ignore.matches(f"{below}/{path}", True)
