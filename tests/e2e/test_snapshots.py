"""Walk-through 2: snapshots of data, code and model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.shell import Shell

VERSIONS = {
    "v1.0": {"data.csv": "a,b\n1,2\n", "model.h5": "weights 1", "train.py": "print(1)\n"},
    "v2.0": {"data.csv": "a,b\n1,2\n3,4\n", "model.h5": "weights 2", "train.py": "print(2)\n"},
}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Two tagged versions of data, code and model; the second is in the workspace."""
    shell = Shell(tmp_path)
    shell("git init && dvc init")
    for tag, files in VERSIONS.items():
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        line = shell.printed_git_line(shell("dvc add data.csv model.h5").stdout)
        shell(f"{line} && git add train.py && git commit -m '{tag}'")
        shell(f"git tag -a {tag} -m 'version {tag}'")
    return shell


def found(shell: Shell) -> dict[str, str]:
    return {name: (shell.folder / name).read_text() for name in VERSIONS["v1.0"]}


def test_a_tag_brings_back_data_code_and_model(shell: Shell) -> None:
    said = shell("git checkout v1.0 && dvc checkout")

    assert found(shell) == VERSIONS["v1.0"]
    assert sorted(line.split() for line in said.lines) == [["M", "data.csv"], ["M", "model.h5"]]
    assert shell("dvc status").stdout == "Data and pipelines are up to date.\n"


def test_going_back_and_forth_loses_nothing(shell: Shell) -> None:
    shell("git checkout v1.0 && dvc checkout")
    shell("git checkout v2.0 && dvc checkout")

    assert found(shell) == VERSIONS["v2.0"]
    assert shell("git status --porcelain").stdout == ""


def test_old_data_alone_comes_under_the_new_code(shell: Shell) -> None:
    shell("git checkout v1.0 data.csv.dvc && dvc checkout data.csv.dvc")

    assert found(shell) == {**VERSIONS["v2.0"], "data.csv": VERSIONS["v1.0"]["data.csv"]}

    shell("git commit -m 'Old data again'")

    assert shell("dvc status").stdout == "Data and pipelines are up to date.\n"


def test_changed_data_is_not_overwritten_without_force(shell: Shell) -> None:
    (shell.folder / "data.csv").write_text("precious")

    failed = shell("git checkout v1.0 && dvc checkout", rc=255)

    assert "precious" == (shell.folder / "data.csv").read_text()
    assert str(shell.folder / "data.csv") in failed.stderr

    shell("dvc checkout --force")

    assert found(shell) == VERSIONS["v1.0"]
