"""Ignore rules decide as real DVC does, `.gitignore` lines as Git reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pannier.formats.ignore import NAME, IgnoreRules, add_entry, gitignore_entry
from tests.support.oracle import Oracle
from tests.support.programs import run

SEGMENTS = (
    *("a", "b", "ab", "foo", "s", ".h", "é", "x y"),
    *("*", "?", "a*", "*.t", "*b*", ".*", "a?", "**", "a**"),
    *("[ab]", "[!a]", "[a-z]*", r"\#q", r"\!z", r"a\[b"),
)
# Every case is a folder of one project, so that one call of DVC judges them all. A nested file's
# lone `**` and its leading escapes are left out: there DVC differs from Git, and we follow Git.
patterns = st.tuples(
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/"]),
).filter(lambda parts: set(parts[2]) - set("*/") and not parts[2].startswith("\\"))
texts = st.lists(patterns.map("".join), min_size=1, max_size=4).map("\n".join)
names = st.sampled_from(["a", "b", "ab", "a.t", ".h", "foo", "x y", "#q", "!z", "a[b", "s", "é"])
trees = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), min_size=3, max_size=8)
inner = st.none() | st.tuples(st.sampled_from(["a", "s", "foo/ab"]), texts)
cases = st.lists(st.tuples(texts, inner, trees), min_size=25, max_size=25)


few = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a smaller example would take minutes: every try starts programs
    suppress_health_check=list(HealthCheck),
)


def without_conflicts(paths: list[str]) -> list[str]:
    """Leaves out paths that would be a file and a directory at once."""
    kept: list[str] = []
    for path in paths:
        if not any(f"{k}/".startswith(f"{path}/") or path.startswith(f"{k}/") for k in kept):
            kept.append(path)
    return kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ignore")


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(drawn=cases)
def test_rules_decide_and_explain_as_dvc_does(oracle: Oracle, folder: Path, drawn: Any) -> None:
    root = folder / str(len(list(folder.iterdir())))
    root.mkdir()
    oracle("init", "--no-scm", cwd=root, check=True)
    expected, targets = [], []
    for number, (text, nested, paths) in enumerate(drawn):
        case = f"case{number}"
        files = [(case, text)]
        for path in without_conflicts(paths):
            full = root / case / path
            full.parent.mkdir(parents=True, exist_ok=True)
            full.touch()
        if nested and (root / case / nested[0]).is_dir():
            files.append((f"{case}/{nested[0]}", nested[1]))
        for directory, lines in files:
            (root / directory).mkdir(exist_ok=True)
            (root / directory / NAME).write_text(lines)
        rules = IgnoreRules(files)
        for found in sorted((root / case).rglob("*")):
            target = found.relative_to(root).as_posix()
            where = rules.explain(target, found.is_dir())
            shown = f"{where[0]}:{where[1]}:{where[2]}" if where else "::"
            targets.append(target)
            expected.append(f"{shown}\t{target}")

    answered = oracle("check-ignore", "-d", "-n", "--", *targets, cwd=root)

    assert expected == answered.stdout.splitlines()


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(drawn=cases)
def test_without_exceptions_rules_decide_as_git_does(folder: Path, drawn: Any) -> None:
    """Git knows `!` and `**` at the end otherwise, and counts bytes where `?` counts characters."""
    root = folder / f"git{len(list(folder.iterdir()))}"
    root.mkdir()
    run(["git", "init", "-q"], cwd=root, check=True)
    expected, asked = [], []
    for number, (text, _, paths) in enumerate(drawn):
        case = f"case{number}"
        plain = "\n".join(line for line in text.split("\n") if not line.startswith("!"))
        plain = "\n".join(line for line in plain.split("\n") if not line.endswith("/**"))
        (root / case).mkdir()
        (root / case / ".gitignore").write_text(plain)
        rules = IgnoreRules([(case, plain)])
        for path in without_conflicts(paths):
            (root / case / path).parent.mkdir(parents=True, exist_ok=True)
            (root / case / path).touch()
            asked.append(f"{case}/{path}")
            if rules.matches(f"{case}/{path}", False):
                expected.append(f"{case}/{path}")

    answered = run(
        ["git", "-c", "core.quotePath=false", "check-ignore", "-z", "--stdin"],
        cwd=root,
        stdin="\0".join(asked),
    )

    assert expected == answered.stdout.split("\0")[:-1]


NAMES = (
    *("plain", "two words", "#hash", "!bang", "st*r", "q?", "[list]", "é", "a.b", "$x", "{y}"),
    *("'q'", '"d"', "-dash", "~", "a[b", "a]b", "a!b", "a#b"),
)
ESCAPED_BETTER = ("back\\slash", "end ", "line\nbreak")


def test_gitignore_lines_are_those_of_dvc(tmp_path: Path, oracle: Oracle) -> None:
    run(["git", "init", "-q"], cwd=tmp_path, check=True)
    oracle("init", cwd=tmp_path, check=True)
    for name in NAMES:
        (tmp_path / name).write_text(name)

    oracle("add", "--", *NAMES, cwd=tmp_path, check=True)

    expected = b""
    for name in NAMES:
        expected = add_entry(expected, gitignore_entry(name)) or expected
    lines = (tmp_path / ".gitignore").read_bytes().splitlines()
    assert sorted(lines) == sorted(expected.splitlines())


def test_git_ignores_exactly_the_file_that_an_entry_names(tmp_path: Path) -> None:
    run(["git", "init", "-q"], cwd=tmp_path, check=True)
    every = [*NAMES, *ESCAPED_BETTER]
    others = [f"{name}x" for name in every] + [f"sub/{name}" for name in every] + ["star", "qx"]
    for name in every:
        (tmp_path / ".gitignore").write_bytes(add_entry(None, gitignore_entry(name)) or b"")

        answered = run(
            ["git", "check-ignore", "-z", "--stdin"],
            cwd=tmp_path,
            stdin="\0".join([*every, *others]),
        )

        assert [name] == answered.stdout.split("\0")[:-1]
