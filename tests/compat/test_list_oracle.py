"""list and du say what real DVC says, byte for byte, and end with its exit codes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browse import Scenes, make_scenes
from tests.support.oracle import Oracle
from tests.support.programs import Completed, Program, Runner, git
from tests.support.terminal import results_on_terminal
from tests.support.wanted import is_wanted

pytestmark = pytest.mark.xdist_group("list")  # what all of these ask about is made once

ALL: tuple[list[str], ...] = (
    [],
    ["-R", "--json"],
    ["--json"],
    ["-R", "--dvc-only", "--json"],
    ["-T", "--size", "--show-hash"],
    ["-R", "-L", "2", "--size"],
)
FEW: tuple[list[str], ...] = (["--json"], ["-T", "--size"])
PATHS = ("d/sub", "d/a", "d/nope", "nope", "f.csv", "code", "empty", "sub2")
ODD = ("./d/", "sub2/../d", "..", "lnk", "dirlnk", "x.log", "/etc", "", "d.e", "skipped")

CASES: dict[str, list[tuple[str, list[str]]]] = {
    "whole": [
        *(("whole", [".", *flags]) for flags in ALL),
        ("whole", [".", "-R", "--show-hash"]),
        ("whole", [".", "-T", "-L", "2", "--dvc-only"]),
        ("whole", [".", "-R", "-L", "0"]),
        ("whole", [".", "-T", "--json"]),
        ("whole", [".", "--rev"]),
        ("whole", [".", "-L", "3"]),
        ("elsewhere", ["../whole/code", "-R"]),
        ("elsewhere", ["../whole", "d", "--json"]),
        ("elsewhere", ["../nothing"]),
        ("elsewhere", ["{base}/whole", "{base}/whole/d"]),
    ],
    "revision": [
        *(("whole", [".", "--rev", "v1", *flags]) for flags in ALL if "-T" not in flags),
        *(("whole", [".", path, "--json", "--rev", "v1"]) for path in PATHS),
        *(("whole", [".", path, "--json", "--rev", "v1"]) for path in ("lnk", "dirlnk", "x.log")),
        ("whole", [".", "--rev", "nope"]),
    ],
    "paths": [
        *(("whole", [".", path, *flags]) for path in PATHS for flags in FEW),
        *(("whole", [".", path]) for path in ODD),
    ],
    "changed": [
        *(("changed", [".", *flags]) for flags in ALL),
        *(("changed", [".", path, "--json"]) for path in ("d", "d/new", "d/a", "d.e", "f.csv")),
    ],
    "gone": [
        *(("gone", [".", *flags]) for flags in ALL),
        *(("gone", [".", path, "--json"]) for path in ("d", "d/sub", "tool", "d/a")),
    ],
    "no-cache": [
        ("no-cache", [".", "--json"]),
        ("no-cache", [".", "-R"]),
        ("no-cache", [".", "-R", "-L", "1", "--json"]),
        ("no-cache", [".", "d", "--json"]),
        ("elsewhere", ["file://{base}/whole", "d"]),
        ("no-cache", [".", "-R", "--rev", "v1"]),
    ],
    "remote": [
        ("remote", [".", "-R", "--json"]),
        ("remote", [".", "d", "--json"]),
        *(("elsewhere", ["file://{base}/remote", *flags]) for flags in ALL if "-T" not in flags),
        ("elsewhere", ["file://{base}/remote", "d", "--json"]),
        ("elsewhere", ["file://{base}/remote", "nope"]),
        ("elsewhere", ["file://{base}/remote", "--rev", "nope"]),
        ("elsewhere", ["file://{base}/remote", "--remote", "nope"]),
        ("elsewhere", ["file://{base}/nothing"]),
        ("elsewhere", ["file://{base}/remote", "d", "--remote-config", "foo=bar"]),
        (
            "elsewhere",
            ["file://{base}/whole", "d", "--remote", "n", "--remote-config", "url={base}/store"],
        ),
    ],
    "subdir": [
        *(
            ("elsewhere", ["{base}/mono", path, *flags])
            for path in ("", "part", "part/dd")
            for flags in (["-R", "--show-hash"], ["--json", "--rev", "v1"])
        ),
        ("elsewhere", ["file://{base}/mono", "--json"]),
        ("elsewhere", ["file://{base}/mono", "part", "--json"]),
        ("elsewhere", ["{base}/mono/part", "-R", "--json"]),
        ("elsewhere", ["{base}/mono/part", "--rev", "v1"]),
        ("elsewhere", ["{base}/mono/plain"]),
        ("mono", [".", "-T"]),
        ("mono/part/nested", [".", "-R", "--json"]),
        ("mono/part/nested", [".", "dd"]),
        ("mono/part/nested", [".", "x"]),
        ("mono/part/nested", [".", "../dd"]),
    ],
    "sub-repo": [
        *(("outer", [".", *flags]) for flags in FEW),
        *(("outer", [".", "inner", *flags]) for flags in FEW),
        ("outer", [".", "--rev", "v1", "-R", "--show-hash"]),
        ("elsewhere", ["file://{base}/outer", "-R", "--show-hash"]),
        ("elsewhere", ["file://{base}/outer", "inner", "--json"]),
    ],
    "pipeline": [
        *(("pipeline", [".", *flags]) for flags in ALL),
        ("pipeline", [".", "-R", "--rev", "v1", "--json"]),
    ],
    "others": [
        ("no-git", [".", "-R", "--json"]),
        ("no-git", [".", "--rev", "v1"]),
        ("plain", [".", "-R", "--json"]),
        ("plain", [".", "-R", "--rev", "v1", "--json"]),
        ("elsewhere", ["file://{base}/plain", "-R", "--json"]),
        ("folder", [".", "--json"]),
        ("folder", [".", "x"]),
        ("elsewhere", ["../folder/x"]),
        ("elsewhere", [".", "--json"]),
        ("elsewhere", []),
    ],
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Scenes:
    return make_scenes(tmp_path_factory.mktemp("browse"), oracle)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """DVC remembers what it has listed, and answers from that: a new memory each time."""
    return (str(tmp_path / f"site{number}") for number in itertools.count())


def ask(
    program: Runner, scenes: Scenes, command: str, cwd: str, args: list[str], site: str
) -> Completed:
    shown = [arg.replace("{base}", str(scenes.base)) for arg in args]
    return program(command, *shown, cwd=scenes.base / cwd, env={"DVC_SITE_CACHE_DIR": site})


def compare(
    scenes: Scenes,
    oracle: Runner,
    dvc: Runner,
    fresh: Iterator[str],
    cases: list[tuple[str, list[str]]],
) -> list[str]:
    found = []
    for cwd, args in cases:
        theirs = ask(oracle, scenes, "list", cwd, args, next(fresh))
        ours = ask(dvc, scenes, "list", cwd, args, next(fresh))
        if (theirs.rc, theirs.stdout) != (ours.rc, ours.stdout):
            found.append(f"in {cwd}:\n{theirs}\n{ours}\n")
    return found


@pytest.mark.parametrize("scene", CASES)
def test_list_answers_as_dvc(
    scenes: Scenes, oracle: Oracle, dvc: Program, fresh: Iterator[str], scene: str
) -> None:
    found = compare(scenes, oracle, dvc, fresh, CASES[scene])

    assert not found, "\n".join(found)


DU: list[tuple[str, list[str]]] = [
    *(("whole", [".", *rest]) for rest in ([], ["-s"], ["d"], ["d", "-s"], ["d/"], ["d/sub"])),
    *(("whole", [".", *rest]) for rest in (["f.csv"], ["f.csv", "-s"], ["empty"], ["x.log"])),
    *(("whole", [".", *rest, "--rev", "v1"]) for rest in ([], ["-s"], ["d"], ["sub2"], ["nope"])),
    *(("changed", [".", *rest]) for rest in ([], ["-s"], ["d"])),
    *(("gone", [".", *rest]) for rest in ([], ["-s"], ["d", "-s"], ["d/sub", "-s"], ["sub2"])),
    ("outer", ["."]),
    ("outer", [".", "inner"]),
    ("pipeline", ["."]),
    ("elsewhere", ["file://{base}/outer"]),
    ("elsewhere", ["../plain", "b", "--rev", "v1"]),
    ("elsewhere", ["../nothing"]),
    ("whole", [".", "--rev", "nope"]),
]


def test_du_answers_as_dvc(
    scenes: Scenes, oracle: Oracle, dvc: Program, fresh: Iterator[str]
) -> None:
    """DVC's lines are in no order, but for the last."""
    found = []
    for cwd, args in DU:
        theirs, ours = (ask(p, scenes, "du", cwd, args, next(fresh)) for p in (oracle, dvc))
        said, answered = (sorted(run.lines[:-1]) + run.lines[-1:] for run in (theirs, ours))
        if (theirs.rc, said) != (ours.rc, answered):
            found.append(f"in {cwd}:\n{theirs}\n{ours}\n")

    assert not found, "\n".join(found)


COLOURS = (
    None,
    "",
    "rs=0:di=01;34:ln=01;36:ex=01;32:*.csv=00;35:*.sh=01;31:out=04;33:fi=7:*.E=1",
    "di=01;34:*.csv=00;35:*.hid=4:*.py=1;3",
)


def test_names_have_the_colours_that_dvc_gives_them(
    scenes: Scenes, oracle: Oracle, dvc: Program, tmp_path: Path
) -> None:
    for number, colours in enumerate(COLOURS):
        for flags in ([], ["-R"], ["-T", "--size"]):
            env = {"LS_COLORS": colours or "", "DVC_SITE_CACHE_DIR": str(tmp_path / str(number))}
            theirs, ours = (
                results_on_terminal([path, "list", ".", *flags], cwd=scenes.base / "whole", env=env)
                for path in (oracle.path, dvc.path)
            )

            # A terminal's colours are reset once more at the end of everything that DVC does.
            assert theirs.removesuffix("\x1b[0m") == ours, (colours, flags)


def test_a_relative_remote_of_a_source_lies_beside_the_source(
    scenes: Scenes, oracle: Oracle, dvc: Program, fresh: Iterator[str]
) -> None:
    assert is_wanted("source-relative-remote")
    config = scenes.base / "remote/.dvc/config"
    before = config.read_text()
    config.write_text(before.replace(str(scenes.base / "store"), "../../store"))
    git("commit", "-qam", "relative", cwd=config.parent)

    args = ["file://{base}/remote", "d"]
    theirs, ours = (
        ask(program, scenes, "list", "elsewhere", args, next(fresh)) for program in (oracle, dvc)
    )
    config.write_text(before)
    git("commit", "-qam", "absolute", cwd=config.parent)

    assert (255, 0) == (theirs.rc, ours.rc)
    assert ["a", "sub"] == ours.lines


def test_a_source_at_no_branch_is_listed(
    scenes: Scenes, oracle: Oracle, dvc: Program, fresh: Iterator[str]
) -> None:
    assert is_wanted("source-detached")
    root = scenes.base / "detached"
    git("clone", "-q", "--no-local", str(scenes.base / "plain"), str(root))
    git("checkout", "-q", "--detach", cwd=root)

    theirs, ours = (
        ask(program, scenes, "list", "elsewhere", ["file://{base}/detached"], next(fresh))
        for program in (oracle, dvc)
    )

    assert (1, 0) == (theirs.rc, ours.rc)
    assert ["a", "b"] == ours.lines


def test_a_file_is_no_project(
    scenes: Scenes, oracle: Oracle, dvc: Program, fresh: Iterator[str]
) -> None:
    assert is_wanted("list-of-file")

    theirs, ours = (
        ask(program, scenes, "list", "whole", ["f.csv"], next(fresh)) for program in (oracle, dvc)
    )

    assert (0, ".\n") == (theirs.rc, theirs.stdout)
    assert (1, "") == (ours.rc, ours.stdout)


def test_sizes_are_told_below_the_root(
    scenes: Scenes, oracle: Oracle, dvc: Program, fresh: Iterator[str]
) -> None:
    assert is_wanted("du-below-root")

    theirs, ours = (
        ask(program, scenes, "du", "mono/part/nested", ["."], next(fresh))
        for program in (oracle, dvc)
    )

    assert (255, 0) == (theirs.rc, ours.rc)
    assert ["4   .gitignore", "2   code.py", "4   dd", "5   nested", "15"] == ours.lines


def test_secrets_of_a_source_are_hidden(scenes: Scenes, dvc: Program) -> None:
    url = "https://user:s3cret-word@127.0.0.1:9/x.git"

    found = dvc("list", url, cwd=scenes.base)

    assert 1 == found.rc
    assert "s3cret-word" not in found.stdout + found.stderr
