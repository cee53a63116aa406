"""Walk-through 3: a playground with several remotes, written by DVC 1.x and 2.x."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.shell import Shell
from tests.support.oracle import Oracle
from tests.support.project import objects, picture
from tests.support.samples import LEGACY_FILES, LEGACY_FOLDER, write_legacy_playground

EVERYTHING = LEGACY_FILES | {f"animals/{path}": data for path, data in LEGACY_FOLDER.items()}
CLEAN = "Data and pipelines are up to date.\n"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "playground")
    shell.folder.mkdir()
    shell("git init")
    write_legacy_playground(shell.folder, tmp_path / "storage")
    shell("git add -A && git commit -m 'As it was'")
    return shell


def data(shell: Shell) -> dict[str, bytes]:
    return {p: (shell.folder / p).read_bytes() for p in EVERYTHING if (shell.folder / p).exists()}


def what_is_there(shell: Shell) -> dict[str, bytes]:
    """All but the modes: old objects may be 0644, and real DVC makes them 0444 when it looks."""
    found = picture(shell.folder, leave_out=(".git", ".dvc/tmp"))
    return {path: entry.data for path, entry in found.items()}


def test_pull_brings_all_of_the_old_data_and_rewrites_nothing(shell: Shell) -> None:
    pulled = shell("dvc pull")

    assert pulled.lines[-1] == "6 files fetched and 5 files added"
    assert data(shell) == EVERYTHING
    assert shell("dvc status").stdout == CLEAN
    assert shell("git status --porcelain").stdout == ""


def test_the_old_layout_is_kept_in_cache_and_remote(shell: Shell) -> None:
    shell("dvc pull")

    assert objects(shell.folder / ".dvc/cache") == objects(shell.folder.parent / "storage")
    assert not any(path.startswith("files/") for path in objects(shell.folder / ".dvc/cache"))


def test_checkout_restores_and_status_sees_changes_in_crlf_text(shell: Shell) -> None:
    shell("dvc pull && rm -r animals data.csv && dvc checkout")

    assert data(shell) == EVERYTHING

    (shell.folder / "data.csv").unlink()
    (shell.folder / "data.csv").write_bytes(LEGACY_FILES["data.csv"].replace(b"two", b"TWO"))

    assert shell("dvc status --json").json == {
        "data.csv.dvc": [{"changed outs": {"data.csv": "modified"}}]
    }


def test_old_objects_are_pushed_to_another_remote_in_the_old_layout(shell: Shell) -> None:
    shell("dvc pull && dvc remote add backup ../backup")

    pushed = shell("dvc push -r backup")

    assert pushed.stdout == "6 files pushed\n"
    assert objects(shell.folder.parent / "backup") == objects(shell.folder.parent / "storage")
    assert shell("dvc push -r backup").stdout == "Everything is up to date.\n"
    assert shell("dvc status -c -r backup").stdout == "Cache and remote 'backup' are in sync.\n"


def test_new_data_beside_the_old_has_the_md5_that_md5sum_prints(shell: Shell) -> None:
    shell("dvc pull && printf 'x\\r\\ny\\r\\n' | tee fresh.txt > new && mv -f new data.csv")
    shell("dvc add fresh.txt data.csv")

    for name in ("fresh.txt", "data.csv"):
        digest = shell(f"md5sum {name}").stdout.split()[0]

        assert f"- md5: {digest}\n" in (shell.folder / f"{name}.dvc").read_text()
        assert "  hash: md5\n" in (shell.folder / f"{name}.dvc").read_text()
    assert shell("dvc status").stdout == CLEAN


def test_remotes_of_many_kinds_are_kept_in_the_settings(shell: Shell) -> None:
    shell("dvc remote add local ../storage2")
    shell("dvc remote add lab ssh://lab.example.com/srv/dvc")
    shell("dvc remote modify lab user someone")
    shell("dvc remote modify lab port 2222")
    shell("dvc remote modify --local lab password s3cret")

    rows = [line.split() for line in shell("dvc remote list").lines]

    storage = str(shell.folder.parent / "storage")
    assert rows == [
        ["storage", storage, "(default)"],
        ["local", str(shell.folder.parent / "storage2")],
        ["lab", "ssh://lab.example.com/srv/dvc"],
    ]
    assert "s3cret" not in (shell.folder / ".dvc/config").read_text()
    assert "password = s3cret" in (shell.folder / ".dvc/config.local").read_text()
    assert "user = someone" in (shell.folder / ".dvc/config").read_text()
    assert "port = 2222" in (shell.folder / ".dvc/config").read_text()
    assert "config.local" not in shell("git status --porcelain").stdout


def test_remotes_are_made_default_renamed_and_removed(shell: Shell) -> None:
    shell("dvc remote add local ../storage2 && dvc remote default local")

    assert shell("dvc remote default").stdout == "local\n"

    shell("dvc remote rename local near")

    assert shell("dvc remote default").stdout == "near\n"

    shell("dvc remote remove near")

    assert "near" not in shell("dvc remote list").stdout
    assert shell("dvc remote default", rc=1).stdout == "No default remote set\n"


def test_real_dvc_goes_on_with_what_we_left(shell: Shell, oracle: Oracle) -> None:
    shell("dvc pull && rm -r animals && dvc checkout")
    left = what_is_there(shell)

    assert oracle("status", cwd=shell.folder, check=True).stdout == CLEAN

    oracle("checkout", cwd=shell.folder, check=True)

    assert what_is_there(shell) == left
