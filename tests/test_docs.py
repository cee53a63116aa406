"""The documentation is true: its links lead somewhere and its examples run as printed.

An example that is run is a fence "```console run": lines "$ ..." are typed, what follows is what
the program must print; "..." stands for anything, alone on a line for any number of lines. All
examples of one page share one folder and one shell. A command may end in "# exits with N".
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pannier.cli import args, table
from tests.support.programs import REPOSITORY, TIMEOUT_S
from tests.support.wanted import wanted_differences

PAGES = sorted(
    path.relative_to(REPOSITORY)
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "changes/*.md", "demo/*.md")
    for path in REPOSITORY.glob(pattern)
)
MARK = "\x1e"
EXITS = re.compile(r"\s+# exits with (\d+)$")


@dataclass(frozen=True, slots=True)
class Example:
    """One typed line, what it prints, and its exit code. line: where it stands in the page."""

    line: int
    command: str
    expected: list[str]
    rc: int


def examples(text: str) -> list[Example]:
    found: list[Example] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = line.split() == ["```console", "run"]
        elif inside and line.startswith("$ "):
            rc = EXITS.search(line)
            found.append(Example(number, EXITS.sub("", line[2:]), [], int(rc[1]) if rc else 0))
        elif inside and found:
            found[-1].expected.append(line)
    return found


def matches(expected: list[str], printed: list[str]) -> bool:
    """Tells whether what was printed is what the page shows, empty lines at the ends aside."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in "\n".join(expected).strip("\n").split("\n")
    )
    return re.fullmatch(pattern, "\n".join(printed).strip("\n") + "\n") is not None


def run_examples(found: list[Example], folder: Path) -> list[str]:
    """Types all examples into one bash; returns what is wrong."""
    script = "".join(f"{example.command} 2>&1\nprintf '{MARK}%s{MARK}' $?\n" for example in found)
    done = subprocess.run(
        ["bash"], input=script, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    pieces = done.stdout.split(MARK)
    wrong = []
    for example, said, rc in zip(found, pieces[0::2], pieces[1::2], strict=False):
        if int(rc) != example.rc or not matches(example.expected, said.splitlines()):
            wrong.append(f"line {example.line}: $ {example.command}\nexit code {rc}, said:\n{said}")
    if len(pieces) // 2 != len(found):
        wrong.append(f"the shell ended early: {done.stderr}")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_examples_of_a_page_run_as_printed(page: Path, tmp_path: Path) -> None:
    found = examples((REPOSITORY / page).read_text())

    assert [] == run_examples(found, tmp_path)


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings make, as GitHub makes them."""
    heads = re.findall(r"(?m)^#+ +(.*?) *#*$", text)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(page: Path) -> list[str]:
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    dead = []
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = page.parent / path if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())
        ):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert [] == dead_links(REPOSITORY / page)


def documented_sections() -> dict[str, str]:
    """docs/commands.md by command: the text below a heading like "## remote add"."""
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    parts = re.split(r"(?m)^#{2,4} +`?(?:dvc )?([a-z][a-z -]*?)`? *$", page)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def help_of(*words: str) -> str:
    with pytest.raises(args.HelpWanted) as wanted:
        args.parse([*words, "--help"], "dvc")
    text: str = wanted.value.args[0]
    return text


def spoken(*words: str) -> Iterator[tuple[str, set[str]]]:
    """A command and its long options as its help shows them; then the same of its sub-commands."""
    text = help_of(*words)
    usage = " ".join(text.split("\n\n")[0].split())
    yield " ".join(words), set(re.findall(r"(?m)^  +(?:-\S+(?: <.*?>)?, )?(--[a-z][a-z-]*)", text))
    if subs := re.search(r"\{([a-z,-]+)\} \.\.\.", usage):
        for sub in subs[1].split(","):
            yield from spoken(*words, sub)


def real_commands() -> dict[str, set[str]]:
    """Every command that the program takes, with every option that its help shows."""
    return {
        command: options - {"--help"}
        for name, entry in table.COMMANDS.items()
        if not entry.hidden
        for command, options in spoken(name)
    }


COMMANDS = real_commands()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_documented(command: str) -> None:
    section = documented_sections().get(command, "")

    assert section, f"docs/commands.md has no heading '## {command}' with text below it"
    assert [] == [o for o in sorted(COMMANDS[command]) if not re.search(rf"{o}(?![\w-])", section)]


def test_no_command_is_documented_that_is_not_there() -> None:
    aliases = {alias for command in table.COMMANDS.values() for alias in command.aliases}

    assert set() == set(documented_sections()) - set(COMMANDS) - aliases


def test_every_wanted_difference_is_named_by_a_test() -> None:
    """A row of docs/compat.md without a test is a claim that nobody checks."""
    tests = "".join(
        path.read_text() for path in (REPOSITORY / "tests").rglob("*.py") if path != Path(__file__)
    )

    assert [] == [id_ for id_ in wanted_differences() if f'"{id_}"' not in tests]


def test_a_wrong_example_is_found(tmp_path: Path) -> None:
    page = "```console run\n$ echo one; echo two\none\n...\n$ false\n$ false  # exits with 1\n```\n"
    found = examples(page)

    assert ["line 5: $ false\nexit code 1, said:\n"] == run_examples(found, tmp_path)
    assert not matches(["one"], ["two"])
    assert matches(["o...e", "..."], ["ooze", "x", "y"])


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A head\n[a](nowhere.md) [b](#a-head) [c](#b-head) [d](https://x.org)\n")

    assert ["nowhere.md", "#b-head"] == dead_links(page)
