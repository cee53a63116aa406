"""Reaching into a directory: never through a link, never over what somebody just wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.core.errors import DiskError, FileChanged
from pannier.disk.beneath import Root, has_link_parent
from pannier.disk.walk import StatKey, stat_key


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "top").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_text("precious")
    return tmp_path / "top"


@pytest.fixture
def root(top: Path) -> Iterator[Root]:
    with Root(str(top)) as opened:
        yield opened


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new"
    path.write_text("new")
    return path


def key(path: Path) -> StatKey:
    return stat_key(os.lstat(path))


def test_a_file_is_placed_with_the_folders_that_it_needs(top: Path, root: Root, new: Path) -> None:
    root.place(str(new), "a/b/f")

    assert "new" == (top / "a" / "b" / "f").read_text()
    assert not new.exists()


def test_placing_over_something_is_refused(top: Path, root: Root, new: Path) -> None:
    (top / "f").write_text("old")

    with pytest.raises(DiskError, match="something stands there"):
        root.place(str(new), "f")
    assert ("old", "new") == ((top / "f").read_text(), new.read_text())


def test_a_file_is_swapped_for_another(top: Path, root: Root, new: Path) -> None:
    (top / "f").write_text("old")

    root.swap(str(new), "f", key(top / "f"))

    assert ("new", "old") == ((top / "f").read_text(), new.read_text())


def test_a_file_that_was_edited_meanwhile_stays(top: Path, root: Root, new: Path) -> None:
    (top / "f").write_text("old")
    seen = key(top / "f")
    (top / "f").write_text("edited")

    with pytest.raises(FileChanged):
        root.swap(str(new), "f", seen)
    assert ("edited", "new") == ((top / "f").read_text(), new.read_text())


def test_a_directory_is_swapped_for_a_file(top: Path, root: Root, new: Path) -> None:
    (top / "d").mkdir()
    (top / "d" / "f").write_text("inner")

    root.swap(str(new), "d", None)

    assert "new" == (top / "d").read_text()
    assert "inner" == (new / "f").read_text()


def test_what_was_taken_goes_back(top: Path, root: Root, tmp_path: Path) -> None:
    (top / "d").mkdir()
    (top / "d/f").write_text("mine")
    root.take("d", str(tmp_path / "aside"))

    root.put_back(str(tmp_path / "aside"), "d")

    assert "mine" == (top / "d/f").read_text()


def test_what_was_taken_is_not_lost_where_others_took_its_place(
    top: Path, root: Root, tmp_path: Path
) -> None:
    (top / "sub/d").mkdir(parents=True)
    (top / "sub/d/f").write_text("mine")
    root.take("sub/d", str(tmp_path / "aside"))
    (top / "sub/d").mkdir()

    with pytest.raises(DiskError, match=r"'.*/sub/d\.[0-9a-f]{8}\.kept' now"):
        root.put_back(str(tmp_path / "aside"), "sub/d")

    assert ["mine"] == [path.read_text() for path in top.glob("sub/d.*.kept/f")]


def test_what_was_taken_is_not_lost_with_its_folder(top: Path, root: Root, tmp_path: Path) -> None:
    (top / "sub").mkdir()
    (top / "sub/f").write_text("mine")
    root.take("sub/f", str(tmp_path / "aside"))
    (top / "sub").rmdir()

    with pytest.raises(DiskError, match=r"/f\.[0-9a-f]{8}\.kept' now"):
        root.put_back(str(tmp_path / "aside"), "sub/f")

    assert ["mine"] == [path.read_text() for path in top.glob("f.*.kept")]


def test_a_swap_is_undone_where_others_took_the_new_file_away(
    top: Path, root: Root, new: Path
) -> None:
    (top / "f").write_text("mine")
    root.swap(str(new), "f", None)
    (top / "f").unlink()

    root.swap_back(str(new), "f")

    assert "mine" == (top / "f").read_text()


def test_a_file_is_deleted(top: Path, root: Root) -> None:
    (top / "f").write_text("old")

    root.delete("f", key(top / "f"))

    assert [] == os.listdir(top)


def test_a_file_that_was_edited_meanwhile_is_not_deleted(top: Path, root: Root) -> None:
    (top / "f").write_text("old")
    seen = key(top / "f")
    (top / "f").write_text("edited")

    with pytest.raises(FileChanged):
        root.delete("f", seen)
    assert "edited" == (top / "f").read_text()


def test_deleting_a_link_leaves_its_target(top: Path, root: Root) -> None:
    (top / "link").symlink_to("../outside/f")
    (top / "dangling").symlink_to("nowhere")

    root.delete("link", None)
    root.delete("dangling", None)

    assert [] == os.listdir(top)
    assert "precious" == (top.parent / "outside" / "f").read_text()


def test_a_folder_is_deleted_only_when_it_is_empty(top: Path, root: Root, new: Path) -> None:
    root.make_folder("a/b")
    root.place(str(new), "a/f")

    assert root.delete_folder_if_empty("a/b")
    assert not root.delete_folder_if_empty("a")
    assert ["f"] == os.listdir(top / "a")


def test_a_folder_that_was_deleted_can_be_made_again(top: Path, root: Root, new: Path) -> None:
    root.make_folder("a")
    root.delete_folder_if_empty("a")

    root.place(str(new), "a/f")

    assert "new" == (top / "a" / "f").read_text()


@pytest.mark.parametrize("where", ["link/f", "link/sub/f", "d/link/f"])
def test_nothing_is_done_through_a_link(top: Path, root: Root, new: Path, where: str) -> None:
    (top / "d").mkdir()
    (top / "link").symlink_to("../outside")
    (top / "d" / "link").symlink_to("../../outside")

    for act in (
        lambda: root.place(str(new), where),
        lambda: root.swap(str(new), where, None),
        lambda: root.delete(where, None),
        lambda: root.make_folder(where),
        lambda: root.delete_folder_if_empty(where),
        lambda: root.stat(where),
    ):
        with pytest.raises(DiskError, match="a link or a file stands where a directory belongs"):
            act()
    assert ["f"] == os.listdir(top.parent / "outside")
    assert "precious" == (top.parent / "outside" / "f").read_text()


def test_a_link_that_replaces_a_folder_under_our_hands_leads_nowhere(
    top: Path, root: Root, new: Path
) -> None:
    root.make_folder("a")
    os.rename(top / "a", top / "moved")
    (top / "a").symlink_to("../outside")

    root.place(str(new), "a/g")

    assert ["f"] == os.listdir(top.parent / "outside")
    assert ["g"] == os.listdir(top / "moved")


def test_many_folders_need_few_descriptors(top: Path, root: Root) -> None:
    for number in range(600):
        root.make_folder(f"d{number}/x")

    ours = [fd for fd in os.listdir("/proc/self/fd") if str(top) in _target(fd)]
    assert 600 == len(os.listdir(top))
    assert len(ours) < 300


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def test_all_descriptors_are_closed_in_the_end(top: Path) -> None:
    with Root(str(top)) as opened:
        opened.make_folder("a/b/c")

    assert not [fd for fd in os.listdir("/proc/self/fd") if str(top) in _target(fd)]


def test_absent_is_an_answer(root: Root, top: Path) -> None:
    (top / "f").write_text("x")

    assert root.stat("nowhere") is None
    assert root.stat("no/where") is None
    assert root.stat("f") is not None


def test_the_first_link_on_the_way_is_named(top: Path) -> None:
    (top / "d").mkdir()
    (top / "d" / "link").symlink_to("../../outside")

    assert "d/link" == has_link_parent(str(top), "d/link/x/y")
    assert has_link_parent(str(top), "d/link") is None
    assert has_link_parent(str(top), "d/f") is None
    assert has_link_parent(str(top), "no/where/x") is None


def test_what_is_handed_over_goes_nowhere_but_to_a_free_place(tmp_path: Path, top: Path) -> None:
    for path in ("from/a/f", "from/b"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("new")
    (top / "there").mkdir()
    (top / "link").symlink_to(tmp_path / "outside")

    with Root(str(tmp_path / "from")) as source, Root(str(top)) as target:
        moved = [
            source.hand_over(path, target, to)
            for path, to in (("a", "there"), ("a", "link"), ("b", "there"), ("a", "x/a"))
        ]
        with pytest.raises(DiskError):
            source.hand_over("b", target, "link/b")

    assert [False, False, False, True] == moved
    assert "new" == (top / "x/a/f").read_text()
    assert ["b"] == os.listdir(tmp_path / "from")
    assert ["f"] == os.listdir(tmp_path / "outside")
    assert [] == os.listdir(top / "there")
