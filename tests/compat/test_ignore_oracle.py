"""Ignore rules decide as real DVC does, `.gitignore` lines as Git reads them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from pannier.formats.ignore import NAME, IgnoreRules, add_entry, gitignore_entry
from tests.support.oracle import Oracle
from tests.support.programs import run

SEGMENTS = (
    *("a", "b", "ab", "foo", "s", ".h", "é", "x y"),
    *("*", "?", "a*", "*.t", "*b*", ".*", "a?", "**", "a**"),
    *("[ab]", "[!a]", "[a-z]*", r"\#q", r"\!z", r"a\[b"),
)
PARTS = ("a", "b", "ab", "a.t", ".h", "foo", "x y", "#q", "!z", "a[b", "s", "é")
CASES = 80
Case = tuple[list[tuple[str, str]], list[str]]
"""(directory, its patterns) from the case's folder, and the files in it."""


def random_pattern(rng: random.Random) -> str:
    """A nested file's lone `**` and leading escapes are left out: there DVC differs from Git,
    and we follow Git.
    """
    while True:
        body = "/".join(rng.choices(SEGMENTS, k=rng.choice((1, 1, 1, 2, 2, 3))))
        if set(body) - set("*/") and not body.startswith("\\"):
            break
    return (
        f"{rng.choice(('', '', '!'))}{rng.choice(('', '', '/'))}{body}{rng.choice('  /').strip()}"
    )


def random_patterns(rng: random.Random) -> str:
    return "\n".join(random_pattern(rng) for _ in range(rng.randint(1, 4)))


def random_case(rng: random.Random) -> Case:
    paths: list[str] = []
    for _ in range(8):
        path = "/".join(rng.choices(PARTS, k=rng.randint(1, 4)))
        if not any(f"{k}/".startswith(f"{path}/") or path.startswith(f"{k}/") for k in paths):
            paths.append(path)
    files = [("", random_patterns(rng))]
    folders = sorted({path.rpartition("/")[0] for path in paths} - {""})
    plain = [folder for folder in folders if not set(folder) & set("#![")]
    if plain and rng.random() < 0.6:
        files.append((rng.choice(plain), random_patterns(rng)))
    return files, paths


def lay_out(root: Path, cases: Iterable[Case], name: str) -> None:
    for number, (files, paths) in enumerate(cases):
        for path in paths:
            full = root / f"case{number}" / path
            full.parent.mkdir(parents=True, exist_ok=True)
            full.touch()
        for directory, text in files:
            (root / f"case{number}" / directory / name).write_text(text)


@pytest.mark.parametrize("seed", range(3))
def test_rules_decide_and_explain_as_dvc_does(tmp_path: Path, oracle: Oracle, seed: int) -> None:
    """Every case is a folder of one project, so that one call of DVC judges them all."""
    rng = random.Random(seed)
    cases = [random_case(rng) for _ in range(CASES)]
    oracle("init", "--no-scm", cwd=tmp_path, check=True)
    lay_out(tmp_path, cases, NAME)
    top = f"*.t\n!/case1*/*b*\n{random_pattern(rng)}\n"
    (tmp_path / NAME).write_text(top)
    targets, expected = [], []
    for number in range(CASES):
        case = f"case{number}"
        nested = [(f"{case}/{folder}".rstrip("/"), text) for folder, text in cases[number][0]]
        rules = IgnoreRules([("", top), *nested])
        for found in sorted((tmp_path / case).rglob("*")):
            target = found.relative_to(tmp_path).as_posix()
            where = rules.explain(target, found.is_dir())
            targets.append(target)
            expected.append(
                (f"{where[0]}:{where[1]}:{where[2]}" if where else "::") + f"\t{target}"
            )

    answered = oracle("check-ignore", "-d", "-n", "--", *targets, cwd=tmp_path)

    assert expected == answered.stdout.splitlines()


def as_git_has_it(text: str) -> str:
    """Leaves out what Git knows otherwise: `!`, `**` at the end or in a word, and `?` and sets,
    which count bytes there.
    """
    odd = re.compile(r"^!|\*\*/?$|[^/]\*\*|[?[]")
    return "\n".join(line for line in text.split("\n") if not odd.search(line))


@pytest.mark.parametrize("seed", range(3))
def test_without_exceptions_rules_decide_as_git_does(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    drawn = [random_case(rng) for _ in range(CASES)]
    cases = [([(d, as_git_has_it(text)) for d, text in files], paths) for files, paths in drawn]
    run(["git", "init", "-q"], cwd=tmp_path, check=True)
    lay_out(tmp_path, cases, ".gitignore")
    asked, expected = [], []
    for number, (files, paths) in enumerate(cases):
        case = f"case{number}"
        rules = IgnoreRules([(f"{case}/{folder}".rstrip("/"), text) for folder, text in files])
        asked += [f"{case}/{path}" for path in paths]
        expected += [f"{case}/{path}" for path in paths if rules.matches(f"{case}/{path}", False)]

    answered = run(["git", "check-ignore", "-z", "--stdin"], cwd=tmp_path, stdin="\0".join(asked))

    assert len(expected) > CASES / 2
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
