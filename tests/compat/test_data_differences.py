"""Rows of docs/compat.md about data that a command could lose, held against both programs."""

from __future__ import annotations

import shutil

import pytest

from tests.support.pair import Pair, add, both, run, there
from tests.support.programs import Completed
from tests.support.project import Project, objects
from tests.support.wanted import is_wanted


def bring_again(project: Project, data: str) -> Completed:
    shutil.rmtree(project.root / data)
    return project.dvc("checkout", check=False)


def test_what_could_not_come_back_is_not_added(pair: Pair) -> None:
    assert is_wanted("add-git-names")

    def prepare(project: Project) -> None:
        project.write("data/plain", "1")
        project.write("data/git~1", "2")
        project.write("data/sub/.GIT/config", "3")

    both(pair, prepare)

    theirs, ours = run(pair, "add", "data")

    assert [0, 1] == [theirs.rc, ours.rc]
    assert "'data/git~1'" in ours.stderr
    assert "'data/sub/.GIT'" in ours.stderr
    assert [True, False] == there(pair, "data.dvc")


def test_a_git_file_is_left_out_as_the_folder_is(pair: Pair) -> None:
    """A submodule and a linked work tree have one."""

    def prepare(project: Project) -> None:
        project.write("data/sub/.git", "gitdir: ../../elsewhere\n")
        project.write("data/sub/plain", "1")

    both(pair, prepare)

    added = run(pair, "add", "data")
    theirs, ours = ((project.root / "data.dvc").read_bytes() for project in pair)
    again = bring_again(pair[1], "data")

    assert [0, 0, 0] == [done.rc for done in (*added, again)]
    assert "'data/sub/.git' is left out" in added[1].stderr
    assert "1" == (pair[1].root / "data/sub/plain").read_text()
    assert theirs == ours


def test_a_pointer_that_records_something_else_is_not_overwritten(pair: Pair) -> None:
    assert is_wanted("add-over-record")

    def prepare(project: Project) -> None:
        add(project, "other")
        (project.root / "other.dvc").rename(project.root / "data.dvc")
        project.write("data", "data\n")
        project.write("../source", "source\n")

    both(pair, prepare)

    theirs, ours = run(pair, "add", "data")
    imported = pair[1].dvc("import-url", "../source", "data", "--force", check=False)

    assert [0, 1, 1] == [theirs.rc, ours.rc, imported.rc]
    assert "'data.dvc' is there already, and records 'other'" in ours.stderr
    assert "path: data\n" in (pair[0].root / "data.dvc").read_text()
    assert "path: other\n" in (pair[1].root / "data.dvc").read_text()


def test_a_folder_that_holds_the_cache_is_not_added(pair: Pair) -> None:
    assert is_wanted("add-own-cache")

    def prepare(project: Project) -> None:
        project.write("store/mine", "1")
        project.dvc("cache", "dir", "store/cache")
        add(project, "data")

    both(pair, prepare)

    _, ours = run(pair, "add", "store")

    assert 1 == ours.rc
    assert "the cache lies there" in ours.stderr
    assert not (pair[1].root / "store.dvc").exists()


def test_data_sent_to_a_remote_gets_no_second_record(pair: Pair) -> None:
    assert is_wanted("add-to-remote-place")

    def prepare(project: Project) -> None:
        project.dvc("remote", "add", "-d", "r", "../remote-of-" + project.root.name)
        add(project, "data/a")
        (project.root / "data/a.dvc").unlink()
        (project.root / "data/.gitignore").unlink()
        project.dvc("add", "data")
        project.write("script", "1")
        project.commit_all()
        project.write("../source", "source\n")

    both(pair, prepare)
    before = (pair[1].root / "data.dvc").read_bytes()

    inside = run(pair, "add", "../source", "--to-remote", "-o", "data/new")
    script = run(pair, "add", "../source", "--to-remote", "-f", "-o", "script")
    over = run(pair, "add", "../source", "--to-remote", "-o", "data")

    assert [0, 1] == [done.rc for done in inside]
    assert [0, 1] == [done.rc for done in script]
    assert [0, 1] == [done.rc for done in over]
    assert before == (pair[1].root / "data.dvc").read_bytes()
    assert [False, False] == [there(pair, path)[1] for path in ("data/new.dvc", "script.dvc")]


@pytest.mark.parametrize("beside", [".git/config", "run.log"])
def test_what_is_no_data_stands_in_the_way_of_what_is_brought(beside: str, pair: Pair) -> None:
    assert is_wanted("add-out-beside-data")

    def prepare(project: Project) -> None:
        project.write(".dvcignore", "*.log\n")
        project.write("folder/source/data", "old\n")
        project.write(f"folder/source/{beside}", "mine\n")
        project.write("../source/new", "new\n")

    both(pair, prepare)

    theirs, ours = run(pair, "add", "../source", "--out", "folder", "--force")

    assert [0, 1] == [theirs.rc, ours.rc]
    assert f"'{beside.split('/')[0]}'" in ours.stderr
    assert [True, True] == there(pair, f"folder/source/{beside}")
    assert [False, True] == there(pair, "folder/source/data")
    assert "old\n" == (pair[1].root / "folder/source/data").read_text()


def test_what_is_brought_goes_into_a_folder_that_is_there(pair: Pair) -> None:
    """As with DVC: nothing there is overwritten."""

    def prepare(project: Project) -> None:
        project.write("folder/mine", "mine\n")
        project.write("../source/new", "new\n")
        project.write("../single", "single\n")

    both(pair, prepare)

    first = run(pair, "add", "../source", "--out", "folder")
    forced = run(pair, "add", "../single", "--out", "folder", "--force")
    again = run(pair, "add", "../single", "--out", "folder")

    assert [[0, 0], [0, 0], [1, 1]] == [[one.rc for one in done] for done in (first, forced, again)]
    assert sorted(first[0].stdout.split()) == sorted(first[1].stdout.split())
    assert again[0].stderr == again[1].stderr
    for path in ("folder/mine", "folder/source/new", "folder/source.dvc", "folder/single.dvc"):
        left, right = ((project.root / path).read_bytes() for project in pair)
        assert left == right


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_what_is_tracked_no_more_is_the_users_own(kind: str, pair: Pair) -> None:
    """Not even gc takes it, when it was a link into the cache."""
    assert is_wanted("remove-keeps")

    def prepare(project: Project) -> None:
        project.dvc("config", "cache.type", kind)
        project.write("data/a", "a\n")
        project.dvc("add", "data")
        add(project, "single")
        project.dvc("remove", "single.dvc", "data.dvc")

    both(pair, prepare)
    links = [(project.root / "single").is_symlink() for project in pair]
    modes = [(project.root / "data/a").stat().st_mode for project in pair]
    run(pair, "checkout")
    pair[1].dvc("gc", "-w", "-f", "--now")

    assert [False, False] == links
    assert modes[0] == modes[1]
    assert [kind != "copy", True] == there(pair, "single")  # DVC forgets its links, no copies
    assert "a\n" == (pair[1].root / "data/a").read_text()
    assert "single\n" == (pair[1].root / "single").read_text()


def test_the_data_of_another_project_stays(pair: Pair) -> None:
    assert is_wanted("checkout-other-project")

    def prepare(project: Project) -> None:
        add(project, "sub/data")
        project.program("init", "--subdir", cwd=project.root / "sub")

    both(pair, prepare)

    done = run(pair, "checkout")

    assert [0, 0] == [one.rc for one in done]
    assert [False, True] == there(pair, "sub/data")


def test_a_forced_checkout_can_be_undone_when_the_cache_is_damaged(project: Project) -> None:
    """What is no good object is kept, as any other file that would be lost (D5)."""
    add(project, "data")
    first = (project.root / "data.dvc").read_bytes()
    project.write("data", "second\n")
    project.dvc("add", "data")
    for path in project.cache.glob("files/md5/*/*"):
        if path.read_bytes() == b"second\n":
            path.chmod(0o644)
            path.write_bytes(b"damaged")
    (project.root / "data.dvc").write_bytes(first)

    project.dvc("checkout", "--force")
    brought = (project.root / "data").read_text()
    project.dvc("undo")

    assert "data\n" == brought
    assert "second\n" == (project.root / "data").read_text()


def test_what_another_work_tree_uses_is_kept(pair: Pair) -> None:
    assert is_wanted("gc-work-trees")

    def prepare(project: Project) -> None:
        add(project, "here")
        project.commit_all()
        there = project.root.with_name(project.root.name + "-second")
        project.git("worktree", "add", "-q", str(there))
        other = Project(there, project.program)
        other.dvc("cache", "dir", "--local", str(project.cache))
        add(other, "there")
        (there / "there").unlink()

    both(pair, prepare)
    (pair[1].root / ".dvc/pannier.toml").write_text("gc_grace = 0\n")

    cleaned = run(pair, "gc", "-w", "-f")
    brought = [
        project.program(
            "checkout", cwd=project.root.with_name(project.root.name + "-second"), check=False
        ).rc
        for project in pair
    ]

    assert [0, 0] == [done.rc for done in cleaned]
    assert [255, 0] == brought


def test_what_a_stash_names_is_kept(pair: Pair) -> None:
    assert is_wanted("gc-stash")

    def prepare(project: Project) -> None:
        add(project, "data")
        project.commit_all()
        for text in ("staged\n", "stashed\n"):
            project.write("data", text)
            project.dvc("add", "data")
            if text == "staged\n":
                project.git("add", "data.dvc")
        project.git("stash", "-q")
        project.dvc("checkout")

    both(pair, prepare)

    run(pair, "gc", "-A", "-f")
    found = [
        sorted(data for data in objects(project.cache).values() if data.startswith(b"sta"))
        for project in pair
    ]

    assert [[], [b"staged\n", b"stashed\n"]] == found


def test_what_another_project_records_is_not_stored_here(pair: Pair) -> None:
    assert is_wanted("other-project")

    def prepare(project: Project) -> None:
        project.write("sub/deep/x", "x\n")
        project.program("init", "--subdir", cwd=project.root / "sub")
        add(project, "y")
        project.write("../source", "source\n")

    both(pair, prepare)

    for args in (
        ("add", "sub/deep/x"),
        ("import-url", "../source", "sub/a"),
        ("add", "../source", "--out", "sub/b"),
        ("move", "y", "sub/deep/y"),
    ):
        theirs, ours = run(pair, *args)

        assert 1 == ours.rc
        assert 0 == theirs.rc or args[0] == "import-url"  # DVC takes 'sub/a' for no part of it
        assert "'sub' is a project of its own" in ours.stderr
    assert ["sub/deep/x"] == [
        path.relative_to(pair[1].root).as_posix()
        for path in pair[1].root.glob("sub/**/*")
        if path.is_file() and ".dvc" not in path.as_posix().removeprefix(str(pair[1].root))
    ]


def test_a_relative_link_is_not_moved_to_where_it_leads_nowhere(pair: Pair) -> None:
    assert is_wanted("move-relative-link")

    def prepare(project: Project) -> None:
        project.write("real/file", "real\n")
        project.write("sub/other", "")
        (project.root / "link").symlink_to("real/file")
        project.dvc("config", "cache.type", "symlink")
        project.dvc("add", "--no-commit", "link")

    both(pair, prepare)

    theirs, ours = run(pair, "move", "link", "sub/link")

    assert [0, 1] == [theirs.rc, ours.rc]
    assert [True, False] == there(pair, "sub/link")
    assert "real\n" == (pair[1].root / "link").read_text()
    assert 0 == pair[1].dvc("move", "link", "beside").rc


def test_what_is_brought_again_to_the_same_place_is_there_already(pair: Pair) -> None:
    assert is_wanted("add-out-again")
    both(pair, lambda project: project.write("../source/new", "new\n") and None)
    run(pair, "add", "../source", "--out", "place")

    theirs, ours = run(pair, "add", "../source", "--out", "place")

    assert [0, 1] == [theirs.rc, ours.rc]
    forced = run(pair, "add", "../source", "--out", "place", "--force")
    assert [0, 0] == [done.rc for done in forced]
    assert [False, False] == there(pair, "place/source")


def test_an_output_of_another_branch_is_taken_away_still(pair: Pair) -> None:
    for project in pair:
        add(project, "data")
        (project.root / "data.dvc").unlink()

    run(pair, "checkout")

    assert [False, False] == there(pair, "data")


def of_cache(pair: Pair) -> list[list[bytes]]:
    return [sorted(objects(project.cache).values()) for project in pair]


def version(project: Project, text: str) -> None:
    project.write("data", text)
    project.dvc("add", "data")


def test_what_is_staged_for_the_next_commit_is_kept(pair: Pair) -> None:
    assert is_wanted("gc-staged")

    def prepare(project: Project) -> None:
        for text in ("old", "committed", "staged", "later"):
            version(project, text)
            if text in ("old", "committed"):
                project.commit_all()
            elif text == "staged":
                project.git("add", "data.dvc")

    both(pair, prepare)

    done = run(pair, "gc", "-w", "-f")

    assert [0, 0] == [one.rc for one in done]
    assert [[b"later"], [b"later", b"staged"]] == of_cache(pair)


def test_what_a_stage_made_is_kept_when_its_lock_file_is_staged(pair: Pair) -> None:
    assert is_wanted("gc-staged")

    def prepare(project: Project) -> None:
        project.write("params.yaml", "name: made\n")
        for text in ("committed", "staged", "later"):
            stage = f"cmd: printf {text} > ${{name}}\n    outs: ['${{name}}']"
            project.write("dvc.yaml", f"stages:\n  one:\n    {stage}\n")
            project.dvc("repro", "-q")
            if text == "committed":
                project.commit_all()
            elif text == "staged":
                project.git("add", ".")

    both(pair, prepare)

    run(pair, "gc", "-w", "-f")

    assert [[b"later"], [b"later", b"staged"]] == of_cache(pair)


def test_what_is_staged_as_it_was_committed_is_as_old_as_the_commit(pair: Pair) -> None:
    """`-w` is to drop what an old commit names."""

    def prepare(project: Project) -> None:
        version(project, "old")
        project.commit_all()
        version(project, "new")

    both(pair, prepare)

    run(pair, "gc", "-w", "-f")

    assert [[b"new"], [b"new"]] == of_cache(pair)


def test_a_pointer_that_was_staged_broken_stops_it(pair: Pair) -> None:
    assert is_wanted("gc-staged")

    def prepare(project: Project) -> None:
        version(project, "data")
        good = (project.root / "data.dvc").read_text()
        project.write("data.dvc", "<<<<<<< ours\n")
        project.git("add", "data.dvc")
        project.write("data.dvc", good)

    both(pair, prepare)

    theirs, ours = run(pair, "gc", "-w", "-f")

    assert [0, 255] == [theirs.rc, ours.rc]
    assert "Failed to collect 'index'" in ours.stderr
    assert "git status" in ours.stderr


def diverged(project: Project) -> None:
    """Two branches that changed the same pointer, and a text that both changed, too."""
    project.write("text", "0\n")
    version(project, "base")
    project.commit_all()
    for branch in ("theirs", "ours"):
        project.git("switch", "-qc", branch, "main")
        for number in (1, 2):
            project.write("text", f"{branch} {number}\n")
            version(project, f"{branch} {number}")
            project.commit_all(f"{branch} {number}")


UNFINISHED = {
    "merge": ("merge theirs", {"base", "ours 1", "theirs 1"}),
    "rebase": ("rebase theirs", {"base", "theirs 1"}),
    "rebase, by patches": ("rebase --apply theirs", {"base", "theirs 1"}),
    "cherry-pick": ("cherry-pick theirs~1 theirs", {"base", "ours 1"}),
    "revert": ("revert --no-edit HEAD~1", {"theirs 1", "theirs 2"}),
}


@pytest.mark.parametrize("what", UNFINISHED)
def test_what_an_unfinished_merge_goes_back_to_or_goes_on_with_is_kept(
    what: str, pair: Pair
) -> None:
    assert is_wanted("gc-unfinished")
    command, dropped = UNFINISHED[what]
    all_of_it = {"base", "ours 1", "ours 2", "theirs 1", "theirs 2", "now"}
    for project in pair:
        diverged(project)
        began = project.git(*command.split(), check=False)
        project.git("checkout", "--ours", "data.dvc")
        version(project, "now")

        assert began.rc != 0

    run(pair, "gc", "-w", "-f")
    theirs, ours = of_cache(pair)

    assert [b"now"] == theirs
    assert all_of_it - dropped == {data.decode() for data in ours}


def test_what_a_finished_merge_leaves_is_history(pair: Pair) -> None:
    """ORIG_HEAD names the commit before the last merge, rebase or reset for long."""

    def prepare(project: Project) -> None:
        diverged(project)
        project.git("reset", "-q", "--hard", "HEAD~1")
        project.dvc("checkout")

    both(pair, prepare)

    run(pair, "gc", "-a", "-f")

    assert [[b"base", b"ours 1", b"theirs 2"]] * 2 == of_cache(pair)


@pytest.mark.parametrize("force", ["", "-f"])
def test_a_folder_that_is_here_stays_when_its_list_is_nowhere(pair: Pair, force: str) -> None:
    """It is what was recorded: nothing is to be brought."""
    assert is_wanted("pull-list-lost")

    def prepare(project: Project) -> None:
        remote = project.root.parent / f"{project.root.name}-remote"
        project.dvc("remote", "add", "-q", "-d", "r", str(remote))
        project.write("data/one", "1")
        project.dvc("add", "data")
        project.dvc("push", "-q")
        for path in remote.rglob("*.dir"):
            path.unlink()
        shutil.rmtree(project.cache)

    both(pair, prepare)

    pulled = run(pair, "pull", *force.split())
    here = there(pair, "data/one")
    fetched = run(pair, "fetch")[1]

    assert [1, 0] == [done.rc for done in pulled]
    assert [not force, True] == here
    assert all(".dir" in done.stderr for done in pulled)
    assert 1 == fetched.rc
