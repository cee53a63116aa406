"""Walking a directory: what is found, what is left out, what can never be tracked."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pannier.disk.walk import Tree, scan, stat_key


def paths(tree: Tree) -> list[str]:
    return sorted(folder.join(name) for folder in tree.folders for name in folder.names)


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_files_are_found_at_every_depth_with_their_stats(tmp_path: Path) -> None:
    make(tmp_path, "a", "b/c", "b/d/e")

    tree = scan(str(tmp_path))

    assert ["a", "b/c", "b/d/e"] == paths(tree)
    assert 3 == len(tree)
    assert len("a" + "b/c" + "b/d/e") == tree.size_bytes
    for folder in tree.folders:
        for index, name in enumerate(folder.names):
            assert stat_key(os.lstat(tmp_path / folder.join(name))) == folder.key(index)


def test_stats_are_whole_nanoseconds(tmp_path: Path) -> None:
    make(tmp_path, "a")
    os.utime(tmp_path / "a", ns=(1, 1_700_000_000_123_456_789))

    assert 1_700_000_000_123_456_789 == scan(str(tmp_path)).folders[0].key(0)[0]


def test_an_empty_directory_is_a_folder_without_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert ["", "a", "a/b"] == [folder.path for folder in scan(str(tmp_path)).folders]


def test_parents_come_before_children(tmp_path: Path) -> None:
    make(tmp_path, "a/b/c/x", "a/y", "d/z")

    seen: set[str] = set()
    for folder in scan(str(tmp_path)).folders:
        assert not folder.path or folder.path.rpartition("/")[0] in seen
        seen.add(folder.path)


def test_what_the_rule_skips_is_not_there_and_not_entered(tmp_path: Path) -> None:
    make(tmp_path, "a", "b.log", "c/d.log", "skip/e")
    asked: list[tuple[str, bool]] = []

    def skip(path: str, is_dir: bool) -> bool:
        asked.append((path, is_dir))
        return path.endswith(".log") or path == "skip"

    assert ["a"] == paths(scan(str(tmp_path), skip))
    assert sorted(asked) == [
        ("a", False),
        ("b.log", False),
        ("c", True),
        ("c/d.log", False),
        ("skip", True),
    ]


def test_a_link_to_a_file_counts_as_the_file(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere", "d/a")
    (tmp_path / "d" / "link").symlink_to("../elsewhere")

    folder = scan(str(tmp_path / "d")).folders[0]

    assert ["link"] == folder.links
    index = folder.names.index("link")
    assert stat_key(os.stat(tmp_path / "elsewhere")) == folder.key(index)


def test_a_link_to_a_directory_is_left_out_and_named(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/secret", "d/a")
    (tmp_path / "d" / "link").symlink_to("../elsewhere")

    tree = scan(str(tmp_path / "d"))

    assert ["a"] == paths(tree)
    assert [("link", "a link to a directory")] == tree.skipped


def test_folders_of_version_control_are_left_out_and_named(tmp_path: Path) -> None:
    make(tmp_path, "a", ".git/config", "sub/.dvc/config", ".hg/x", "sub/.gitignore", ".github/x")

    tree = scan(str(tmp_path))

    assert [".github/x", "a", "sub/.gitignore"] == paths(tree)
    assert {".git", "sub/.dvc"} == {path for path, _ in tree.skipped}


def test_a_git_file_is_left_out_too(tmp_path: Path) -> None:
    """A submodule and a linked work tree have one."""
    make(tmp_path, "sub/.git", "sub/.dvc", "sub/.hg")

    tree = scan(str(tmp_path))

    assert ["sub/.dvc", "sub/.hg"] == paths(tree)
    assert ["sub/.git"] == [path for path, _ in tree.skipped]


def test_everything_that_can_never_be_tracked_is_named_at_once(tmp_path: Path) -> None:
    make(tmp_path, "good")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "device").symlink_to("/dev/null")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).write_text("x")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)
        server.bind("socket")

    problems = dict(scan(str(tmp_path)).problems)

    assert {
        "fifo": "it is a named pipe",
        "dangling": "it is a link to nothing",
        "loop": "it is a link to nothing",
        "device": "it is a device",
        "socket": "it is a socket",
        "\udcff": "its name is not valid UTF-8",
    } == problems


def test_a_name_that_no_list_may_hold_is_a_problem(tmp_path: Path) -> None:
    make(tmp_path, "git~1", "sub/.GIT", "sub/.g\u200cit/x", "fine~1", ".fine", "\u200c", ".fine~/x")
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")

    tree = scan(str(tmp_path))

    assert {"git~1", "sub/.GIT", "sub/.g\u200cit", "\udcff"} == {path for path, _ in tree.problems}
    assert {".fine", ".fine~/x", "\u200c", "fine~1"} <= set(paths(tree))


def test_what_is_skipped_is_no_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    assert [] == scan(str(tmp_path), lambda path, is_dir: True).problems


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(str(tmp_path / "nowhere"))
