"""What a cloned repository or a remote may say to reach out of the project (D6).

Beside every project stands a canary folder, hashed before and after; docs/durability.md, section 2.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.hostile.commands import ON_DATA, Command
from tests.support.crash import Runs, World, everything, md5, new_world
from tests.support.hostile import EVIL, harm, outside, point_at, put, put_manifest

BAD_PATHS = [
    "../.git/config",
    "../../canary/secret.txt",
    "a/../../../canary/new",
    "../.git/hooks/post-checkout",
    "/tmp/absolute",
    ".",
    "..",
    "",
    "a\0b",
    "a//b",
    "sub/.git/config",
    ".GIT/config",
    "git~1/config",
    ".git /config",
    ".g\u200cit/config",
    "sub/.dvc/config",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_manifest_with_a_bad_path_is_refused_as_a_whole(path: str, world: World) -> None:
    """S1: nothing of it is brought, not even what is harmless."""
    point_at(world, put_manifest(world, "fine.txt", path))
    before = outside(world)

    assert [] == harm(world, before)

    assert not (world.repo / "data").exists()
    assert world.run("checkout").rc != 0
    assert world.run("pull").rc != 0


@pytest.mark.parametrize(
    "paths", [("a", "a"), ("a", "a/b"), ("a/b", "a")], ids=["twice", "file and folder", "reverse"]
)
def test_a_manifest_that_contradicts_itself_is_refused(
    paths: tuple[str, ...], world: World
) -> None:
    point_at(world, put_manifest(world, *paths))
    before = outside(world)

    assert [] == harm(world, before)

    assert world.run("checkout").rc != 0


def test_odd_but_lawful_names_are_brought(world: World) -> None:
    names = ("new\nline", "back\\slash", "...", "..foo", "f.dvc", ".x.tmp", "A", "a", "n" * 255)
    point_at(world, put_manifest(world, *names))

    done = world.run("pull")

    assert done.rc == 0, str(done)
    assert sorted(names) == sorted(os.listdir(world.repo / "data"))


BAD_DIGESTS = [
    "../../../../../canary/secret.txt",
    "../" * 12 + "etc/passwd",
    "/etc/passwd",
    "0" * 31,
    "0" * 32 + ".dirt",
    "0" * 32 + "/..",
    "zz" * 16,
    "12345",
    "[1, 2]",
    "{}",
    "''",
    "null",
]


@pytest.mark.parametrize("digest", BAD_DIGESTS)
def test_a_pointer_whose_digest_is_none_reaches_nothing(digest: str, world: World) -> None:
    """S2: such a digest is a path into the user's files."""
    point_at(world, digest)
    before = outside(world)

    assert [] == harm(world, before)

    assert not (world.repo / "data").exists()


@pytest.mark.parametrize("digest", BAD_DIGESTS[:-2])
def test_a_pointer_whose_digest_is_none_is_named(digest: str, world: World) -> None:
    """S2b: with its file, not with an attribute of ours."""
    point_at(world, digest)

    done = world.run("checkout")

    assert done.rc != 0
    assert "x.dvc" in done.stderr


@pytest.mark.parametrize("digest", BAD_DIGESTS[:6])
def test_a_manifest_whose_digests_are_none_reaches_nothing(digest: str, world: World) -> None:
    rows = [{"md5": digest, "relpath": "a"}]
    point_at(world, put(world, json.dumps(rows).encode(), ".dir"))
    before = outside(world)

    assert [] == harm(world, before)

    assert world.run("checkout").rc != 0


@pytest.mark.parametrize("command", [c for c in ON_DATA if c.puts or c.takes], ids=str)
def test_nothing_goes_through_a_link_that_the_repository_brought(
    command: Command, world: World
) -> None:
    """S3: `link -> outside` in Git and an output below it."""
    (world.repo / "link").symlink_to(world.base / "canary")
    point_at(world, md5(EVIL), "link/evil.txt")
    before = outside(world)

    done = world.run(*command.words)

    assert done.rc != 0
    assert before == outside(world)


@pytest.mark.parametrize("inner", ["sub/evil.txt", "sub/deep/evil.txt"])
def test_nothing_goes_through_a_link_inside_of_a_data_folder(inner: str, world: World) -> None:
    (world.repo / "data").mkdir()
    (world.repo / "data/sub").symlink_to(world.base / "canary/folder")
    point_at(world, put_manifest(world, inner, "fine.txt"))
    before = outside(world)

    done = world.run("checkout", "--force")

    assert done.rc != 0
    assert "data/sub" in done.stderr
    assert [] == harm(world, before)


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_output_that_is_a_link_to_elsewhere_is_left_alone(
    force: tuple[str, ...], world: World
) -> None:
    """S3b: DVC deletes and replaces the files behind it with --force."""
    (world.repo / "data").symlink_to(world.base / "canary")
    point_at(world, put_manifest(world, "secret.txt"))
    before = outside(world)

    done = world.run("pull", *force)

    assert done.rc != 0
    assert before == outside(world)
    assert (world.repo / "data").is_symlink()


OUTPUTS = [
    "../canary/evil.txt",
    "sub/../../canary/evil.txt",
    ".git/config",
    ".git/hooks/post-checkout",
    ".GIT/config",
    ".dvc/config",
    ".dvc/tmp/x",
    ".gitignore",
    ".gitattributes",
    ".dvcignore",
    "y.dvc",
    ".",
    "''",
]


@pytest.mark.parametrize("path", OUTPUTS)
def test_an_output_at_a_place_that_is_not_data_is_refused(path: str, world: World) -> None:
    """S4, S4b, S4c."""
    point_at(world, md5(EVIL), path)
    config = (world.repo / ".dvc/config").read_bytes()
    before = outside(world)

    assert [] == harm(world, before)

    assert config == (world.repo / ".dvc/config").read_bytes()
    assert [] == [
        p for p, t in everything(world.repo).items() if t.data == EVIL and "cache" not in p
    ]
    assert world.run("checkout").rc != 0


@pytest.mark.parametrize("wdir", ["..", "../canary", "/tmp", "sub/../.."])
def test_a_working_folder_outside_is_refused(wdir: str, world: World) -> None:
    point_at(world, md5(EVIL), "evil.txt", extra=f"wdir: {wdir}\n")
    before = outside(world)

    assert [] == harm(world, before)


# -- files that are too much ----

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB + "outs: *a8\n",
        "outs: " + "[" * 20_000,
        "outs:\n- md5: 0\n  md5: 1\n  path: x\n",
        "<<<<<<< ours\nouts: []\n=======\n>>>>>>> theirs\n",
        "!!python/object/apply:os.system ['touch ../canary/ran']\n",
        "outs: !!python/name:os.system\n",
        "\0",
        "outs:\n- path: x\n  md5: \xff\n",
    ],
    ids=["bomb", "nested", "twice", "conflict", "object", "name", "nul", "latin-1"],
)
def test_a_pointer_that_is_no_lawful_yaml_is_named(text: str, world: World) -> None:
    """S9: and soon; a bomb must not be expanded."""
    (world.repo / "x.dvc").write_bytes(text.encode("latin-1"))
    before = outside(world)

    assert [] == harm(world, before)

    done = world.run("checkout")
    assert done.rc != 0
    assert "x.dvc" in done.stderr


# -- odd things in the workspace (rows 14 to 18) ----


def test_a_pipe_in_a_folder_is_named_and_nobody_hangs(world: World) -> None:
    (world.repo / "new").mkdir()
    (world.repo / "new/a").write_bytes(b"a")
    os.mkfifo(world.repo / "new/pipe")

    done = world.run("add", "new")

    assert done.rc == 1
    assert "new/pipe" in done.stderr
    assert not (world.repo / "new.dvc").exists()


def test_a_pipe_itself_is_refused(world: World) -> None:
    os.mkfifo(world.repo / "pipe")

    done = world.run("add", "pipe")

    assert done.rc == 1
    assert "pipe" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_bad_entries_are_named_at_once(world: World) -> None:
    folder = world.repo / "new"
    folder.mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (Path(os.fsdecode(os.fsencode(folder) + b"/latin-\xff"))).write_bytes(b"x")

    done = world.run("add", "new")

    assert done.rc == 1
    assert [] == [name for name in ("dangling", "loop", "latin-") if name not in done.stderr]
    assert not (world.repo / "new.dvc").exists()


def test_a_name_without_room_for_its_pointer_is_refused_before_any_work(world: World) -> None:
    (world.repo / ("n" * 253)).write_bytes(b"x")

    done = world.run("add", "n" * 253)

    assert done.rc == 1
    assert md5(b"x") not in {p.parent.name + p.name for p in world.store.glob("??/*")}


def test_a_link_of_the_user_stays_a_link(world: World) -> None:
    """Row 18: its content is stored, the link itself is the user's."""
    (world.repo / "real.txt").write_bytes(b"real\n")
    (world.repo / "linked.txt").symlink_to("real.txt")

    done = world.run("add", "linked.txt")

    assert done.rc == 0, str(done)
    assert (world.repo / "linked.txt").is_symlink()
    assert "real.txt" == os.readlink(world.repo / "linked.txt")
    assert world.object(md5(b"real\n")).read_bytes() == b"real\n"


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o644])
def test_add_leaves_the_users_file_as_it_is(mode: int, world: World) -> None:
    """Row 19: mode, time and inode; a private file's object is private too."""
    world.write("own.txt", b"own\n", mode)
    path = world.repo / "own.txt"
    os.utime(path, (1_500_000_000, 1_500_000_000))
    before = path.stat()

    world.dvc("add", "own.txt")

    after = path.stat()
    assert (before.st_mode, before.st_mtime_ns, before.st_ino) == (
        after.st_mode,
        after.st_mtime_ns,
        after.st_ino,
    )
    others = world.object(md5(b"own\n")).stat().st_mode & 0o044
    assert (others == 0) == (mode == 0o600)


def test_a_symlink_to_a_missing_object_is_not_made(base: Path, runs: Runs) -> None:
    """Row 20."""
    world = new_world(base / "symlinks", runs, "symlink")
    point_at(world, md5(b"nowhere"))

    done = world.run("checkout")

    assert done.rc != 0
    assert not os.path.lexists(world.repo / "data")
