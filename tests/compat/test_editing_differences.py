"""Rows of docs/compat.md about commands that edit what is tracked, held against both programs."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.oracle import Oracle
from tests.support.pair import Pair, add, both, run, text, there
from tests.support.programs import Completed, Program, git
from tests.support.project import Project
from tests.support.wanted import is_wanted

TWO = "stages:\n  one:\n    cmd: echo 1\n  # about two\n  two:\n    cmd: 'echo 2'\n"


def test_a_removal_of_several_is_all_or_nothing(pair: Pair) -> None:
    assert is_wanted("remove-all-or-nothing")
    both(pair, lambda project: project.write("dvc.yaml", TWO) and None)

    removed = run(pair, "remove", "dvc.yaml:one", "nothing")
    frozen = run(pair, "freeze", "two", "nothing")

    assert [1] * 4 == [done.rc for done in (*removed, *frozen)]
    theirs, ours = text(pair, "dvc.yaml")
    assert "frozen: true" in theirs
    assert TWO == ours


def test_data_that_is_nowhere_else_is_not_removed(pair: Pair) -> None:
    assert is_wanted("remove-unsaved")

    def prepare(project: Project) -> None:
        add(project, "a")
        project.write("a", "an edit that is not saved\n")

    both(pair, prepare)
    done = run(pair, "remove", "--outs", "a.dvc")

    assert [0, 1] == [one.rc for one in done]
    assert [False, True] == there(pair, "a")
    assert there(pair, "a.dvc") == [False, True]
    assert "Hint: keep it with 'dvc commit'" in done[1].stderr


def test_an_uncached_output_is_not_removed_unless_git_holds_it(project: Project) -> None:
    project.write(
        "dvc.yaml", "stages:\n  one:\n    cmd: x\n    outs:\n    - m:\n        cache: false\n"
    )
    project.write("m", "1\n")

    lost = project.dvc("remove", "--outs", "one", check=False)
    project.commit_all()
    saved = project.dvc("remove", "--outs", "one", check=False)

    assert (1, 0) == (lost.rc, saved.rc)
    assert not (project.root / "m").exists()


def test_what_is_left_of_a_pipeline_stays(pair: Pair) -> None:
    assert is_wanted("remove-last-stage")
    whole = "stages:\n  one:\n    cmd: echo 1\nmetrics:\n- m.json\n"
    both(pair, lambda project: project.write("dvc.yaml", whole) and None)

    done = run(pair, "remove", "one")

    assert [0, 0] == [one.rc for one in done]
    assert [False, True] == there(pair, "dvc.yaml")
    assert "metrics:\n- m.json\n" == (pair[1].root / "dvc.yaml").read_text()
    assert 0 == pair[0].program("status", cwd=pair[1].root).rc


def test_comments_of_other_stages_stay(pair: Pair) -> None:
    assert is_wanted("remove-comments")
    both(pair, lambda project: project.write("dvc.yaml", TWO) and None)

    run(pair, "remove", "one")

    theirs, ours = text(pair, "dvc.yaml")
    assert "stages:\n  two:\n    cmd: echo 2\n" == theirs
    assert "stages:\n  # about two\n  two:\n    cmd: 'echo 2'\n" == ours


def test_an_escaped_name_is_ignored_no_more(pair: Pair) -> None:
    assert is_wanted("remove-escaped")
    both(pair, lambda project: add(project, "#x"))

    run(pair, "remove", "#x.dvc")

    assert [True, False] == there(pair, ".gitignore")


def test_a_move_overwrites_nothing(pair: Pair) -> None:
    assert is_wanted("move-no-overwrite")

    def prepare(project: Project) -> None:
        add(project, "a")
        project.write("b", "precious\n")

    both(pair, prepare)
    done = run(pair, "move", "a", "b")

    assert [0, 1] == [one.rc for one in done]
    assert ["a\n", "precious\n"] == text(pair, "b")
    assert [False, True] == there(pair, "a")


def test_a_moved_pointer_keeps_its_comments(pair: Pair) -> None:
    assert is_wanted("move-comments")

    def prepare(project: Project) -> None:
        add(project, "a")
        before = (project.root / "a.dvc").read_text()
        project.write("a.dvc", "# mine\n" + before)

    both(pair, prepare)
    run(pair, "move", "a", "b")

    assert [False, True] == ["# mine\n" in one for one in text(pair, "b.dvc")]


def test_a_move_of_one_output_keeps_the_others(pair: Pair) -> None:
    assert is_wanted("move-several")

    def prepare(project: Project) -> None:
        add(project, "a", "b")
        lines = [
            (project.root / name).read_text().partition("outs:\n")[2] for name in ("a.dvc", "b.dvc")
        ]
        for name in ("a.dvc", "b.dvc"):
            (project.root / name).unlink()
        project.write("all.dvc", "outs:\n" + "".join(lines))

    both(pair, prepare)
    run(pair, "move", "a", "c")

    assert [False, True] == ["path: b\n" in one for one in text(pair, "all.dvc")]
    assert 0 == pair[1].dvc("status", "-q", check=False).rc


def test_links_of_the_user_stay(pair: Pair) -> None:
    assert is_wanted("unprotect-links")

    def prepare(project: Project) -> None:
        project.write("real", "1")
        (project.root / "link").symlink_to("real")

    both(pair, prepare)
    done = run(pair, "unprotect", "link")

    assert [0, 0] == [one.rc for one in done]
    assert [False, True] == [(project.root / "link").is_symlink() for project in pair]
    assert "'link'" in done[1].stderr


def test_objects_are_not_unprotected(pair: Pair) -> None:
    assert is_wanted("unprotect-own")

    def prepare(project: Project) -> None:
        add(project, "a")
        outside = project.root.parent / f"outside-{project.root.name}"
        outside.write_text("1")
        outside.chmod(0o444)

    both(pair, prepare)
    theirs = run(pair[:1], "unprotect", ".dvc/cache", "../outside-theirs")  # type: ignore[arg-type]
    ours = [
        pair[1].dvc("unprotect", target, check=False)
        for target in (".dvc/cache", "../outside-ours", ".git", ".")
    ]

    assert [0] == [done.rc for done in theirs]
    assert [255, 255, 255, 0] == [done.rc for done in ours]
    for project, mode in zip(pair, (0o644, 0o444), strict=True):
        (found,) = (project.root / ".dvc/cache/files/md5").glob("??/*")
        outside = project.root.parent / f"outside-{project.root.name}"
        assert (mode, mode) == (found.stat().st_mode & 0o777, outside.stat().st_mode & 0o777)


OLD = "outs:\n- md5: dd8c6a395b5dd36c56d23275028f526c\n  size: 6\n  path: gone\n"


def test_an_old_pointer_whose_data_is_missing_is_left_as_it_is(pair: Pair) -> None:
    assert is_wanted("migrate-missing")
    both(pair, lambda project: project.write("gone.dvc", OLD) and None)

    done = run(pair, "cache", "migrate", "--dvc-files")

    assert [0, 1] == [one.rc for one in done]
    theirs, ours = text(pair, "gone.dvc")
    assert "md5-dos2unix" in theirs
    assert OLD == ours
    assert "gone.dvc: 'gone' is neither in the cache" in done[1].stderr


def test_a_migrated_list_names_what_is_there(pair: Pair) -> None:
    assert is_wanted("migrate-lists")
    row = b'[{"md5": "dd8c6a395b5dd36c56d23275028f526c", "relpath": "c"}]'

    def prepare(project: Project) -> None:
        project.write(".dvc/cache/dd/8c6a395b5dd36c56d23275028f526c", b"a\r\nb\r\n").chmod(0o444)
        project.write(".dvc/cache/b9/c02b17ca36bb204a75154063218142.dir", row).chmod(0o444)

    both(pair, prepare)
    done = run(pair, "cache", "migrate")

    assert ["Migrated 2 files to DVC 3.0 cache location.\n"] * 2 == [one.stdout for one in done]
    old = ".dvc/cache/files/md5/b9/c02b17ca36bb204a75154063218142.dir"
    assert [True, False] == there(pair, old)
    (new,) = (pair[1].root / ".dvc/cache/files/md5").rglob("*.dir")
    assert row.replace(
        b"dd8c6a395b5dd36c56d23275028f526c", b"59b0d7772f0561efb95518f3cb8abc60"
    ) == (new.read_bytes())


# -- the merge driver ----


def sides(project: Project, our: dict[str, str | None], their: dict[str, str | None]) -> list[str]:
    """Folder `d` with files p and q, changed on two sides; returns the driver's arguments."""
    for name in "pq":
        project.write(f"d/{name}", name)
    project.dvc("add", "d")
    shutil.copy(project.root / "d.dvc", project.root / "anc")
    for name, changes in (("their", their), ("our", our)):
        shutil.copy(project.root / "anc", project.root / "d.dvc")
        project.dvc("checkout", "-f")
        for path, data in changes.items():
            target = project.root / "d" / path
            target.unlink() if data is None else project.write(f"d/{path}", data)
        project.dvc("add", "d")
        shutil.copy(project.root / "d.dvc", project.root / name)
    return ["git-hook", "merge-driver", "--ancestor", "anc", "--our", "our", "--their", "their"]


def test_a_file_that_both_sides_removed_is_no_conflict(pair: Pair) -> None:
    assert is_wanted("merge-both-removed")
    both(pair, lambda project: sides(project, {"p": None}, {"p": None, "t": "t"}) and None)

    done = run(pair, *DRIVER)

    assert [255, 0] == [one.rc for one in done]


def test_a_file_and_a_folder_of_one_name_are_a_conflict(pair: Pair) -> None:
    assert is_wanted("merge-file-and-folder")
    both(pair, lambda project: sides(project, {"o": "1"}, {"o/x": "2"}) and None)

    done = run(pair, *DRIVER)

    assert [0, 1] == [one.rc for one in done]
    assert "\no\n" in done[1].stderr


def test_what_their_side_says_of_an_output_is_kept(pair: Pair) -> None:
    assert is_wanted("merge-options")

    def prepare(project: Project) -> None:
        sides(project, {"o": "1"}, {"t": "2"})
        with (project.root / "their").open("a") as file:
            file.write("desc: theirs\n")

    both(pair, prepare)
    done = run(pair, *DRIVER)

    assert [0, 0] == [one.rc for one in done]
    assert [False, True] == ["desc: theirs" in one for one in text(pair, "our")]
    (pair[1].root / "anc").write_bytes((pair[1].root / "our").read_bytes())
    for name in ("our", "their"):
        changed = (pair[1].root / name).read_text().replace("theirs", name)
        pair[1].write(name, changed if "desc" in changed else f"{changed}desc: {name}\n")
    assert "desc" in pair[1].dvc(*DRIVER, check=False).stderr


DRIVER = ["git-hook", "merge-driver", "--ancestor", "anc", "--our", "our", "--their", "their"]


def test_outside_of_a_project_the_driver_merges_nothing(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    assert is_wanted("merge-driver-subdir")
    for name in ("anc", "our", "their"):
        (tmp_path / name).write_text(OLD)

    codes = [program(*DRIVER, cwd=tmp_path).rc for program in (oracle, dvc)]

    assert [0, 1] == codes


def branches(project: Project, our: dict[str, str], their: dict[str, str]) -> Completed:
    """`git merge` of two branches, the driver set up; what Git said."""
    project.write(".gitattributes", "*.dvc merge=dvc\ndvc.lock merge=dvc-lock\n")
    project.dvc("install")
    for hook in (project.root / ".git/hooks").glob("p*-*[a-z]"):
        if hook.suffix != ".sample":
            hook.unlink()
    for path in ("d/p", "d/q"):
        project.write(path, path)
    project.dvc("add", "d")
    project.commit_all()
    project.git("checkout", "-qb", "other")
    for branch, changes in (("other", their), ("main", our)):
        project.git("checkout", "-q", branch)
        project.dvc("checkout", "-f")
        for path, data in changes.items():
            project.write(path, data)
        if any(path.startswith("d/") for path in changes):
            project.dvc("add", "d")
        project.commit_all(branch)
    return git("merge", "other", "-m", "both", cwd=project.root, check=False)


def test_git_merges_a_folder_through_the_driver(project: Project) -> None:
    done = branches(project, {"d/p": "ours", "d/o": "o"}, {"d/q": "theirs", "d/t": "t"})
    project.dvc("checkout")

    found = {path.name: path.read_text() for path in (project.root / "d").iterdir()}
    assert 0 == done.rc, str(done)
    assert {"p": "ours", "o": "o", "q": "theirs", "t": "t"} == found


def test_git_leaves_a_conflict_to_be_solved(pair: Pair) -> None:
    assert is_wanted("merge-conflict-code")
    theirs, ours = (branches(project, {"d/p": "1"}, {"d/p": "2"}) for project in pair)

    assert 1 == ours.rc
    assert "CONFLICT (content): Merge conflict in d.dvc" in ours.stdout
    assert "UU d.dvc" in pair[1].git("status", "--porcelain").lines
    assert theirs.rc != 0


STAGE = "  {}:\n    cmd: echo {{}}\n"
LOCK = "schema: '2.0'\nstages:\n" + "".join(map(STAGE.format, "ab")) + "  c:\n    cmd: echo 0\n"


def test_git_merges_a_lock_file_stage_by_stage(project: Project) -> None:
    base = LOCK.format(0, 0)
    project.write("dvc.lock", base)
    clean = branches(project, {"dvc.lock": LOCK.format(1, 0)}, {"dvc.lock": LOCK.format(0, 2)})

    assert 0 == clean.rc, str(clean)
    assert LOCK.format(1, 2) == (project.root / "dvc.lock").read_text()


def test_a_stage_that_both_recorded_differently_is_marked(project: Project) -> None:
    project.write("dvc.lock", LOCK.format(0, 0))
    done = branches(project, {"dvc.lock": LOCK.format(1, 0)}, {"dvc.lock": LOCK.format(2, 2)})

    text = (project.root / "dvc.lock").read_text()
    assert 1 == done.rc
    assert "both sides recorded these" in done.stderr + done.stdout
    assert "<<<<<<<" in text
    assert "    cmd: echo 1\n" in text
    assert "    cmd: echo 2\n" in text


def test_a_list_that_is_not_here_is_read_from_the_remote_or_refused(project: Project) -> None:
    arguments = sides(project, {"o": "1"}, {"t": "2"})
    project.dvc("remote", "add", "-d", "r", str(project.root.parent / "remote"))
    project.dvc("push")  # of our side alone: the last one added
    kept = project.root / "kept"
    shutil.copytree(project.cache, kept)
    shutil.rmtree(project.cache)

    refused = project.dvc(*arguments, check=False)
    before = (project.root / "our").read_bytes()
    shutil.copytree(kept / "files", project.root.parent / "remote/files", dirs_exist_ok=True)
    done = project.dvc(*arguments, check=False)

    assert (1, 0) == (refused.rc, done.rc), str(done)
    assert "neither in the cache nor in the remote" in refused.stderr
    assert before != (project.root / "our").read_bytes()
