"""undo of the commands that edit what is tracked, as a user types them."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.support.programs import our_program
from tests.support.project import Entry, Project, objects, picture
from tests.support.terminal import agreed_on_terminal


def seen(project: Project) -> dict[str, Entry]:
    """Everything that a user sees in the project."""
    return picture(project.root, leave_out=(".git", ".dvc/cache", ".dvc/tmp"))


def tracked(project: Project) -> None:
    project.write("data/a", "one")
    project.write("data/sub/b", "two")
    project.write("single", "three")
    project.dvc("add", "-q", "data", "single")


def contents(project: Project) -> dict[str, bytes]:
    """The bytes of all files, whatever link each is."""
    return {
        path: (project.root / path).read_bytes()
        for path, e in seen(project).items()
        if e.kind != "dir"
    }


CASES: dict[str, tuple[str, ...]] = {
    "move of a file": ("move", "single", "renamed"),
    "move of a folder": ("move", "data", "elsewhere"),
    "remove": ("remove", "data.dvc"),
    "remove with its data": ("remove", "--outs", "data.dvc", "single.dvc"),
    "freeze": ("freeze", "data.dvc"),
}


@pytest.mark.parametrize("case", CASES)
def test_undo_brings_back_what_an_edit_changed(project: Project, case: str) -> None:
    tracked(project)
    before = seen(project)
    project.dvc(*CASES[case])
    after = seen(project)

    project.dvc("undo")

    assert before != after
    assert before == seen(project)


@pytest.mark.parametrize("case", CASES)
def test_a_second_undo_does_the_edit_again(project: Project, case: str) -> None:
    tracked(project)
    project.dvc(*CASES[case])
    after = seen(project)
    project.dvc("undo")

    project.dvc("undo")

    assert after == seen(project)


def test_undo_brings_back_what_gc_took(project: Project) -> None:
    tracked(project)
    project.write("single", "four")
    project.dvc("add", "-q", "single")
    before = objects(project.cache)
    project.dvc("gc", "-w", "-f")
    after = objects(project.cache)

    done = project.dvc("undo")

    assert before != after
    assert before == objects(project.cache)
    assert done.stdout.startswith("Brought back 1 objects of the cache.\nUndid ")


def test_what_gc_undone_brought_back_is_not_taken_away_by_a_second_undo(project: Project) -> None:
    """It may be in use by then; every other command is done again by a second undo."""
    tracked(project)
    project.write("single", "four")
    project.dvc("add", "-q", "single")
    before = objects(project.cache)

    for command in (("undo",), ("gc", "--undo")):
        project.dvc("gc", "-w", "-f")
        project.dvc(*command)
        again = project.dvc("undo", check=False)

        assert 1 == again.rc
        assert f"({' '.join(command)}): what came back into the cache may be in use" in again.stderr
        assert "Hint: repeat the gc instead; 'dvc undo <number>' undoes an older" in again.stderr
        assert before == objects(project.cache)


def test_a_gc_whose_trash_is_empty_cannot_be_undone_and_says_so(project: Project) -> None:
    tracked(project)
    project.write("single", "four")
    project.dvc("add", "-q", "single")
    project.dvc("gc", "-w", "-f")
    shutil.rmtree(project.cache / "files/md5/trash")

    done = project.dvc("undo", check=False)

    assert 1 == done.rc
    assert "what it took has left the trash for good" in done.stderr


def test_an_edit_goes_along_when_a_move_is_undone(project: Project) -> None:
    """Nothing is overwritten by a rename, and data that was never read need not be."""
    tracked(project)
    project.write("data/a", "edited before, and never added")
    project.dvc("move", "data", "elsewhere")
    project.write("elsewhere/c", "new")

    done = project.dvc("undo")

    assert {"A       data/", "D       elsewhere/"} < set(done.lines)
    assert b"edited before, and never added" == (project.root / "data/a").read_bytes()
    assert b"new" == (project.root / "data/c").read_bytes()
    assert not (project.root / "elsewhere").exists()


def test_a_move_is_not_undone_into_what_stands_there_now(project: Project) -> None:
    tracked(project)
    project.dvc("move", "single", "renamed")
    project.write("single", "somebody's own")

    done = project.dvc("undo", check=False)

    assert 1 == done.rc
    assert "since then 'single' changed" in done.stderr
    assert b"somebody's own" == (project.root / "single").read_bytes()
    assert b"three" == (project.root / "renamed").read_bytes()


def _edited_file(project: Project) -> None:
    project.write("single", "an edit")


def _edited_folder(project: Project) -> None:
    project.write("data/a", "an edit")
    project.write("data/new", "never added")


def _lost_object(project: Project) -> None:
    shutil.rmtree(project.cache / "files")


UNSAVED: dict[str, tuple[Callable[[Project], None], str]] = {
    "an edited file": (_edited_file, "single"),
    "an edited folder": (_edited_folder, "data"),
    "a folder that the cache lost": (_lost_object, "data"),
}


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("case", UNSAVED)
def test_undo_brings_back_unsaved_data_that_remove_was_told_to_take(
    project: Project, case: str, kind: str
) -> None:
    project.dvc("config", "cache.type", kind)
    tracked(project)
    project.dvc("unprotect", "data", "single")
    change, name = UNSAVED[case]
    change(project)
    before = contents(project)
    inode = (project.root / name).stat().st_ino

    words = [our_program().path, "remove", "--outs", f"{name}.dvc"]
    assert 0 == agreed_on_terminal(words, cwd=project.root)
    gone = seen(project)
    done = project.dvc("undo")

    assert not any(path == name or path.startswith(f"{name}/") for path in gone)
    assert before == contents(project), done
    if (project.root / name).is_file():
        assert inode == (project.root / name).stat().st_ino, "it was copied, not renamed"


def test_data_that_git_keeps_comes_back_after_remove(project: Project) -> None:
    project.write(
        "dvc.yaml", "stages:\n  one:\n    cmd: x\n    outs:\n    - m:\n        cache: false\n"
    )
    project.write("m", "1\n")
    project.commit_all()
    before = seen(project)
    project.dvc("remove", "--outs", "one")

    project.dvc("undo")

    assert before == seen(project)


def test_the_hint_of_force_names_undo_where_it_helps(project: Project) -> None:
    tracked(project)
    project.write("single", "an edit")

    kept = project.dvc("checkout", check=False)
    project.dvc("config", "pannier.undo_days", "0")
    lost = project.dvc("checkout", check=False)

    assert "or give them up with '--force' ('dvc undo' brings them back)\n" in kept.stderr
    assert "or give them up with '--force'\n" in lost.stderr


def edited_through_links(project: Project) -> None:
    """Two files, one of them in a folder, and both at the remote as they were."""
    project.dvc("config", "cache.type", "symlink")
    project.dvc("remote", "add", "-q", "-d", "there", str(project.root.parent / "remote"))
    tracked(project)
    project.dvc("push", "-q")
    for path in ("single", "data/a"):
        linked = project.root / path
        linked.resolve().chmod(0o644)
        linked.write_text(f"an edit of {path}")


EDITS = {"single": b"an edit of single", "data/a": b"an edit of data/a"}


@pytest.mark.parametrize(
    "words", ["unprotect data single", "remove data.dvc single.dvc", "destroy -f"]
)
def test_an_edit_through_a_link_stays_when_the_link_becomes_a_file(
    project: Project, words: str
) -> None:
    edited_through_links(project)

    said = project.dvc(*words.split()).stderr

    found = contents(project)
    assert EDITS == {path: found[path] for path in EDITS}
    assert "'data/a', a link to it: the file keeps what it held" in said
    assert b"two" == found["data/sub/b"]
    assert not (project.root / "data/a").is_symlink()


def test_an_edit_through_a_link_that_a_checkout_gives_up_comes_back_by_undo(
    project: Project,
) -> None:
    """The cache has nothing to replace it with: its object is what was edited."""
    edited_through_links(project)

    first = project.dvc("checkout", "--force", check=False)
    between = contents(project)
    project.dvc("pull", "--force")
    brought = contents(project)
    project.dvc("undo")

    found = contents(project)
    assert first.rc != 0
    assert EDITS == {path: between[path] for path in EDITS}
    assert [b"three", b"one"] == [brought[path] for path in EDITS]
    assert EDITS == {path: found[path] for path in EDITS}


def test_push_says_where_an_edit_through_a_link_lies(project: Project) -> None:
    edited_through_links(project)
    shutil.rmtree(project.root.parent / "remote")

    said = project.dvc("push", check=False).stderr

    (lies,) = {path.read_bytes() for path in project.cache.glob("files/md5/quarantine/*")} - {
        EDITS["data/a"]
    }
    assert EDITS["single"] == lies
    assert 2 == said.count("; they lie in '")
