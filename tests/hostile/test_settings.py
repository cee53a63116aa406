"""Settings of a cloned repository and files of another user run nothing and are not believed."""

from __future__ import annotations

import ast
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from pannier.formats.config_schema import PROTECTED
from tests.support.crash import Runs, World, added, new_world, picture
from tests.support.hostile import faults_in
from tests.support.programs import REPOSITORY, Completed, git
from tests.support.wanted import is_wanted
from tests.unit.test_config import HOSTILE


@pytest.fixture
def world(base: Path, runs: Runs) -> World:
    made = new_world(base / "world", runs, "copy")
    added(made)
    return made


def lay_trap(world: World, config: str, key: str) -> Path:
    """A remote whose credentials come from a program, named in a config file of the project."""
    ran = world.base / "ran"
    for name, head in (("aws.cfg", "[default]"), (".dvc/aws.cfg", "[default]")):
        (world.repo / name).write_text(f"{head}\ncredential_process = touch {ran}\n")
    (world.repo / ".dvc/config").write_text("[core]\n    remote = there\n    no_scm = true\n")
    with (world.repo / config).open("a") as file:
        file.write(
            "['remote \"there\"']\n    url = s3://bucket/data\n"
            f"    {key} = ../aws.cfg\n"
            "    endpointurl = http://127.0.0.1:9\n    region = eu-west-1\n"
        )
    return ran


def run_alone(world: World, *words: str) -> Completed:
    env = {"AWS_EC2_METADATA_DISABLED": "true", "XDG_CACHE_HOME": str(world.base / "xdg")}
    return world.runs(*words, cwd=world.repo, env=env)


@pytest.mark.parametrize("key", ["configpath", "credentialpath"])
@pytest.mark.parametrize("config", [".dvc/config", ".dvc/config.local"])
@pytest.mark.parametrize("command", [("status", "-c"), ("push",)])
def test_a_repositorys_own_config_runs_no_program(
    command: tuple[str, ...], config: str, key: str, world: World
) -> None:
    """S5: `credential_process` in a file that the repository brought. Git keeps a `config.local`
    too, if somebody adds it in spite of `.dvc/.gitignore`."""
    ran = lay_trap(world, config, key)
    git("add", "-f", ".dvc", cwd=world.repo)

    done = run_alone(world, *command)

    assert is_wanted("config-local-committed")
    assert done.rc != 0
    assert not ran.exists()
    assert config in done.stderr


@pytest.mark.parametrize("key", ["configpath", "credentialpath"])
def test_the_trap_works(key: str, world: World) -> None:
    """In the user's own settings, which Git does not keep, the same lines are obeyed."""
    ran = lay_trap(world, ".dvc/config.local", key)

    run_alone(world, "status", "-c")

    assert ran.exists()


KINDS_OF_REMOTE = {
    "configpath": "s3://b/x",
    "credentialpath": "gs://b/x",
    "keyfile": "ssh://h/x",
    "bearer_token_command": "webdavs://h/x",
    "cert_path": "webdavs://h/x",
    "key_path": "webdavs://h/x",
    "gdrive_user_credentials_file": "gdrive://x",
    "gdrive_service_account_json_file_path": "gdrive://x",
    "kerb_ticket": "hdfs://h/x",
    "ssl_verify": "s3://b/x",
}


def test_every_protected_option_is_tried() -> None:
    assert set() == PROTECTED - KINDS_OF_REMOTE.keys()


@pytest.mark.parametrize("option", KINDS_OF_REMOTE)
def test_options_that_run_programs_or_name_files_count_only_from_ones_own_settings(
    option: str, world: World
) -> None:
    """S5, S5b: all of them, whatever kind of remote they belong to."""
    (world.repo / ".dvc/config").write_text(
        "[core]\n    remote = there\n    no_scm = true\n['remote \"there\"']\n"
        f"    url = {KINDS_OF_REMOTE[option]}\n    {option} = ../x\n"
    )

    done = [run_alone(world, *words) for words in (("push",), ("status", "-c"))]

    assert [] == [str(run) for run in done if run.rc == 0 or "only from your own" not in run.stderr]
    assert [] == [str(run) for run in done if "--local" not in run.stderr]


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs a folder of another user")
def test_a_committed_cache_that_is_not_there_is_made_only_among_ones_own_folders(
    world: World,
) -> None:
    """S5b: `cache.dir` to anywhere. Teams share a cache that way, so one that is there counts."""
    theirs = world.base / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    (world.repo / ".dvc/config").write_text(f"[cache]\n    dir = {theirs}/cache\n")

    done = world.run("status")

    assert done.rc != 0


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_long_line_of_settings_is_read_soon(kind: str, world: World) -> None:
    """S9: a search that looks at everything again for every sign would take minutes here."""
    (world.repo / ".dvc/config").write_text(f"[core]\n{HOSTILE[kind](200_000)}\n")

    done = world.run("status", seconds=20)

    assert [] == faults_in(done)


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
        db.execute("update folders set digests = randomblob(length(digests))")
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
