"""checkout, called as a function: what comes back, and what is asked before it goes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pannier.core.errors import CheckoutFailed, PannierError, UnsavedChanges
from pannier.ops.add import AddOptions, add
from pannier.ops.checkout import CheckoutOptions, CheckoutReport, checkout, raise_if_failed
from tests.support.opened import Told, files_below, open_new, reopened, write_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a directory of three files and a single file, both added."""
    project = open_new(tmp_path / "p")
    write_files(tmp_path / "p", {"f": "text", "d/a": "1", "d/b": "2", "d/s/c": "3"})
    add(project, ["f", "d"], AddOptions(), Told())
    project.close()
    return tmp_path / "p"


def run(
    root: Path, *targets: str, answer: bool = False, asked: list[str] | None = None, **options: bool
) -> CheckoutReport:
    def ask(question: str) -> bool:
        if asked is not None:
            asked.append(question)
        return answer

    return checkout(reopened(root), targets, CheckoutOptions(**options), ask, Told())


def test_what_was_removed_comes_back(root: Path) -> None:
    shutil.rmtree(root / "d")
    (root / "f").unlink()

    report = run(root)

    assert {"a": b"1", "b": b"2", "s/c": b"3"} == files_below(root / "d")
    assert b"text" == (root / "f").read_bytes()
    assert (["d/", "f"], 4) == (sorted(report.added), report.files_added)


def test_what_is_as_recorded_is_not_mentioned(root: Path) -> None:
    report = run(root)

    assert ([], [], [], []) == (report.added, report.modified, report.deleted, report.failed)


def test_unsaved_work_is_asked_about_by_name_and_stays(root: Path) -> None:
    write_files(root, {"d/a": "precious", "d/new": "precious too"})
    asked: list[str] = []

    with pytest.raises(UnsavedChanges) as caught:
        run(root, "d", asked=asked)

    assert 1 == len(asked)
    assert [f"{root}/d/a", f"{root}/d/new"] == sorted(caught.value.paths)
    assert (b"precious", b"precious too") == (
        (root / "d/a").read_bytes(),
        (root / "d/new").read_bytes(),
    )


@pytest.mark.parametrize("how", ["answer", "force"])
def test_unsaved_work_goes_when_the_user_says_so(root: Path, how: str) -> None:
    write_files(root, {"d/a": "given up", "d/new": "given up too"})

    report = run(root, "d", answer=how == "answer", force=how == "force")

    assert {"a": b"1", "b": b"2", "s/c": b"3"} == files_below(root / "d")
    assert (["d/"], 1, 1) == (report.modified, report.files_modified, report.files_deleted)


def test_what_is_stored_goes_without_a_question(root: Path) -> None:
    (root / "d/a").write_text("2")

    run(root, "d")

    assert b"1" == (root / "d/a").read_bytes()


def test_a_stored_twin_that_is_damaged_saves_nothing(root: Path) -> None:
    """What is to go must be verified to exist elsewhere (docs/durability.md, D5)."""
    (root / "d/a").write_text("2")
    project = reopened(root)
    twin = Path(project.store.path("c81e728d9d4c2f636f067f89cc14862c"))
    twin.chmod(0o644)
    twin.write_text("!")

    with pytest.raises(UnsavedChanges):
        run(root, "d/a")
    assert b"2" == (root / "d/a").read_bytes()


@pytest.mark.parametrize("target", ["d/s", "d/s/c", "d/a"])
def test_a_part_comes_back_and_the_rest_stays(root: Path, target: str) -> None:
    write_files(root, {"d/b": "edited"})
    for path in ("d/a", "d/s/c"):
        (root / path).unlink()

    run(root, target)

    back = {"d/s": "s/c", "d/s/c": "s/c", "d/a": "a"}[target]
    assert {"b", back} == set(files_below(root / "d"))
    assert b"edited" == (root / "d/b").read_bytes()


@pytest.mark.parametrize("target", ["d/s/c", "d"])
def test_an_unsaved_file_where_the_directory_belongs_stays(root: Path, target: str) -> None:
    shutil.rmtree(root / "d")
    (root / "d").write_text("precious")

    with pytest.raises(PannierError):
        run(root, target)
    assert b"precious" == (root / "d").read_bytes()


def test_an_unsaved_file_where_a_folder_of_the_part_belongs_stays(root: Path) -> None:
    shutil.rmtree(root / "d/s")
    (root / "d/s").write_text("precious")

    with pytest.raises(PannierError):
        run(root, "d/s/c")
    assert b"precious" == (root / "d/s").read_bytes()


def test_what_is_nowhere_is_reported_and_the_rest_comes_back(root: Path) -> None:
    project = reopened(root)
    os.unlink(project.store.path("c4ca4238a0b923820dcc509a6f75849b"))
    shutil.rmtree(root / "d")
    (root / "f").unlink()

    report = run(root)

    assert (["d"], ["f"]) == (report.failed, [name for name in report.added if name == "f"])
    assert {"b": b"2", "s/c": b"3"} == files_below(root / "d")
    with pytest.raises(CheckoutFailed, match="d\nIs your cache up to date"):
        raise_if_failed(report, CheckoutOptions())


def test_what_is_nowhere_is_no_failure_when_that_is_allowed(root: Path) -> None:
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / "d")

    report = run(root, "d", allow_missing=True)

    raise_if_failed(report, CheckoutOptions(allow_missing=True))
    assert [] == report.failed


@pytest.mark.parametrize("many", [1, 300])
def test_what_was_missing_comes_with_the_next_checkout(tmp_path: Path, many: int) -> None:
    root = tmp_path / "p"
    project = open_new(root)
    write_files(root, {"d/a": "1", **{f"d/{number}": f"no. {number}" for number in range(many)}})
    add(project, ["d"], AddOptions(), Told())
    lost = Path(project.store.path("c4ca4238a0b923820dcc509a6f75849b"))
    lost.rename(tmp_path / "elsewhere")
    shutil.rmtree(root / "d")
    options = CheckoutOptions()

    assert ["d"] == checkout(project, [], options, lambda question: False, Told()).failed
    assert many == len(files_below(root / "d"))
    (tmp_path / "elsewhere").rename(lost)
    report = checkout(project, [], options, lambda question: False, Told())

    assert (["d/"], 1, []) == (report.modified, report.files_added, report.failed)
    assert b"1" == (root / "d/a").read_bytes()


def test_an_incomplete_checkout_takes_nothing_away(root: Path) -> None:
    project = reopened(root)
    os.unlink(project.store.path("c4ca4238a0b923820dcc509a6f75849b"))
    (root / "d/a").rename(root / "d/renamed")
    add(project, ["d"], AddOptions(save=False), Told())
    shutil.copy(root / "d.dvc", root / "saved")
    write_files(root, {"d/a": "2"})

    run(root, "d")

    assert "renamed" in files_below(root / "d")


def test_what_is_tracked_no_more_goes_when_it_is_safe(root: Path) -> None:
    (root / "d.dvc").unlink()

    report = run(root)

    assert ["d/"] == report.deleted
    assert not (root / "d").exists()
    assert (root / "f").exists()


@pytest.mark.parametrize("why", ["edited", "not stored", "damaged"])
def test_what_is_tracked_no_more_stays_when_it_is_the_only_copy(root: Path, why: str) -> None:
    (root / "d.dvc").unlink()
    one = Path(reopened(root).store.path("c4ca4238a0b923820dcc509a6f75849b"))
    if why == "edited":
        (root / "d/a").write_text("edited")
    elif why == "not stored":
        one.unlink()
    else:
        one.chmod(0o644)
        one.write_text("!")

    report = run(root)

    assert [] == report.deleted
    assert {"a", "b", "s/c"} == set(files_below(root / "d"))


def test_what_was_never_put_there_by_us_stays(root: Path) -> None:
    write_files(root, {"mine/x": "x", "g": "g"})

    run(root)

    assert (root / "mine/x").exists()
    assert (root / "g").exists()


def test_relinking_makes_links_of_the_kind_now_configured(root: Path) -> None:
    (root / ".dvc/config").write_text("[cache]\n    type = hardlink\n")

    report = run(root, relink=True)

    assert report.relinked
    assert 2 == os.stat(root / "d/s/c").st_nlink
    assert {"a": b"1", "b": b"2", "s/c": b"3"} == files_below(root / "d")
