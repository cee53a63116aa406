"""add, called as a function: what is tracked, what is refused before anything is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pannier.core.errors import (
    BadPath,
    BadTarget,
    OutputMissing,
    OutsideProject,
    Overlap,
    PannierError,
    UnstorableEntries,
)
from pannier.ops.add import AddOptions, AddReport, add
from pannier.project.index import load_index
from pannier.project.presence import recorded_manifest
from pannier.project.project import Project
from tests.support.opened import Told, files_below, open_new, reopened, write_files


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = open_new(tmp_path / "p")
    write_files(tmp_path / "p", {"f": "text", "d/a": "1", "d/b": "2", "d/s/c": "3"})
    return made


def run(project: Project, *targets: str, **options: object) -> AddReport:
    return add(project, targets, AddOptions(**options), Told())  # type: ignore[arg-type]


def recorded(project: Project, path: str) -> dict[str, str] | None:
    """What the pointer says a directory holds, as path -> text."""
    ref = load_index(project).out_covering(path)
    assert ref is not None
    manifest = recorded_manifest(reopened(Path(project.root)), ref.out)
    if manifest is None:
        return None
    return {name: project.store.read(hex_).decode() for name, hex_ in manifest}


def pointers(project: Project) -> list[str]:
    return sorted(p.name for p in Path(project.root).rglob("*.dvc") if p.is_file())


def test_a_file_gets_a_pointer_and_stays_as_it_is(project: Project) -> None:
    file = Path(project.root) / "f"
    file.chmod(0o640)
    before = file.stat()

    report = run(project, "f")

    assert ["f.dvc"] == report.pointers
    assert (
        "outs:\n- md5: 1cb251ec0d568de6a929b520c4aed8d1\n  size: 4\n  hash: md5\n  path: f\n"
        == (file.with_suffix(".dvc").read_text())
    )
    assert (before.st_ino, before.st_mtime_ns, 0o640) == (
        file.stat().st_ino,
        file.stat().st_mtime_ns,
        stat.S_IMODE(file.stat().st_mode),
    )


def test_a_directory_is_recorded_with_all_that_is_in_it(project: Project) -> None:
    run(project, "d")

    assert {"a": "1", "b": "2", "s/c": "3"} == recorded(project, "d")


def test_one_part_of_a_tracked_directory_is_recorded_anew(project: Project) -> None:
    run(project, "d")
    write_files(Path(project.root), {"d/a": "new", "d/b": "left alone"})

    run(reopened(Path(project.root)), "d/a")

    assert {"a": "new", "b": "2", "s/c": "3"} == recorded(project, "d")


def test_two_parts_of_a_tracked_directory_are_recorded_together(project: Project) -> None:
    run(project, "d")
    write_files(Path(project.root), {"d/a": "new", "d/s/c": "new too"})

    run(reopened(Path(project.root)), "d/a", "d/s")

    assert {"a": "new", "b": "2", "s/c": "new too"} == recorded(project, "d")


def test_a_part_that_became_a_directory_takes_the_place_of_the_file(project: Project) -> None:
    run(project, "d")
    (Path(project.root) / "d/a").unlink()
    write_files(Path(project.root), {"d/a/x": "new"})

    run(reopened(Path(project.root)), "d/a/x")

    assert {"a/x": "new", "b": "2", "s/c": "3"} == recorded(project, "d")
    ref = load_index(project).out_covering("d")
    assert ref is not None
    assert (None, 3) == (ref.out.meta.size_bytes, ref.out.meta.nfiles)


def test_two_outputs_of_one_pointer_are_recorded_together(project: Project) -> None:
    write_files(
        Path(project.root),
        {"x": "1", "y": "2", "both.dvc": "outs:\n- path: x\n  hash: md5\n- path: y\n  hash: md5\n"},
    )

    run(project, "x", "y")

    outs = {ref.path: ref.out.digest for ref in load_index(project).outs()}
    assert ["x", "y"] == list(outs)
    assert None not in outs.values()


def test_without_saving_the_store_stays_empty(project: Project) -> None:
    run(project, "d", save=False)

    assert [] == list(project.store.listing())
    assert ["d.dvc"] == pointers(project)


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_files_become_links_where_links_are_wanted(tmp_path: Path, kind: str) -> None:
    project = open_new(tmp_path / "p", f"[cache]\n    type = {kind}\n")
    write_files(tmp_path / "p", {"d/a": "1", "d/b": "1", "d/s/c": "3"})

    run(project, "d")

    assert {"a": b"1", "b": b"1", "s/c": b"3"} == files_below(tmp_path / "p" / "d")
    for path in ("a", "b", "s/c"):
        file = tmp_path / "p" / "d" / path
        assert (kind == "symlink") == file.is_symlink()
        assert os.path.samefile(file, project.store.path(recorded_hex(project, path)))


def recorded_hex(project: Project, path: str) -> str:
    (ref,) = load_index(project).outs()
    manifest = recorded_manifest(project, ref.out)
    assert manifest is not None
    found = manifest.get(path)
    assert found is not None
    return found


REFUSED: dict[str, tuple[str, type[PannierError]]] = {
    "nothing there": ("nowhere", OutputMissing),
    "outside": ("../outside", OutsideProject),
    "the project itself": (".", BadPath),
    "Git's folder": (".git/config", PannierError),
    "DVC's folder": (".dvc/config", BadPath),
    "ignored": ("x.log", BadTarget),
    "through a link": ("link/inner", BadPath),
    "a name without room for the suffix": ("n" * 252, BadPath),
    "an output of a stage": ("made", Overlap),
    "a directory with an output in it": ("holds", Overlap),
    "a directory with a pipe": ("odd", UnstorableEntries),
    "a directory with an ignore file": ("ignoring", PannierError),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_tracked_is_refused_before_anything_is_written(
    project: Project, tmp_path: Path, what: str
) -> None:
    root = tmp_path / "p"
    write_files(
        root,
        {
            "x.log": "x",
            ".dvcignore": "*.log\n",
            ".git/config": "",
            "n" * 252: "x",
            "made": "x",
            "dvc.yaml": "stages:\n  s:\n    cmd: x\n    outs: [made]\n",
            "holds/in": "x",
            "holds/in.dvc": "outs:\n- path: in\n  hash: md5\n",
            "ignoring/.dvcignore": "x\n",
            "odd/file": "x",
        },
    )
    os.mkfifo(root / "odd" / "pipe")
    write_files(tmp_path, {"outside": "x", "elsewhere/inner": "x"})
    os.symlink(tmp_path / "elsewhere", root / "link")
    target, error = REFUSED[what]

    with pytest.raises(error):
        run(reopened(root), "f", target)

    assert ["in.dvc"] == pointers(project)
    assert [] == list(project.store.listing())


def test_one_target_within_another_is_refused(project: Project) -> None:
    with pytest.raises(Overlap):
        run(project, "d", "d/a")
    assert [] == pointers(project)


def test_a_part_cannot_be_added_while_the_list_of_files_is_missing(project: Project) -> None:
    run(project, "d")
    for name in list(project.store.listing()):
        if name.endswith(".dir"):
            os.unlink(project.store.path(name))

    with pytest.raises(PannierError, match="is not in the cache") as caught:
        run(reopened(Path(project.root)), "d/a")
    assert "dvc remote default" in (caught.value.hint or "")
