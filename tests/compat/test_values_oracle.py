"""metrics show, metrics diff and params diff say what real DVC says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.measured import measured_project
from tests.support.oracle import Oracle
from tests.support.programs import Completed, Program, git

LINES: tuple[tuple[str, str], ...] = (
    ("", "metrics show"),
    ("", "metrics show --json"),
    ("", "metrics show -a --md --precision 2"),
    ("", "metrics show -A --json"),
    ("", "metrics show nope.json scores cached.json --json"),
    ("sub", "metrics show --json"),
    ("", "metrics diff v1 main --json --all"),
    ("", "metrics diff v1 v2 --md --no-path --precision 3"),
    ("sub", "metrics diff v1 --targets ../e1.json top.yaml --all --json"),
    ("", "metrics diff nope"),
    ("", "params diff"),
    ("", "params diff v1 v2"),
    ("", "params diff v1 v2 --all --md"),
    ("", "params diff v1 --deps --json"),
    ("", "params diff v1 v2 --targets conf params.yaml --no-path"),
)

LATER = (
    ("", "clean"),
    ("", "metrics show -a m.json --json"),
    ("", "broken"),
    ("", "metrics diff v2 broken --json"),
)


def said(done: Completed) -> object:
    """What a program said, with what has no order in DVC sorted: differences, all commits."""
    if done.stdout.startswith("{"):
        # DVC starts the path of a damaged file somewhere else.
        found = json.loads(re.sub(r"unable to read: '[./]*", "unable to read: '", done.stdout))
        return json.dumps(found, sort_keys=bool({"diff", "-A"} & set(done.command)))
    rows = done.stdout.split("\n")
    return (rows[0], sorted(rows[1:]))


def test_values_are_told_as_by_dvc(tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    project = measured_project(tmp_path / "p", dvc)
    wrong = []
    for cwd, line in (*LINES, *LATER):
        if line == "broken":
            project.write("sub/dvc.yaml", "metrics: {a: 1}\n")
            project.commit_all("broken")
            project.git("tag", "broken")
            project.git("reset", "-q", "--hard", "HEAD~1")
            continue
        if line == "clean":  # the workspace is then as the branch, and left out
            project.git("branch", "-qD", "same")
            project.git("checkout", "-q", "--", ".")
            continue
        theirs = oracle(*line.split(), cwd=project.root / cwd)
        ours = dvc(*line.split(), cwd=project.root / cwd)
        told = [set(re.findall(r"[^\s,']+", done.stderr)) for done in (theirs, ours)]
        if "broken" in line:  # in other words, as elsewhere
            told = [words & {"WARNING:", "failed", "load", "broken"} for words in told]
        if (theirs.rc, said(theirs), told[0]) != (ours.rc, said(ours), told[1]):
            wrong.append(f"{line}\n{theirs}\n{ours}")

    assert not wrong, "\n\n".join(wrong)


def test_outside_of_a_project_the_repository_or_the_folder_is_taken_for_one(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    for name in ("git", "plain"):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "m.json").write_text('{"a": 1}')
        (folder / "dvc.yaml").write_text("metrics: [m.json]\nplots: [m.json]\n")
        if name == "git":
            git("init", "-q", cwd=folder)
            git("add", "-A", cwd=folder)
            git("commit", "-qm", "x", cwd=folder)
            (folder / "m.json").write_text('{"a": 2}')
        lines = [("sub", "metrics show"), ("", "params diff"), ("", "plots show")]
        for cwd, line in lines if name == "git" else [("", "metrics show"), ("", "metrics diff")]:
            theirs, ours = (run(*line.split(), cwd=folder / cwd) for run in (oracle, dvc))

            assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout), line
            assert not (folder / ".dvc").exists()
