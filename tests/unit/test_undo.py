"""undo and op log: what each command changed comes back, and nothing newer is overwritten."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.support.inside import Inside
from tests.support.programs import git
from tests.support.project import Entry, picture

DIRTY = (".git", ".dvc/tmp", ".dvc/cache")
FILES = {"data/a": "one", "data/b": "two", "data/sub/c": "three", "single": "alone"}


def seen(inside: Inside) -> dict[str, Entry]:
    return picture(inside.root, leave_out=DIRTY)


@pytest.fixture(params=["copy", "hardlink", "symlink"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(tmp_path: Path) -> Inside:
    """A project in Git that tracks nothing."""
    made = Inside(tmp_path / "project")
    made.root.mkdir()
    git("init", "-q", cwd=made.root)
    made.dvc("init", "-q")
    return made


@pytest.fixture
def inside(empty: Inside) -> Inside:
    """A project that tracks a directory and a file."""
    for path, text in FILES.items():
        empty.write(path, text)
    empty.dvc("add", "-q", "data", "single")
    return empty


def edit(inside: Inside) -> None:
    inside.write("data/a", "edited")
    inside.write("data/new", "new")
    (inside.root / "data/b").unlink()
    inside.write("single", "edited, too")


def entries(inside: Inside) -> list[dict[str, object]]:
    found: list[dict[str, object]] = inside.dvc("op", "log", "--json").json
    return found


# -- each command ----


def test_the_undo_of_an_add_removes_pointer_and_ignore_line_and_leaves_the_data(
    empty: Inside,
) -> None:
    empty.write("data/a", "one")
    before = seen(empty)
    empty.dvc("add", "-q", "data")

    done = empty.dvc("undo")

    assert before == seen(empty)
    assert ["D       .gitignore", "D       data.dvc", "Undid 1 (add -q data)."] == done.lines


def test_after_the_undo_of_an_add_a_checkout_leaves_the_data_alone(empty: Inside) -> None:
    """Else it would take it for the output of another branch, and remove it."""
    empty.write("data/a", "one")
    empty.dvc("add", "-q", "data")
    empty.dvc("undo")

    empty.dvc("checkout")

    assert "one" == empty.read("data/a")


@pytest.mark.parametrize(
    "command",
    [
        ("add", "data", "single"),
        ("commit", "-f"),
        ("config", "core.autostage", "true"),
        ("config", "--local", "core.autostage", "true"),
        ("config", "pannier.jobs", "3"),
        ("config", "--local", "pannier.jobs", "3"),
        ("remote", "add", "-d", "far", "/far"),
        ("remote", "modify", "--local", "near", "user", "me"),
        ("remote", "rename", "near", "nearer"),
        ("remote", "remove", "near"),
        ("remote", "default", "near"),
        ("cache", "dir", "elsewhere"),
        ("checkout", "--force"),
    ],
    ids=" ".join,
)
def test_what_a_command_changed_comes_back_byte_for_byte_and_goes_again(
    inside: Inside, command: tuple[str, ...]
) -> None:
    inside.dvc("remote", "add", "-q", "near", "ssh://host/near")
    edit(inside)
    before = seen(inside)
    inside.dvc(*command)
    after = seen(inside)

    inside.dvc("undo")
    undone = seen(inside)
    inside.dvc("undo")

    assert before != after
    assert before == undone
    assert after == seen(inside)


def test_what_a_checkout_replaced_comes_back(inside: Inside, kind: str) -> None:
    inside.dvc("config", "cache.type", kind)
    inside.dvc("checkout", "--relink")
    recorded = {path: inside.read(path) for path in ("data.dvc", "single.dvc")}
    edit(inside)
    inside.dvc("add", "-q", "data", "single")
    before = seen(inside)
    for path, text in recorded.items():
        inside.write(path, text)
    inside.dvc("checkout")
    assert "one" == inside.read("data/a")

    inside.dvc("undo")

    expected = before | {name: seen(inside)[name] for name in recorded}
    assert expected.keys() == seen(inside).keys()
    assert "edited" == inside.read("data/a")
    assert "new" == inside.read("data/new")
    assert "edited, too" == inside.read("single")


def test_what_a_forced_checkout_gave_up_comes_back(inside: Inside, kind: str) -> None:
    inside.dvc("config", "cache.type", kind)
    inside.dvc("checkout", "--relink")
    edit(inside)
    os.chmod(inside.root / "data/new", 0o755)
    before = seen(inside)
    inside.dvc("checkout", "--force")

    inside.dvc("undo")

    assert before == seen(inside)


def test_a_forced_checkout_and_its_undo_can_be_taken_in_turn(inside: Inside) -> None:
    edit(inside)
    first = seen(inside)
    inside.dvc("checkout", "--force")
    second = seen(inside)

    for _ in range(3):
        inside.dvc("undo")
        assert first == seen(inside)
        inside.dvc("undo")
        assert second == seen(inside)


def test_a_directory_that_took_the_place_of_a_file_comes_back(inside: Inside) -> None:
    (inside.root / "single").unlink()
    inside.write("single/x/y", "in a folder")
    shutil.rmtree(inside.root / "data")
    inside.write("data", "a file")
    before = seen(inside)
    inside.dvc("checkout", "--force")
    assert "alone" == inside.read("single")

    inside.dvc("undo")

    assert before == seen(inside)


def test_what_was_checked_out_into_nothing_goes(inside: Inside) -> None:
    shutil.rmtree(inside.root / "data")
    (inside.root / "single").unlink()
    before = seen(inside)
    inside.dvc("checkout")

    done = inside.dvc("undo")

    assert before == seen(inside)
    assert {"D       single", "D       data/"} == set(done.lines[:2])


def test_an_output_that_no_stage_recorded_any_more_comes_back(inside: Inside) -> None:
    (inside.root / "data.dvc").unlink()
    before = seen(inside)
    inside.dvc("checkout")
    assert not (inside.root / "data").exists()

    inside.dvc("undo")

    assert before == seen(inside)


def test_a_pull_is_undone_and_what_was_fetched_stays(inside: Inside, tmp_path: Path) -> None:
    inside.dvc("remote", "add", "-q", "-d", "far", str(tmp_path / "far"))
    inside.dvc("push", "-q")
    shutil.rmtree(inside.root / ".dvc/cache")
    edit(inside)
    before = seen(inside)
    inside.dvc("pull", "--force")
    assert "one" == inside.read("data/a")

    inside.dvc("undo")

    assert before == seen(inside)
    inside.dvc("checkout", "--force")
    assert "one" == inside.read("data/a")


def test_what_an_add_brought_goes_and_what_it_replaced_comes_back(
    empty: Inside, tmp_path: Path
) -> None:
    (tmp_path / "source").write_text("from elsewhere")
    empty.write("place", "was here")
    before = seen(empty)
    empty.dvc("add", str(tmp_path / "source"), "--out", "place", "--force")
    assert "from elsewhere" == empty.read("place")

    empty.dvc("undo")

    assert before == seen(empty)


def test_hooks_go_and_come_again(inside: Inside) -> None:
    inside.dvc("install")
    folder = inside.root / ".git/hooks"
    placed = (folder / "pre-push").read_bytes()

    inside.dvc("undo")
    gone = not (folder / "pre-push").exists()
    inside.dvc("undo")

    assert gone
    assert placed == (folder / "pre-push").read_bytes()


def test_a_hook_that_was_edited_stays(inside: Inside) -> None:
    inside.dvc("install")
    hook = inside.root / ".git/hooks/pre-push"
    hook.write_text(hook.read_text() + "echo mine\n")

    done = inside.run("undo")

    assert 1 == done.rc
    assert "'.git/hooks/pre-push'" in done.stderr
    assert (inside.root / ".git/hooks/pre-commit").exists()


def test_an_older_entry_is_undone_by_its_number(inside: Inside) -> None:
    inside.dvc("config", "core.autostage", "true")
    edit(inside)
    inside.dvc("commit", "-f")

    inside.dvc("undo", "2")

    assert "" == inside.read(".dvc/config")
    assert 4 == len(entries(inside))


# -- newer work ----


@pytest.mark.parametrize(
    "path", ["data/a", "data/b", "single"], ids=["replaced", "brought back", "single"]
)
def test_an_edit_after_a_checkout_is_not_overwritten(inside: Inside, path: str) -> None:
    edit(inside)
    inside.dvc("checkout", "--force")
    inside.write(path, "newer")
    before = seen(inside)

    done = inside.run("undo")

    assert 1 == done.rc
    assert before == seen(inside)
    expected = f"ERROR: cannot undo 2 (checkout --force): since then '{path}' changed"
    assert expected == done.stderr.splitlines()[0]
    assert 2 == len(entries(inside))


def test_a_file_that_was_removed_since_is_newer_work(inside: Inside) -> None:
    edit(inside)
    inside.dvc("checkout", "--force")
    (inside.root / "data/a").unlink()

    assert 1 == inside.run("undo").rc
    assert not (inside.root / "data/a").exists()


def test_work_beside_what_the_command_changed_is_no_obstacle(inside: Inside) -> None:
    edit(inside)
    inside.dvc("checkout", "--force")
    inside.write("data/sub/c", "newer")
    inside.write("data/unrelated", "newer")

    inside.dvc("undo")

    assert "edited" == inside.read("data/a")
    assert "newer" == inside.read("data/sub/c")
    assert "newer" == inside.read("data/unrelated")


@pytest.mark.parametrize("path", ["data/new/inside", "data/new"])
def test_nothing_is_put_where_something_new_stands(inside: Inside, path: str) -> None:
    edit(inside)
    inside.dvc("checkout", "--force")
    inside.write(path, "newer")

    done = inside.run("undo")

    assert 1 == done.rc
    assert "'data/new'" in done.stderr
    assert "newer" == inside.read(path)
    assert "one" == inside.read("data/a")


@pytest.mark.parametrize("path", ["data.dvc", ".gitignore"])
def test_metadata_that_was_edited_since_stays_and_so_does_the_rest(
    empty: Inside, path: str
) -> None:
    empty.write("data/a", "one")
    empty.dvc("add", "-q", "data")
    empty.write(path, empty.read(path) + "# a note\n")
    before = seen(empty)

    done = empty.run("undo")

    assert 1 == done.rc
    assert f"'{path}'" in done.stderr
    assert before == seen(empty)


def test_bytes_that_are_nowhere_stop_all_of_it(inside: Inside) -> None:
    recorded = inside.read("single.dvc")
    inside.write("single", "second")
    inside.dvc("add", "-q", "single")
    inside.write("single.dvc", recorded)
    inside.dvc("checkout", "-q")
    shutil.rmtree(inside.root / ".dvc/cache")
    before = seen(inside)

    done = inside.run("undo")

    assert 1 == done.rc
    assert "the cache no longer has what was in 'single'" in done.stderr
    assert before == seen(inside)


def test_what_an_undo_takes_away_and_the_cache_lost_is_kept_for_the_redo(inside: Inside) -> None:
    shutil.rmtree(inside.root / "data")
    inside.dvc("checkout", "-q")
    shutil.rmtree(inside.root / ".dvc/cache")
    after = seen(inside)
    inside.dvc("undo")
    assert not (inside.root / "data").exists()

    inside.dvc("undo")

    assert after == seen(inside)


# -- the log ----


def test_a_dry_run_tells_and_changes_nothing(inside: Inside) -> None:
    edit(inside)
    inside.dvc("checkout", "-q", "--force")
    before = picture(inside.root)

    done = inside.dvc("undo", "--dry")

    lines = {"M       single", "M       data/", "Would undo 2 (checkout -q --force)."}
    assert lines == set(done.lines)
    assert before == picture(inside.root)


@pytest.mark.parametrize(
    "command", ["status", "checkout", "add data", "commit", "config core.remote x -u", "op log"]
)
def test_a_command_that_changes_nothing_leaves_no_entry(inside: Inside, command: str) -> None:
    inside.run(*command.split())

    assert ["add -q data single"] == [" ".join(one["command"]) for one in entries(inside)]  # type: ignore[arg-type]


def test_secrets_are_masked_in_the_log(inside: Inside) -> None:
    inside.dvc("remote", "add", "-qf", "near", "ssh://me:hidden-word@host/x")
    inside.dvc("remote", "modify", "--local", "near", "password", "secret-word")

    said = inside.dvc("op", "log").stdout + json.dumps(entries(inside))

    assert "secret-word" not in said
    assert "hidden-word" not in said
    assert "remote modify --local near password ***" in said


@pytest.mark.parametrize("before", [None, "user", "password"])
def test_a_settings_file_with_a_secret_is_not_in_the_log_and_is_left_as_it_is(
    inside: Inside, before: str | None
) -> None:
    """Nor does an undo then mean the command before it."""
    inside.dvc("remote", "add", "-q", "near", "ssh://host/near")
    if before:
        inside.dvc("remote", "modify", "--local", "near", before, "former-word")
    inside.dvc("remote", "modify", "--local", "near", "password", "secret-word")
    changed = seen(inside)

    said = inside.dvc("undo").stdout

    assert changed == seen(inside)
    assert "Nothing is left to undo of" in said
    assert "(remote modify --local near password ***)" in said
    entry = inside.root / ".dvc/tmp/pannier/ops" / ("4" if before else "3")
    assert b'"file"' not in entry.read_bytes()


def test_the_log_is_for_its_owners_eyes(inside: Inside) -> None:
    inside.dvc("remote", "add", "-q", "near", "/near")

    assert 0o600 == (inside.root / ".dvc/tmp/pannier/ops/2").stat().st_mode & 0o777


def test_the_log_of_many_files_is_short(empty: Inside) -> None:
    for number in range(1200):
        empty.write(f"data/{number % 3}/file {number}", str(number))
    empty.dvc("add", "-q", "data")
    before = seen(empty)
    shutil.rmtree(empty.root / "data")
    empty.dvc("checkout", "-q")
    empty.dvc("undo")

    sizes = [(empty.root / ".dvc/tmp/pannier/ops" / name).stat().st_size for name in "123"]
    gone = not (empty.root / "data").exists()
    empty.dvc("undo")

    assert max(sizes) < 1000
    assert gone
    assert before == seen(empty)


def test_an_entry_whose_beginning_was_lost_is_passed_over_with_a_warning(inside: Inside) -> None:
    (inside.root / ".dvc/tmp/pannier/ops/2").write_bytes(b'{"pannier":1,"ti')

    done = inside.dvc("undo")

    assert "entry 2 of the operation log cannot be read" in done.stderr
    assert "Undid 1 (add -q data single)." in done.stdout
    inside.dvc("add", "-q", "data")


def test_an_entry_with_a_change_of_another_kind_is_not_half_undone(inside: Inside) -> None:
    inside.dvc("config", "core.autostage", "true")
    with open(inside.root / ".dvc/tmp/pannier/ops/2", "a") as file:
        file.write('{"moon":"5"}\n')

    done = inside.run("undo")

    assert 1 == done.rc
    assert "'moon'" in done.stderr
    assert "autostage" in inside.read(".dvc/config")


def test_an_empty_log_and_a_number_that_is_not_there_are_told(empty: Inside) -> None:
    nothing = empty.run("undo")
    empty.dvc("config", "core.autostage", "true")
    unknown = empty.run("undo", "9")

    assert (1, 1) == (nothing.rc, unknown.rc)
    assert "the operation log is empty" in nothing.stderr
    assert "the operation log has no entry 9" in unknown.stderr


def test_old_entries_go_with_what_they_kept(inside: Inside) -> None:
    edit(inside)
    inside.dvc("checkout", "-q", "--force")
    ops = inside.root / ".dvc/tmp/pannier/ops"
    old = time.time() - 15 * 86400
    for name in ("1", "2"):
        os.utime(ops / name, (old, old))
    assert (ops / "2.kept").exists()

    inside.dvc("config", "core.autostage", "true")
    inside.dvc("config", "-u", "core.autostage")

    assert {"3", "4"} == {path.name for path in ops.iterdir()}


def test_the_days_are_a_setting(inside: Inside) -> None:
    inside.dvc("config", "pannier.undo_days", "20")
    ops = inside.root / ".dvc/tmp/pannier/ops"
    old = time.time() - 15 * 86400
    os.utime(ops / "1", (old, old))

    inside.dvc("config", "core.autostage", "true")

    assert (ops / "1").exists()


def test_no_more_than_two_hundred_entries_are_held(inside: Inside) -> None:
    ops = inside.root / ".dvc/tmp/pannier/ops"
    for number in range(2, 251):
        shutil.copy(ops / "1", ops / str(number))

    inside.dvc("config", "core.autostage", "true")

    left = {int(path.name) for path in ops.iterdir()}
    assert set(range(51, 252)) == left


def test_with_no_days_nothing_is_logged_or_kept(inside: Inside) -> None:
    inside.dvc("config", "pannier.undo_days", "0")
    count = len(entries(inside))
    edit(inside)
    inside.dvc("checkout", "-q", "--force")
    inside.dvc("config", "core.autostage", "true")

    assert count == len(entries(inside))
    assert not list((inside.root / ".dvc/tmp/pannier/ops").glob("*.kept"))


def test_settings_of_the_user_are_not_in_the_log(inside: Inside) -> None:
    inside.dvc("config", "--global", "core.autostage", "true")

    assert 1 == len(entries(inside))


def test_undo_works_in_a_folder_below_and_without_git(tmp_path: Path) -> None:
    inside = Inside(tmp_path / "plain")
    inside.root.mkdir()
    inside.dvc("init", "-q", "--no-scm")
    inside.write("sub/data/a", "one")
    before = seen(inside)
    below = Inside(inside.root / "sub")
    below.dvc("add", "-q", "data")

    done = below.dvc("undo")

    assert before == seen(inside)
    assert "D       data.dvc" == done.lines[0]
