"""Every row of docs/compat.md, held against both programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path

from tests.support import project as projects
from tests.support.oracle import Oracle
from tests.support.pair import Pair, both
from tests.support.programs import Program, git
from tests.support.project import Project, make_project
from tests.support.samples import write_legacy_playground
from tests.support.wanted import is_wanted


def objects(root: Path) -> list[Path]:
    """The objects' files in a cache or remote, without what lies beside them."""
    return [root / name for name in projects.objects(root)]


def test_adding_several_targets_is_all_or_nothing(pair: Pair) -> None:
    assert is_wanted("add-all-or-nothing")
    both(pair, lambda project: project.write("there", "1"))

    answers = [project.dvc("add", "there", "missing", check=False) for project in pair]

    assert [1, 1] == [answer.rc for answer in answers]
    assert [True, False] == [(project.root / "there.dvc").exists() for project in pair]


def test_an_empty_pointer_is_an_error(pair: Pair) -> None:
    assert is_wanted("empty-pointer")
    both(pair, lambda project: project.write("d.dvc", ""))

    theirs, ours = (project.dvc("status", check=False) for project in pair)

    assert (0, 1) == (theirs.rc, ours.rc)
    assert "'d.dvc'" in ours.stderr


def test_pushing_what_is_nowhere_fails(pair: Pair) -> None:
    assert is_wanted("push-missing")

    def prepare(project: Project) -> None:
        project.write("f", "1")
        project.dvc("add", "f")
        project.dvc("remote", "add", "-d", "store", str(project.root.parent / "store"))
        shutil.rmtree(project.root / ".dvc" / "cache")

    both(pair, prepare)

    for command in ("push", "fetch"):
        assert [0, 1] == [project.dvc(command, check=False).rc for project in pair]


def test_a_damaged_object_is_not_handed_out(pair: Pair) -> None:
    assert is_wanted("damaged-object")

    def prepare(project: Project) -> None:
        project.write("f", "good")
        project.dvc("add", "f")
        (found,) = objects(project.root / ".dvc" / "cache")
        found.chmod(0o644)
        found.write_text("evil")
        found.chmod(0o444)
        (project.root / "f").unlink()

    both(pair, prepare)
    theirs, ours = (project.dvc("checkout", check=False) for project in pair)

    assert (0, 255) == (theirs.rc, ours.rc)
    assert (pair[0].root / "f").read_text() == "evil"
    assert not (pair[1].root / "f").exists()
    assert len(list((pair[1].root / ".dvc/cache/files/md5/quarantine").iterdir())) == 1


def test_the_last_copy_of_data_stays(pair: Pair) -> None:
    assert is_wanted("last-copy")

    def prepare(project: Project) -> None:
        project.git("checkout", "-q", "-b", "with-data")
        project.write("d/a", "only copy")
        project.dvc("add", "d")
        project.commit_all()
        shutil.rmtree(project.root / ".dvc" / "cache")
        project.git("checkout", "-q", "-")

    both(pair, prepare)
    for project in pair:
        project.dvc("checkout", check=False)

    assert [False, True] == [(project.root / "d/a").exists() for project in pair]


def test_the_mode_of_a_file_stays(pair: Pair) -> None:
    assert is_wanted("file-mode")

    def prepare(project: Project) -> None:
        project.write("f", "1")
        os.chmod(project.root / "f", 0o600)
        project.dvc("add", "f")

    both(pair, prepare)
    modes = [stat.S_IMODE((project.root / "f").stat().st_mode) for project in pair]

    assert [0o644, 0o600] == modes


def test_the_remote_is_looked_at_before_data_counts_as_pushed(pair: Pair) -> None:
    assert is_wanted("remote-looked-at")

    def prepare(project: Project) -> None:
        store = project.root.parent / f"store-{project.root.name}"
        project.write("d/a", "1")
        project.write("d/b", "2")
        project.dvc("add", "d")
        project.dvc("remote", "add", "-d", "store", str(store))
        project.dvc("push")
        for found in objects(store):
            if found.suffix != ".dir":
                found.unlink()

    both(pair, prepare)
    theirs, ours = (project.dvc("push") for project in pair)

    assert ["Everything is up to date."] == theirs.lines
    assert ["2 files pushed"] == ours.lines


def test_an_incomplete_checkout_takes_nothing_away(pair: Pair) -> None:
    assert is_wanted("failed-checkout")

    def prepare(project: Project) -> None:
        project.write("d/a", "content")
        project.dvc("add", "d")
        os.rename(project.root / "d/a", project.root / "d/b")
        for found in objects(project.root / ".dvc" / "cache"):
            if found.suffix != ".dir":
                found.unlink()
        assert project.dvc("checkout", "-f", check=False).rc == 255

    both(pair, prepare)

    assert [False, True] == [(project.root / "d/b").exists() for project in pair]


def use_and_give_up(project: Project) -> None:
    """A directory in use, and an object that nothing refers to any more."""
    for number in range(3):
        project.write(f"d/{number}", f"file {number}")
    project.write("old", "given up")
    project.dvc("add", "-q", "d", "old")
    (project.root / "old.dvc").unlink()
    project.commit_all()


def stored(project: Project) -> set[str]:
    root = project.cache / "files/md5"
    return {path.parent.name + path.name for path in root.glob("[0-9a-f][0-9a-f]/*")}


def test_gc_removes_nothing_when_a_list_of_files_is_missing(pair: Pair) -> None:
    assert is_wanted("gc-doubt")
    both(pair, use_and_give_up)
    for project in pair:
        next((project.cache / "files/md5").glob("??/*.dir")).unlink()
        shutil.rmtree(project.root / "d")

    theirs, ours = (project.dvc("gc", "-w", "-f", check=False) for project in pair)

    assert (0, 255) == (theirs.rc, ours.rc), str(ours)
    assert 0 == len(stored(pair[0]))
    assert 4 == len(stored(pair[1]))


def test_gc_of_a_history_that_was_not_fetched_removes_nothing(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    assert is_wanted("gc-shallow")
    answers = []
    for name, program in (("theirs", oracle), ("ours", dvc)):
        whole = make_project(tmp_path / name / "whole", program)
        for text in ("one", "two"):
            whole.write("f", text)
            whole.dvc("add", "-q", "f")
            whole.commit_all(text)
        clone = tmp_path / name / "clone"
        git("clone", "-q", "--depth", "1", f"file://{whole.root}", str(clone), cwd=tmp_path)
        shutil.copytree(whole.cache, clone / ".dvc/cache")
        done = [program("gc", option, "-f", cwd=clone) for option in ("-A", "-w")]
        answers.append((done[0].rc, "git fetch --unshallow" in done[0].stderr, done[1].rc))

    assert [(0, False, 0), (255, True, 0)] == answers


def test_gc_can_be_taken_back(pair: Pair) -> None:
    assert is_wanted("gc-trash")
    both(pair, use_and_give_up)
    before = stored(pair[1])

    for project in pair:
        project.dvc("gc", "-w", "-f")
    removed = [len(before - stored(project)) for project in pair]
    back = pair[1].dvc("gc", "--undo")

    assert [1, 1] == removed
    assert before == stored(pair[1])
    assert "Brought back 1 object." in back.stdout


def test_gc_keeps_what_is_young_in_a_common_cache(pair: Pair) -> None:
    assert is_wanted("gc-young")
    for project in pair:
        project.dvc("cache", "dir", "../" + project.root.name + "-cache")
    both(pair, use_and_give_up)

    for project in pair:
        project.dvc("gc", "-w", "-f")

    left = [objects(project.root.with_name(project.root.name + "-cache")) for project in pair]
    names = [[path for path in some if len(path.name) in (30, 34)] for some in left]
    assert [4, 5] == [len(some) for some in names]


def test_gc_does_not_skip_the_workspace(pair: Pair) -> None:
    assert is_wanted("gc-skip-workspace")
    both(pair, use_and_give_up)
    both(pair, lambda project: project.write("d.dvc", "outs: ["))

    answers = [project.dvc("gc", "-w", "-f", "--skip-failed", check=False) for project in pair]

    assert [0, 255] == [answer.rc for answer in answers]
    assert [0, 5] == [len(stored(project)) for project in pair]


def test_gc_leaves_other_peoples_files_in_the_cache(pair: Pair) -> None:
    assert is_wanted("gc-own-names")
    both(pair, use_and_give_up)
    for project in pair:
        (project.cache / "files/md5/ab").mkdir(exist_ok=True)
        (project.cache / "files/md5/ab/notes.txt").write_text("mine")

    for project in pair:
        project.dvc("gc", "-w", "-f")

    left = [(project.cache / "files/md5/ab/notes.txt").exists() for project in pair]
    assert [False, True] == left


def test_what_was_added_in_part_is_not_told_as_deleted(pair: Pair) -> None:
    assert is_wanted("checkout-untrue")

    def prepare(project: Project) -> None:
        project.write("d/a", "1")
        project.write("d/b", "2")
        project.dvc("add", "d")
        (project.root / "d/a").unlink()
        project.write("d/a", "3")
        project.dvc("add", "d/a")

    both(pair, prepare)

    theirs, ours = (project.dvc("checkout", "-f") for project in pair)

    assert (True, False) == ("D" in theirs.stdout, "D" in ours.stdout)
    assert ["3", "3"] == [(project.root / "d/a").read_text() for project in pair]


def test_a_part_of_an_old_directory_is_added(tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    assert is_wanted("add-part-old")
    answers = []
    for program in (oracle, dvc):
        base = tmp_path / program.__class__.__name__
        repo = base / "repo"
        repo.mkdir(parents=True)
        git("init", "-q", cwd=repo)
        write_legacy_playground(repo, base / "remote")
        program("pull", cwd=repo)
        (repo / "animals/new").write_text("new")
        answers.append(program("add", "animals/new", cwd=repo, check=False).rc)
        answers.append("nfiles: 4" in (repo / "animals.dvc").read_text())

    assert [1, False, 0, True] == answers


def test_all_that_a_commit_records_is_stored(pair: Pair) -> None:
    assert is_wanted("commit-part")

    def prepare(project: Project) -> None:
        project.write("d/a", "1")
        project.dvc("add", "d")
        (project.root / "d/a").unlink()
        project.write("d/a", "2")
        project.write("d/b", "3")
        project.dvc("commit", "-f", "d/a")
        shutil.rmtree(project.root / "d")

    both(pair, prepare)

    answers = [project.dvc("checkout", check=False) for project in pair]

    assert [255, 0] == [answer.rc for answer in answers]
    assert "3" == (pair[1].root / "d/b").read_text()


def test_what_was_added_without_a_copy_is_not_deleted(pair: Pair) -> None:
    """The same bytes are in the cache; which directory they made is known here alone."""
    assert is_wanted("last-copy")

    def prepare(project: Project) -> None:
        project.write("c", "1")
        project.dvc("add", "c")
        project.write("d/a", "1")
        project.dvc("add", "--no-commit", "d")

    both(pair, prepare)

    answers = [project.dvc("checkout", check=False) for project in pair]

    assert [255, 0] == [answer.rc for answer in answers]
    assert [False, True] == [(project.root / "d/a").exists() for project in pair]


def test_help_names_the_same_options_in_other_words(pair: Pair) -> None:
    assert is_wanted("own-words")

    answers = [project.dvc("status", "--nothing", check=False) for project in pair]

    assert [254, 254] == [answer.rc for answer in answers]
    theirs, ours = (set(re.findall(r"--[a-z][a-z-]+", answer.stdout)) for answer in answers)
    assert theirs == ours
    assert answers[0].stdout != answers[1].stdout


def test_status_of_the_cloud_asks_for_each_object(pair: Pair) -> None:
    """A part of a directory was pushed, and its list of files with it."""

    def prepare(project: Project) -> None:
        project.write("d/a", "1")
        project.write("d/b", "2")
        project.dvc("add", "d")
        project.dvc("remote", "add", "-d", "store", str(project.root.parent / "store"))
        project.dvc("push", "d/a")

    both(pair, prepare)

    answers = [project.dvc("status", "-c").stdout for project in pair]

    assert [False, True] == ["d/b" in answer for answer in answers]


def test_bytes_with_several_names_are_told_of_by_the_first(pair: Pair) -> None:
    """Of DVC any of the names may come; here it is always the same."""
    assert is_wanted("status-cloud-name")

    def prepare(project: Project) -> None:
        for path in ("zz", "one", "img/one", "aa/x"):
            project.write(path, "1")
        project.dvc("add", "zz", "one", "img", "aa")
        project.dvc("remote", "add", "-d", "store", str(project.root.parent / "store"))

    both(pair, prepare)

    theirs, ours = (json.loads(project.dvc("status", "-c", "--json").stdout) for project in pair)

    assert {"aa", "img", "aa/x"} == set(ours)
    assert {"aa", "img"} == set(theirs) - {"zz", "one", "img/one", "aa/x"}


def test_a_recorded_file_that_is_left_out_is_not_written_over(pair: Pair) -> None:
    assert is_wanted("checkout-left-out")

    def prepare(project: Project) -> None:
        project.write("d/a.png", "1")
        project.write("d/b", "2")
        project.dvc("add", "d")
        project.write(".dvcignore", "*.png\n")

    both(pair, prepare)

    same = [project.dvc("checkout") for project in pair]
    for project in pair:
        (project.root / "d/a.png").unlink()
        project.write("d/a.png", "edited")
    edited = [project.dvc("checkout", check=False).rc for project in pair]

    assert [["M       d/"], []] == [answer.lines for answer in same]
    assert [0, 255] == edited
    assert ["1", "edited"] == [(project.root / "d/a.png").read_text() for project in pair]


def test_folders_are_not_counted_as_deleted_files(pair: Pair) -> None:
    assert is_wanted("deleted-folders")

    def prepare(project: Project) -> None:
        project.write("d/a", "1")
        project.dvc("add", "d")
        project.write("d/inner/b", "1")

    both(pair, prepare)

    theirs, ours = (project.dvc("checkout", "-f", "--summary").stdout for project in pair)

    assert ("2 files deleted\n", "1 file deleted\n") == (theirs, ours)
    assert [["a"], ["a"]] == [os.listdir(project.root / "d") for project in pair]


def test_a_directory_whose_list_is_nowhere_is_told_as_missing(pair: Pair) -> None:
    assert is_wanted("status-cloud-lists")

    def prepare(project: Project) -> None:
        project.write("d/a", "1")
        project.write("f", "2")
        project.dvc("add", "--no-commit", "d", "f")
        project.dvc("remote", "add", "-d", "store", str(project.root.parent / "store"))

    both(pair, prepare)

    theirs, ours = (json.loads(project.dvc("status", "-c", "--json").stdout) for project in pair)

    assert {"f": "missing"} == theirs
    assert {"f": "missing", "d": "missing"} == ours


def test_no_link_is_made_to_what_is_not_there(pair: Pair) -> None:
    assert is_wanted("links-to-nothing")

    def prepare(project: Project) -> None:
        project.dvc("config", "cache.type", "symlink")
        project.write("f", "1")
        project.dvc("add", "f")
        project.dvc("checkout", "-f")
        (project.root / "f").unlink()
        shutil.rmtree(project.root / ".dvc" / "cache")

    both(pair, prepare)

    answers = [project.dvc("checkout", "-f", check=False) for project in pair]

    assert [0, 255] == [answer.rc for answer in answers]
    assert [True, False] == [os.path.lexists(project.root / "f") for project in pair]
    assert not (pair[0].root / "f").exists()


def lose_what_links_lead_to(project: Project) -> None:
    project.dvc("config", "cache.type", "symlink")
    for path in ("a", "d/a", "z"):
        project.write(path, path)
    project.dvc("add", "a", "d", "z")
    project.commit_all()
    for found in objects(project.cache):
        if found.suffix != ".dir":
            found.unlink()


def test_a_commit_of_links_to_nothing_names_them(pair: Pair) -> None:
    assert is_wanted("links-lost")
    both(pair, lose_what_links_lead_to)

    for targets in (["d"], ["d/a"]):
        answers = [project.dvc("commit", "-f", *targets, check=False) for project in pair]

        assert [255, 1] == [answer.rc for answer in answers]
        assert "'d/a': it is a link to nothing" in answers[1].stderr
        assert "dvc pull" in answers[1].stderr


def test_a_commit_of_links_to_nothing_records_nothing(pair: Pair) -> None:
    assert is_wanted("links-lost")
    both(pair, lose_what_links_lead_to)
    (pair[1].root / "a").unlink()
    pair[1].write("a", "new")
    had = stored(pair[1])

    answer = pair[1].dvc("commit", "-f", check=False)

    assert (1, True) == (answer.rc, "'z': it is a link to nothing" in answer.stderr)
    assert [] == pair[1].git("status", "--porcelain").lines
    assert had == stored(pair[1])


def test_one_directory_with_links_to_nothing_does_not_keep_the_others_back(pair: Pair) -> None:
    assert is_wanted("links-to-nothing")

    def prepare(project: Project) -> None:
        lose_what_links_lead_to(project)
        (project.root / "z").unlink()
        project.write("z", "z")
        project.dvc("add", "z")
        (project.root / "z").unlink()

    both(pair, prepare)

    answers = [project.dvc("checkout", check=False) for project in pair]

    assert [0, 255] == [answer.rc for answer in answers]
    assert ["z", "z"] == [(project.root / "z").read_text() for project in pair]
    assert {"a", "d"} <= set(answers[1].stderr.splitlines())


def test_a_directory_whose_list_was_lost_is_not_checked_out_from_memory(pair: Pair) -> None:
    """DVC's answer depends on what it was asked on this machine before."""
    assert is_wanted("data-status-forgets")

    def prepare(project: Project) -> None:
        project.write("d/a", "1")
        project.dvc("add", "d")
        project.commit_all()
        os.rename(project.root / "d/a", project.root / "d/m")
        project.dvc("diff")
        next(path for path in objects(project.cache) if path.suffix == ".dir").unlink()

    both(pair, prepare)

    answers = [project.dvc("checkout", "-f", check=False) for project in pair]

    assert [0, 255] == [answer.rc for answer in answers]
    assert ["a"] == os.listdir(pair[0].root / "d")
    assert ["m"] == os.listdir(pair[1].root / "d")


TWO_STAGES = """\
stages:
  a: {cmd: cat in > a, deps: [in], outs: [a]}
  b: {cmd: cat in > b, deps: [in], outs: [b]}
"""


def test_a_commit_with_an_output_missing_records_nothing(pair: Pair) -> None:
    """What DVC has recorded by then depends on the order in which the disk lists its pointers."""
    assert is_wanted("commit-all-or-nothing")

    def prepare(project: Project) -> None:
        for name in "abc":
            project.write(name, "1")
        project.dvc("add", "a", "b", "c")
        for name in "ac":
            (project.root / name).unlink()
            project.write(name, "2")
        (project.root / "b").unlink()

    both(pair, prepare)
    before = [(pair[1].root / f"{name}.dvc").read_bytes() for name in "abc"]
    had = stored(pair[1])

    answers = [project.dvc("commit", "-f", check=False) for project in pair]

    assert [1, 1] == [answer.rc for answer in answers]
    assert before == [(pair[1].root / f"{name}.dvc").read_bytes() for name in "abc"]
    assert had == stored(pair[1])


def test_a_commit_of_a_pipeline_with_an_output_missing_records_nothing(pair: Pair) -> None:
    assert is_wanted("commit-all-or-nothing")

    def prepare(project: Project) -> None:
        project.write("dvc.yaml", TWO_STAGES)
        project.write("in", "1")
        project.dvc("repro")
        project.write("in", "2")
        project.write("a", "A")
        (project.root / "b").unlink()

    both(pair, prepare)
    before = [(stored(project), (project.root / "dvc.lock").read_bytes()) for project in pair]

    answers = [project.dvc("commit", "-f", "a", "b", check=False) for project in pair]

    after = [(stored(project), (project.root / "dvc.lock").read_bytes()) for project in pair]
    assert [1, 1] == [answer.rc for answer in answers]
    assert before[0] != after[0]
    assert before[1] == after[1]
