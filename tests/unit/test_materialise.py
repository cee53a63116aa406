"""Materialise: one rename a path, nothing of the user's lost, whatever stands in the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pannier.core.digest import MD5
from pannier.core.errors import DiskError, FileChanged, PannierError
from pannier.core.plan import plan_checkout
from pannier.project import snapshot as snapshots
from pannier.project.materialise import Made, Materialiser
from pannier.project.project import Project
from pannier.project.workspace import save
from tests.support.opened import Told, files_below, open_new, reopened, write_files

Files = Mapping[str, str | bytes]
KINDS = ("copy", "reflink,copy", "hardlink", "symlink")


def project_in(root: Path, kind: str = "copy") -> Project:
    return open_new(root, f"[cache]\n    type = {kind}\n")


def store(project: Project, files: Files) -> dict[str, str]:
    """Puts content into the store; returns it as path -> hex. {"": ...} is a single file."""
    place = Path(project.root) / "to-store"
    if "" in files:
        write_files(Path(project.root), {"to-store": files[""]})
    else:
        place.mkdir()
        write_files(place, dict(files))
    look = snapshots.measure_entries(
        project, snapshots.look(project, "to-store", MD5, Told()), Told()
    )
    save(project, look, Told())
    found = look.entries()
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    return found


def check_out(project: Project, want: Mapping[str, str], *, executable: bool = False) -> Made:
    """Brings 'out' to what is wanted. Everything wanted counts as stored."""
    look = snapshots.measure_entries(project, snapshots.look(project, "out", MD5, Told()), Told())
    have: dict[str, str | None] = dict(look.entries())
    plan = plan_checkout(have, want, set(want.values()))
    return Materialiser(project, look, executable, Told()).apply(plan, want, "" not in want)


def shown(project: Project) -> dict[str, bytes] | bytes | None:
    place = Path(project.root) / "out"
    if place.is_dir():
        return files_below(place)
    return place.read_bytes() if place.exists() else None


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_appears_with_all_that_is_in_it(tmp_path: Path, kind: str) -> None:
    project = project_in(tmp_path / "p", kind)
    want = store(project, {"a": "1", "s/b": "2", "s/t/c": "", "s/t/d": "1"})

    made = check_out(project, want)

    assert {"a": b"1", "s/b": b"2", "s/t/c": b"", "s/t/d": b"1"} == shown(project)
    assert (4, 0, 0, []) == (made.created, made.replaced, made.deleted, made.missing)


def test_an_empty_directory_appears(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")

    check_out(project, {})

    assert (Path(project.root) / "out").is_dir()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_appears(tmp_path: Path, kind: str) -> None:
    project = project_in(tmp_path / "p", kind)

    check_out(project, store(project, {"": "text"}), executable=kind == "copy")

    assert b"text" == shown(project)
    mode = os.stat(f"{project.root}/out").st_mode
    assert (kind == "copy") == bool(mode & 0o100)
    assert (kind == "symlink") == os.path.islink(f"{project.root}/out")


CHANGES: dict[str, tuple[Files, Files]] = {
    "other bytes": ({"a": "1", "b": "2"}, {"a": "9", "b": "2"}),
    "more files": ({"a": "1"}, {"a": "1", "b": "2", "s/t/c": "3"}),
    "fewer files": ({"a": "1", "s/t/b": "2"}, {"a": "1"}),
    "none at all": ({"a": "1", "s/t/b": "2"}, {}),
    "a file that becomes a directory": ({"a": "1", "z": "0"}, {"a/b/c": "2", "z": "0"}),
    "a directory that becomes a file": ({"a/b/c": "2", "a/d": "3", "z": "0"}, {"a": "1", "z": "0"}),
    "names exchanged": ({"a": "1", "b/c": "2"}, {"b/c": "1", "a": "2"}),
    "a directory for a file": ({"": "1"}, {"a": "1", "b/c": "2"}),
    "a file for a directory": ({"a": "1", "b/c": "2"}, {"": "1"}),
    "another file": ({"": "1"}, {"": "2"}),
    "520 files": (
        {f"{n % 3}/{n}": f"{n}" for n in range(520)},
        {f"{n % 4}/{n}": f"{n + 1}" for n in range(520)},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_there_becomes_what_is_wanted(tmp_path: Path, change: str, kind: str) -> None:
    before, after = CHANGES[change]
    project = project_in(tmp_path / "p", kind)
    first, second = store(project, before), store(project, after)
    check_out(project, first)

    check_out(reopened(tmp_path / "p"), second)

    data = {path: str(text).encode() for path, text in after.items()}
    assert data.get("", data) == shown(project)
    folders = {p.name for p in (tmp_path / "p" / "out").rglob("*") if p.is_dir()}
    assert folders == {part for path in after for part in path.split("/")[:-1]}


@pytest.mark.parametrize("kind", ["copy", "hardlink"])
def test_what_was_checked_out_is_known_without_being_read(tmp_path: Path, kind: str) -> None:
    project = project_in(tmp_path / "p", kind)
    want = store(project, {"a": "1", "s/b": "2"})
    check_out(project, want)
    project.close()

    seen = snapshots.look(reopened(tmp_path / "p"), "out", MD5, Told())

    assert seen.digest is not None


def test_a_second_checkout_has_nothing_to_do(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    want = store(project, {"a": "1", "s/b": "2"})
    check_out(project, want)

    made = check_out(project, want)

    assert (0, 0, 0) == (made.created, made.replaced, made.deleted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_object_reaches_nobody_and_the_rest_arrives(tmp_path: Path, kind: str) -> None:
    project = project_in(tmp_path / "p", kind)
    want = store(project, {"a": "good", "b": "bad!", "s/c": "bad!"})
    path = Path(project.store.path(want["b"]))
    path.chmod(0o644)
    path.write_text("evil")

    made = check_out(reopened(tmp_path / "p"), want)

    assert {("b", want["b"]), ("s/c", want["b"])} == set(made.missing)
    assert {"a": b"good"} == shown(project)
    assert not path.exists()


def test_a_file_whose_new_bytes_are_damaged_stays(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    first, second = store(project, {"a": "old", "k": "k"}), store(project, {"a": "new!", "k": "k"})
    check_out(project, first)
    path = Path(project.store.path(second["a"]))
    path.chmod(0o644)
    path.write_text("evil")

    check_out(reopened(tmp_path / "p"), second)

    assert {"a": b"old", "k": b"k"} == shown(project)


def test_a_file_stays_when_the_directory_that_takes_its_place_is_damaged(tmp_path: Path) -> None:
    """Nothing goes before its replacement stands (docs/durability.md, D3)."""
    project = project_in(tmp_path / "p")
    first, second = (
        store(project, {"a": "old", "k": "k"}),
        store(project, {"a/b": "new!", "k": "k"}),
    )
    check_out(project, first)
    path = Path(project.store.path(second["a/b"]))
    path.chmod(0o644)
    path.write_text("evil")

    check_out(reopened(tmp_path / "p"), second)

    assert {"a": b"old", "k": b"k"} == shown(project)


@pytest.mark.parametrize("where", ["a", "s/b"])
def test_an_edit_since_the_look_stops_the_work_and_stays(tmp_path: Path, where: str) -> None:
    project = project_in(tmp_path / "p")
    first, second = store(project, {"a": "1", "s/b": "1"}), store(project, {"a": "2", "s/b": "2"})
    check_out(project, first)
    look = snapshots.measure_entries(project, snapshots.look(project, "out", MD5, Told()), Told())
    plan = plan_checkout(dict(look.entries()), second, set(second.values()))
    write_files(tmp_path / "p" / "out", {where: "edited"})

    with pytest.raises(FileChanged, match=where):
        Materialiser(project, look, False, Told()).apply(plan, second, True)

    assert b"edited" == (tmp_path / "p" / "out" / where).read_bytes()


def test_an_edit_of_what_is_to_be_deleted_stops_the_work_and_stays(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    first, second = store(project, {"a": "1", "b": "1"}), store(project, {"a": "1"})
    check_out(project, first)
    look = snapshots.measure_entries(project, snapshots.look(project, "out", MD5, Told()), Told())
    plan = plan_checkout(dict(look.entries()), second, set(second.values()))
    write_files(tmp_path / "p" / "out", {"b": "edited"})

    with pytest.raises(FileChanged):
        Materialiser(project, look, False, Told()).apply(plan, second, True)

    assert b"edited" == (tmp_path / "p" / "out" / "b").read_bytes()


@pytest.mark.parametrize("wanted", [{"a": "2", "b": "1"}, {"b": "1"}, {"": "2"}])
def test_a_file_that_takes_the_place_of_a_link_to_nothing_stays(
    tmp_path: Path, wanted: Files
) -> None:
    project = project_in(tmp_path / "p", "symlink")
    first, second = store(project, {"a": "1", "b": "1"}), store(project, wanted)
    place = tmp_path / "p" / "out"
    check_out(project, first)
    (place / "a").unlink()
    (place / "a").symlink_to(f"{project.cache_dir}/gone")
    look = snapshots.look(project, "out", MD5, Told(), lost=True)
    have: dict[str, str | None] = {**snapshots.measure_entries(project, look, Told()).entries()}
    plan = plan_checkout({**have, "a": None}, second, set(second.values()))
    (place / "a").unlink()
    (place / "a").write_text("edited")

    with pytest.raises(PannierError):
        Materialiser(project, look, False, Told()).apply(plan, second, "" not in second)

    assert b"edited" == (place / "a").read_bytes()


@pytest.mark.parametrize("wanted", [{"a": "2", "b": "1"}, {"b": "1"}, {"": "2"}])
def test_a_link_to_nothing_makes_way(tmp_path: Path, wanted: Files) -> None:
    project = project_in(tmp_path / "p", "symlink")
    first, second = store(project, {"a": "1", "b": "1"}), store(project, wanted)
    place = tmp_path / "p" / "out"
    check_out(project, first)
    (place / "a").unlink()
    (place / "a").symlink_to(f"{project.cache_dir}/gone")
    look = snapshots.look(project, "out", MD5, Told(), lost=True)
    have: dict[str, str | None] = {**snapshots.measure_entries(project, look, Told()).entries()}
    plan = plan_checkout({**have, "a": None}, second, set(second.values()))

    Materialiser(project, look, False, Told()).apply(plan, second, "" not in second)

    expected = {path: str(data).encode() for path, data in wanted.items()}
    assert (expected.get("") or expected) == shown(project)


def test_what_is_ignored_stays_and_stands_in_the_way(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    want = store(project, {"a.log": "wanted", "b": "1"})
    write_files(tmp_path / "p", {".dvcignore": "*.log\n", "out/a.log": "mine", "out/b": "0"})

    with pytest.raises(DiskError, match="stands"):
        check_out(reopened(tmp_path / "p"), want)

    assert b"mine" == (tmp_path / "p" / "out" / "a.log").read_bytes()


@pytest.mark.parametrize("hidden", ["keep.log", ".git/config", "s/.git/config"])
def test_what_is_no_data_within_a_directory_is_not_lost_when_it_becomes_a_file(
    tmp_path: Path, hidden: str
) -> None:
    project = project_in(tmp_path / "p")
    first, second = store(project, {"a": "1", "s/b": "1"}), store(project, {"": "2"})
    check_out(project, first)
    write_files(tmp_path / "p", {".dvcignore": "*.log\n", f"out/{hidden}": "precious"})

    with pytest.raises(PannierError):
        check_out(reopened(tmp_path / "p"), second)

    assert b"precious" == (tmp_path / "p" / "out" / hidden).read_bytes()


def test_the_scratch_folder_is_empty_afterwards(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    check_out(project, store(project, {"a": "1"}))

    assert [] == os.listdir(project.scratch)


contents = st.dictionaries(
    st.sampled_from(["a", "b", "s", "a/x", "a/y", "s/t/u", "s/t"]),
    st.sampled_from(["1", "2", ""]),
    max_size=5,
).map(
    lambda found: {
        path: text
        for path, text in found.items()
        if not any(other.startswith(path + "/") for other in found)
    }
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=contents, after=contents, kind=st.sampled_from(["copy", "hardlink"]))
def test_any_directory_becomes_any_other(
    tmp_path_factory: pytest.TempPathFactory, before: Files, after: Files, kind: str
) -> None:
    project = project_in(tmp_path_factory.mktemp("m") / "p", kind)
    first, second = store(project, before), store(project, after)
    check_out(project, first)

    check_out(project, second)

    assert {path: str(text).encode() for path, text in after.items()} == shown(project)
