"""What a command imports. Every module costs half a millisecond at the start of every command."""

from __future__ import annotations

import json
import sys
import time

import pytest

from tests.support.programs import run
from tests.support.project import Project
from tests.unit.test_proc import until

PROGRAM = """
import json, os, sys
before = set(sys.modules)
from pannier.cli.main import main
try:
    main(sys.argv[1:])
finally:
    os.write(2, b"\\n" + json.dumps(sorted(set(sys.modules) - before)).encode())
"""
HEAVY = {
    "asyncssh",
    "asyncio",
    "botocore",
    "duckdb",
    "httpx",
    "obstore",
    "pathspec",
    "rich",
    "ruamel",
    "ssl",
    "tomlkit",
    "unittest",
    "urllib3",
}


def imported(project: Project, *args: str) -> list[str]:
    """The modules that a command imports beyond those that Python starts with."""
    done = run([sys.executable, "-c", PROGRAM, *args], cwd=project.root)
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return found


@pytest.fixture
def used(project: Project) -> Project:
    """A project in which everything was done once."""
    project.write("data/a", "a")
    project.write("file", "f")
    project.dvc("remote", "add", "-q", "-d", "store", "../remote")
    # What was changed just now is hashed once more, and that takes modules of its own.
    until(lambda: time.time() - (project.root / "file").stat().st_ctime > 0.5)
    project.dvc("add", "-q", "data", "file")
    project.dvc("push", "-q")
    return project


BUDGETS: dict[tuple[str, ...], int] = {
    ("--version",): 6,
    ("root",): 51,
    ("status",): 116,
    ("data", "status"): 137,
    ("diff",): 130,
    ("add", "file"): 142,
    ("commit", "file.dvc"): 147,
    ("checkout",): 132,
    ("push",): 153,
    ("fetch",): 146,
    ("pull",): 149,
    ("list", "."): 140,
    ("du", "."): 140,
    ("check-ignore", "*.log"): 130,
    ("dag",): 114,
    ("metrics", "show"): 163,
    ("params", "diff"): 164,
    ("plots", "show"): 180,
}


@pytest.mark.parametrize("args", BUDGETS, ids=" ".join)
def test_a_command_imports_no_more_than_it_needs(used: Project, args: tuple[str, ...]) -> None:
    found = imported(used, *args)

    assert [] == [name for name in found if name.split(".")[0] in HEAVY]
    assert len(found) <= BUDGETS[args], f"{len(found)}: {found}"


def test_the_version_needs_nothing_but_the_entry(used: Project) -> None:
    ours = [name for name in imported(used, "--version") if name.startswith("pannier")]

    assert ["pannier", "pannier.cli", "pannier.cli.main"] == ours


def test_a_command_loads_no_other_command_and_no_transport_that_it_does_not_use(
    used: Project,
) -> None:
    found = imported(used, "status")

    commands = [name for name in found if name.startswith("pannier.cli.commands.")]
    assert ["pannier.cli.commands.status"] == commands
    assert [] == [name for name in found if name.startswith("pannier.store.transports.")]


def test_a_push_to_a_folder_loads_the_transport_of_folders_only(used: Project) -> None:
    used.write("file", "changed")
    used.dvc("add", "-q", "file")

    found = imported(used, "push")

    assert not [name for name in found if name.startswith("pannier.store.transports.s3")]
    assert "pannier.store.transports.local" in found


@pytest.mark.parametrize("args", [("status",), ("checkout",), ("push",), ("fetch",), ("pull",)])
def test_a_command_with_nothing_to_do_imports_nothing_that_is_slow_and_not_needed(
    used: Project, args: tuple[str, ...]
) -> None:
    """Each of these costs as much as ten of our own modules."""
    slow = {"dataclasses", "inspect", "ast", "ctypes", "json", "subprocess", "shlex"}
    if args == ("status",):
        slow |= {"typing", "datetime", "sqlite3", "queue", "weakref"}
    else:
        slow -= {"json", "subprocess"}  # a manifest; Git's ignore rules

    assert set() == slow & set(imported(used, *args))
