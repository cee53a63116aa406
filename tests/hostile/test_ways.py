"""What a stranger's repository or pointer may say when its data is brought here (D6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hostile.commands import ON_IMPORTS
from tests.hostile.test_repositories import BAD_PATHS
from tests.support.crash import World, everything, md5
from tests.support.hostile import EVIL, harm, outside, report
from tests.support.programs import git


def evil_source(world: World, *paths: str) -> Path:
    """A project beside ours, committed, whose tracked folder has a list of the attacker's."""
    source = world.base / "source"
    (source / ".dvc").mkdir(parents=True)
    rows = json.dumps([{"md5": md5(EVIL), "relpath": path} for path in paths]).encode()
    for data, suffix in ((EVIL, ""), (rows, ".dir")):
        name = md5(data) + suffix
        target = source / ".dvc/cache/files/md5" / name[:2] / name[2:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (source / ".dvc/config").write_text("")
    (source / ".dvc/.gitignore").write_text("/cache\n/tmp\n")
    (source / "data.dvc").write_text(f"outs:\n- md5: {md5(rows)}.dir\n  hash: md5\n  path: data\n")
    git("init", "-q", "--template=", cwd=source)
    return source


def commit(source: Path) -> None:
    git("add", "-A", cwd=source)
    git("commit", "-qm", "evil", cwd=source)


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_list_with_a_bad_path_is_not_brought(path: str, world: World) -> None:
    """S1: nothing of it is, not even what is harmless."""
    commit(evil_source(world, "fine.txt", path))
    before = outside(world)

    assert [] == harm(world, before, ON_IMPORTS)

    assert not (world.repo / "data").exists()


def test_a_link_out_of_a_source_brings_nothing(world: World) -> None:
    source = evil_source(world, "fine.txt")
    (source / "secret").symlink_to("../canary/secret.txt")
    (source / "folder").symlink_to("../canary")
    (source / "way").mkdir()
    (source / "way/secret").symlink_to(world.base / "canary/secret.txt")
    commit(source)
    before = outside(world)

    for url in ("../source", f"file://{source}"):
        for path in ("secret", "folder", "folder/secret.txt", "way", "way/secret"):
            for command in (["get", "-f"], ["import", "-f"]):
                done = world.run(*command, url, path, "-o", "data")
                assert done.rc != 0, str(done)

    assert [] == harm(world, before, ())


def test_nothing_is_brought_through_a_link(world: World) -> None:
    """S3: a link on the way to the destination, or in its place."""
    source = evil_source(world, "fine.txt")
    commit(source)
    (world.repo / "way").symlink_to("../canary")
    (world.repo / "data").symlink_to("../canary/folder")
    before = outside(world)

    for words in (
        ["import", "-f", "../source", "data", "-o", "way/data"],
        ["import-url", "-f", "../source/data.dvc", "way/new"],
        ["import", "-f", "../source", "data"],
    ):
        assert world.run(*words).rc != 0, words

    assert [] == harm(world, before, ())


def test_a_pointer_that_names_an_evil_source_runs_nothing(world: World) -> None:
    """S5: an import's own settings come from the pointer's author."""
    trap = world.base / "canary/ran"
    for url in (f"ext::sh -c 'touch {trap}'", f"ssh://-oProxyCommand=touch {trap}/x"):
        (world.repo / "x.dvc").write_text(
            f'md5: {"0" * 32}\nfrozen: true\ndeps:\n- path: d\n  repo:\n    url: "{url}"\n'
            f"    rev_lock: {'b' * 40}\nouts:\n- md5: {'d' * 32}\n  hash: md5\n  path: data\n"
        )
        before = outside(world)

        told = harm(world, before, ON_IMPORTS)

        assert [] == told, report(told)
        assert not trap.exists()


def test_settings_of_a_pointer_name_no_credentials(world: World) -> None:
    (world.repo / "x.dvc").write_text(
        f"md5: {'a' * 32}\nfrozen: true\ndeps:\n- path: s3://bucket/key\n  hash: md5\n"
        f"  etag: {'b' * 32}\n  fs_config:\n    configpath: ../canary/secret.txt\n"
        f"outs:\n- md5: {'c' * 32}\n  hash: md5\n  path: data\n"
    )
    before = outside(world)

    done = world.run("update", "x.dvc")

    assert 1 == done.rc
    assert "does not count from a .dvc file" in done.stderr
    assert [] == harm(world, before, ())


def test_keys_of_a_place_that_exclude_each_other_bring_nothing(world: World) -> None:
    """A list of an object store may hold 'a' and 'a/b'; a folder here cannot."""
    source = evil_source(world, "a", "a/b")
    commit(source)
    before = outside(world)

    assert [] == harm(world, before, ON_IMPORTS)

    assert "repo/data" not in everything(world.repo, "repo/")
