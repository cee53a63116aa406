"""Settings of a cloned repository and files of another user run nothing and are not believed."""

from __future__ import annotations

import ast
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.support.crash import Runs, World, added, new_world, picture
from tests.support.programs import REPOSITORY


@pytest.fixture
def world(tmp_path: Path, runs: Runs) -> World:
    made = new_world(tmp_path / "world", runs, "copy")
    added(made)
    return made


@pytest.mark.parametrize("key", ["configpath", "credentialpath"])
@pytest.mark.parametrize("command", [("status", "-c"), ("push",)])
def test_a_repositorys_own_config_runs_no_program(
    key: str, command: tuple[str, ...], world: World
) -> None:
    """S5: `credential_process` in a file that the repository brought."""
    ran = world.base / "ran"
    for name, head in (("aws.cfg", "[default]"), (".dvc/aws.cfg", "[default]")):
        (world.repo / name).write_text(f"{head}\ncredential_process = touch {ran}\n")
    (world.repo / ".dvc/config").write_text(
        "[core]\n    remote = there\n    no_scm = true\n['remote \"there\"']\n"
        f"    url = s3://bucket/data\n    {key} = ../aws.cfg\n"
        "    endpointurl = http://127.0.0.1:9\n    region = eu-west-1\n"
    )
    env = {"AWS_EC2_METADATA_DISABLED": "true", "XDG_CACHE_HOME": str(world.base / "xdg")}

    done = world.runs(*command, cwd=world.repo, env=env)

    assert done.rc != 0
    assert not ran.exists()


def test_own_state_lies_where_others_cannot_write(world: World) -> None:
    """S7."""
    folders = [path for path in (world.base / "xdg").rglob("*") if path.is_dir()]

    assert folders
    assert [] == [p for p in folders if stat.S_IMODE(p.stat().st_mode) & 0o077]


def test_own_state_that_others_could_write_is_not_used(world: World) -> None:
    state = next((world.base / "xdg").rglob("state.db"))
    state.parent.chmod(0o777)
    before = state.read_bytes()
    world.write("data/a.txt", b"changed\n")

    done = world.run("status")

    assert "data.dvc" in done.stdout
    assert before == state.read_bytes()


@pytest.mark.parametrize("garbage", [b"", b"no database", b"SQLite format 3\0" + bytes(100)])
def test_own_state_that_is_garbage_is_made_again(garbage: bytes, world: World) -> None:
    """Promise 27."""
    state = next((world.base / "xdg").rglob("state.db"))
    state.write_bytes(garbage)

    done = [world.run(*words) for words in (("status",), ("add", "data"), ("status",))]

    assert [0, 0, 0] == [run.rc for run in done], str(done)
    assert "up to date" in done[0].stdout


def test_own_state_that_lies_is_found_out_by_its_checksum(world: World) -> None:
    """A digest exchanged in the file is not believed."""
    state = next((world.base / "xdg").rglob("state.db"))
    with sqlite3.connect(state) as db:
        db.execute("update folders set digests = zeroblob(length(digests))")
        db.execute("delete from trees")
    before = picture(world).pointers()

    world.dvc("add", "-q", "data")

    assert before == picture(world).pointers()
    assert "up to date" in world.run("status").stdout


def test_no_module_reads_pickles() -> None:
    """S6."""
    found = [
        path.name
        for path in (REPOSITORY / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *[alias.name for alias in node.names]]
        if name in ("pickle", "shelve", "dill", "diskcache")
    ]

    assert [] == found
