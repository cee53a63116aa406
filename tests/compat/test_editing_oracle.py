"""remove, move, freeze, unprotect, destroy, cache migrate: real DVC beside ours, byte for byte."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project
from tests.support.sampling import some_of
from tests.support.twins import Twins, make_twins
from tests.support.wanted import is_wanted

PIPELINE = """\
vars:
- v: 1
stages:
  one:
    cmd: echo 1 > o1 && echo m > m1.json
    outs:
    - o1
    metrics:
    - m1.json:
        cache: false
  two:
    cmd: echo 2 > o2
    deps: [o1]
    outs: [o2]
  group:
    foreach: [p, q]
    do:
      cmd: echo ${item} > g_${item}
      outs:
      - g_${item}
  table:
    matrix:
      m: [1, 2]
    cmd: echo ${item.m} > t_${item.m}
    outs:
    - t_${item.m}
  spoken:
    cmd: echo ${v} > i1
    outs:
    - i1
metrics:
- m1.json
"""
FILES = {
    "a": b"a\n",
    "d/x": b"x\n",
    "d/y": b"y\n",
    "d/deep/x": b"x\n",
    "sub/s": b"s\n",
    "sub/t/keep": b"a file of the user\n",
}


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> Twins:
    made = make_twins(tmp_path, oracle, dvc)
    made.dvc("init")
    return made


def write(base: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        target = base / "repo" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def tracked(twins: Twins) -> None:
    """A file, a folder and a file in a folder, all of them committed to Git."""
    twins.touch("write files", lambda base: write(base, FILES))
    twins.dvc("add", "a", "d", "sub/s")
    twins.git("add", "-A")
    twins.git("commit", "-qm", "work")


def with_pipeline(twins: Twins, text: str = PIPELINE) -> None:
    """A pipeline that was run. Ours cannot run one yet: DVC's results are copied over."""
    twins.touch("write dvc.yaml", lambda base: write(base, {"dvc.yaml": text.encode()}))
    assert twins.theirs.run("repro", "-q").rc == 0
    for name in ("dvc.lock", ".gitignore", "o1", "o2", "m1.json", "i1"):
        source = twins.theirs.repo / name
        if source.exists():
            (twins.ours.repo / name).write_bytes(source.read_bytes())
    for name in ("g_p", "g_q", "t_1", "t_2"):
        source = twins.theirs.repo / name
        if source.exists():
            (twins.ours.repo / name).write_bytes(source.read_bytes())
    assert twins.ours.run("commit", "-f").rc == 0
    twins.git("add", "-A")
    twins.git("commit", "-qm", "pipeline")


MOVES = [
    [("a", "b")],
    [("a", "sub")],
    [("a", "sub/t/")],
    [("d", "e"), ("e", "sub/t")],
    [("d", "sub/new"), ("sub/s", "s"), ("a", "sub/s")],
    [("a", "nodir/"), ("a", "nodir/x"), ("a", "../out"), ("a", "/abs")],
    [("a.dvc", "b"), ("a", "b.dvc"), ("nothing", "b"), ("d/x", "b")],
    [("a", "d/in"), ("d", "d"), ("d", "d/k"), ("a", "a"), ("d", "."), ("d", "./")],
]


@pytest.mark.parametrize("moves", some_of(MOVES), ids=lambda moves: " ".join(map(">".join, moves)))
def test_a_move_leaves_what_dvc_leaves(moves: list[tuple[str, str]], twins: Twins) -> None:
    tracked(twins)

    for source, target in moves:
        twins.dvc("move", source, target)
    twins.dvc("status")
    twins.dvc("checkout")


def test_a_move_from_within_a_folder_shows_paths_from_there(twins: Twins) -> None:
    tracked(twins)

    twins.dvc("mv", "s", "../t", cwd="sub")
    twins.dvc("move", "../a", "t", cwd="sub")


def test_a_move_of_data_that_is_not_here_moves_the_pointer(twins: Twins) -> None:
    tracked(twins)
    twins.touch("remove a", lambda base: (base / "repo/a").unlink())

    twins.dvc("move", "a", "sub/b")
    twins.dvc("checkout")


def test_a_move_is_staged_where_that_is_configured(twins: Twins) -> None:
    tracked(twins)
    twins.dvc("config", "core.autostage", "true")
    twins.touch("write one more", lambda base: write(base, {"new": b"new\n"}))
    twins.dvc("add", "new")

    twins.dvc("move", "d", "sub/e")
    twins.dvc("move", "new", "newer")


def test_what_a_stage_makes_cannot_be_moved(twins: Twins) -> None:
    with_pipeline(twins)

    done = twins.dvc("move", "o1", "o3")

    assert 1 == done.rc


@pytest.mark.parametrize("source", ["sub/t/keep", "../outside"])
def test_an_import_that_is_moved_still_names_its_source(source: str, twins: Twins) -> None:
    """Ours cannot import yet: what DVC wrote is copied over."""
    tracked(twins)
    twins.touch("write outside", lambda base: write(base, {"../outside": b"outside\n"}))
    assert twins.theirs.run("import-url", source, "imported").rc == 0
    for name in ("imported", "imported.dvc", ".gitignore"):
        (twins.ours.repo / name).write_bytes((twins.theirs.repo / name).read_bytes())
    cache = twins.ours.repo / ".dvc/cache"
    shutil.copytree(twins.theirs.repo / ".dvc/cache", cache, dirs_exist_ok=True)

    twins.dvc("move", "imported", "sub/imported")


REMOVALS = [
    ["a.dvc"],
    ["a.dvc", "d.dvc"],
    ["--outs", "a.dvc", "d.dvc"],
    ["sub/s.dvc"],
    ["--outs", "sub/s.dvc"],
    ["one"],
    ["one", "two"],
    ["--outs", "two"],
    ["dvc.yaml:two", "a.dvc"],
    ["nothing"],
    ["nothing.dvc", "a.dvc"],
    ["d"],
    ["d/x"],
    ["group"],
    ["dvc.yaml:nothing"],
    ["nodir/dvc.yaml:x"],
    [],
]


@pytest.mark.parametrize("targets", some_of(REMOVALS), ids=" ".join)
def test_a_removal_leaves_what_dvc_leaves(targets: list[str], twins: Twins) -> None:
    tracked(twins)
    with_pipeline(twins)

    twins.dvc("remove", *targets)


def test_a_stage_that_cannot_be_removed_is_left_whole(twins: Twins) -> None:
    assert is_wanted("remove-all-or-nothing")
    tracked(twins)
    with_pipeline(twins)

    theirs, ours = (side.run("remove", "spoken") for side in (twins.theirs, twins.ours))

    assert [1, 1] == [theirs.rc, ours.rc]
    assert theirs.stderr.splitlines()[0] == ours.stderr.splitlines()[0]
    assert {} == twins.ours.index()
    assert "git status:  M .gitignore" in twins.theirs.index()


def test_without_a_pipeline_a_removal_answers_as_dvc(twins: Twins) -> None:
    tracked(twins)

    twins.dvc("rm", "nothing")
    twins.dvc("rm", "s.dvc", cwd="sub")
    twins.dvc("rm", "--outs", "../d.dvc", cwd="sub")


def test_a_removal_of_all_stages_removes_the_files(twins: Twins) -> None:
    with_pipeline(twins, "stages:\n  one:\n    cmd: echo 1 > o1\n    outs:\n    - o1\n")

    twins.dvc("remove", "one")

    assert not (twins.ours.repo / "dvc.lock").exists()


def test_a_removal_is_not_staged(twins: Twins) -> None:
    """As in DVC: `core.autostage` is for what is to be committed, not for what is gone."""
    tracked(twins)
    twins.dvc("config", "core.autostage", "true")

    twins.dvc("remove", "a.dvc")
    twins.dvc("freeze", "d.dvc")


FREEZES = [
    ["one"],
    ["one", "two", "a.dvc"],
    ["dvc.yaml:two"],
    ["group@p"],
    ["group"],
    ["table@1"],
    ["spoken"],
    ["dvc.yaml"],
    ["nothing"],
    ["nothing.dvc"],
    ["a"],
    [],
]


@pytest.mark.parametrize("targets", some_of(FREEZES), ids=" ".join)
def test_a_frozen_stage_is_written_as_dvc_writes_it(targets: list[str], twins: Twins) -> None:
    tracked(twins)
    with_pipeline(twins)

    twins.dvc("freeze", *targets)
    twins.dvc("freeze", *targets)
    twins.dvc("unfreeze", *targets)
    twins.dvc("unfreeze", *targets)


def test_a_stage_of_another_folder_is_named_as_seen_from_here(twins: Twins) -> None:
    text = b"stages:\n  one:\n    cmd: echo 1\n"
    twins.touch("write sub/dvc.yaml", lambda base: write(base, {"sub/dvc.yaml": text}))

    twins.dvc("freeze", "sub/dvc.yaml:one")
    twins.dvc("unfreeze", "one", cwd="sub")
    twins.dvc("freeze", "one", cwd="sub")
    twins.dvc("freeze", "sub/dvc.yaml")
    twins.dvc("unfreeze", "../sub/dvc.yaml:one", cwd="sub")
    twins.dvc("freeze", "./sub/../sub/dvc.yaml:one")


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_unprotected_files_are_private_and_writable(kind: str, twins: Twins) -> None:
    twins.dvc("config", "cache.type", kind)
    tracked(twins)
    twins.touch("write-protect a file", lambda base: (base / "repo/sub/t/keep").chmod(0o444))

    twins.dvc("unprotect", "a", "d/x")
    twins.dvc("unprotect", "sub/t/keep")
    twins.dvc("unprotect", "nothing")
    twins.dvc("unprotect")
    twins.dvc("unprotect", "x", "deep", "../sub", cwd="d")
    twins.dvc("unprotect", "d", "a.dvc")
    twins.dvc("status")

    for path in ("a", "d/x", "d/y", "d/deep/x", "sub/s"):
        found = (twins.ours.repo / path).lstat()
        assert (1, 0o644) == (found.st_nlink, found.st_mode & 0o7777)


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_a_destroyed_project_keeps_its_data(kind: str, twins: Twins) -> None:
    twins.dvc("config", "cache.type", kind)
    tracked(twins)
    with_pipeline(twins)
    more = {"ignored/x.dvc": b"outs:\n- path: x\n", "sub/.dvcignore": b"*.tmp\n"}
    twins.touch("write more", lambda base: write(base, more))
    twins.touch("ignore", lambda base: (base / "repo/.dvcignore").write_text("ignored\n") and None)

    twins.dvc("destroy", "-f")
    twins.dvc("destroy", "-f")


# -- cache migrate ----


def legacy(base: Path) -> None:
    """A project of DVC 2 with text of both line ends, a folder, and a pipeline."""
    repo = base / "repo"
    store: dict[str, bytes] = {}

    def put(data: bytes, suffix: str = "") -> str:
        text = b"\0" not in data
        hashed = data.replace(b"\r\n", b"\n") if text else data
        name = hashlib.md5(hashed, usedforsecurity=False).hexdigest() + suffix
        store[f".dvc/cache/{name[:2]}/{name[2:]}"] = data
        return name

    crlf, plain, binary = put(b"a\r\nb\r\n"), put(b"hello\n"), put(b"\0\1bin")
    rows = ", ".join(
        f'{{"md5": "{name}", "relpath": "{path}"}}'
        for path, name in (("c", crlf), ("p", plain), ("s/b", binary))
    )
    folder = put(f"[{rows}]".encode(), ".dir")
    source = hashlib.md5(b"x\n", usedforsecurity=False).hexdigest()
    files = {
        "crlf": b"a\r\nb\r\n",
        "plain": b"hello\n",
        "d/c": b"a\r\nb\r\n",
        "d/p": b"hello\n",
        "d/s/b": b"\0\1bin",
        "src.py": b"x\r\n",
        "o1": b"hello\n",
        "m.json": b"hello\n",
        "crlf.dvc": f"outs:\n- md5: {crlf}\n  size: 6\n  path: crlf\n".encode(),
        "plain.dvc": (
            f"# keep\nouts:\n- md5: {plain}\n  size: 6 # s\n  path: plain\nmeta: {{a: 1}}\n"
        ).encode(),
        "d.dvc": f"outs:\n- md5: {folder}\n  size: 17\n  nfiles: 3\n  path: d\n".encode(),
        "dvc.yaml": (
            b"stages:\n  one:\n    cmd: cp plain o1\n    deps:\n    - plain\n    - src.py\n"
            b"    outs:\n    - o1\n    - m.json:\n        cache: false\n"
        ),
        "dvc.lock": (
            "schema: '2.0'\nstages:\n  one:\n    cmd: cp plain o1\n    deps:\n"
            f"    - path: plain\n      md5: {plain}\n      size: 6\n"
            f"    - path: src.py\n      md5: {source}\n"
            "      size: 3\n"
            f"    outs:\n    - path: m.json\n      md5: {plain}\n      size: 6\n"
            f"    - path: o1\n      md5: {plain}\n      size: 6\n"
        ).encode(),
        **store,
    }
    write(base, files)
    for path in store:
        (repo / path).chmod(0o444)


def without_old_lists(twins: Twins) -> None:
    """Row "migrate-lists": DVC takes the old list over, whose names nothing is stored under."""
    for path in list((twins.theirs.repo / ".dvc/cache/files/md5").rglob("*.dir")):
        if (twins.theirs.repo / ".dvc/cache" / path.parent.name / path.name).exists():
            path.unlink()


def test_old_objects_get_new_names_and_keep_the_old_ones(twins: Twins) -> None:
    twins.touch("write a project of DVC 2", legacy)
    twins.dvc("cache", "migrate", "--dry")
    twins.dvc("cache", "migrate", "--dvc-files", "--dry")

    for side in (twins.theirs, twins.ours):
        done = side.run("cache", "migrate")
        assert "Migrated 4 files to DVC 3.0 cache location.\n" == done.stdout

    path = "files/md5/59/b0d7772f0561efb95518f3cb8abc60"
    assert 2 == (twins.ours.repo / ".dvc/cache" / path).stat().st_nlink
    for side in (twins.theirs, twins.ours):
        done = side.run("cache", "migrate")
        assert "Migrated 0 files to DVC 3.0 cache location.\n" == done.stdout


def test_old_pointers_and_lock_files_take_the_new_form(twins: Twins) -> None:
    twins.touch("write a project of DVC 2", legacy)
    twins.git("add", "crlf.dvc", "plain.dvc", "d.dvc", "dvc.yaml", "dvc.lock")
    twins.git("commit", "-qm", "old")

    theirs, ours = (s.run("cache", "migrate", "--dvc-files") for s in (twins.theirs, twins.ours))
    without_old_lists(twins)

    assert (0, 0) == (theirs.rc, ours.rc), str(ours)
    left, right = (
        sorted(line for line in done.stdout.splitlines() if not line.startswith("\tgit add"))
        for done in (theirs, ours)
    )
    assert left == right
    for side in (twins.theirs, twins.ours):  # the order of its lines is nobody's promise
        ignored = side.repo / ".gitignore"
        ignored.write_text("".join(sorted(ignored.read_text().splitlines(keepends=True))))
    assert [] == twins.compare()
    twins.dvc("status")


def test_a_cache_without_old_objects_is_left_alone(twins: Twins) -> None:
    tracked(twins)

    twins.dvc("cache", "migrate")
    twins.dvc("cache", "migrate", "--dry")
    twins.dvc("cache", "migrate", "--dvc-files")


# -- the merge driver ----


def change(path: str, data: bytes | None) -> Callable[[Path], None]:
    def act(base: Path) -> None:
        target = base / "repo" / path
        target.unlink(missing_ok=True)
        if data is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    return act


MERGES: dict[str, tuple[dict[str, bytes | None], dict[str, bytes | None]]] = {
    "apart": ({"d/x": b"ours\n", "d/o": b"o\n"}, {"d/y": b"theirs\n", "d/t": b"t\n"}),
    "removed": ({"d/x": None}, {"d/y": b"theirs\n"}),
    "same": ({"d/x": b"both\n", "d/o": b"o\n"}, {"d/x": b"both\n", "d/y": None}),
    "deep": ({"d/deep/er/z": b"z\n"}, {"d/deep/x": b"theirs\n"}),
    "conflict": ({"d/x": b"ours\n", "d/o": b"o\n"}, {"d/x": b"theirs\n"}),
    "added twice": ({"d/o": b"ours\n"}, {"d/o": b"theirs\n"}),
    "removed and changed": ({"d/x": None}, {"d/x": b"theirs\n"}),
}


@pytest.mark.parametrize("merge", some_of(list(MERGES)))
def test_the_driver_merges_folders_file_by_file(merge: str, twins: Twins) -> None:
    tracked(twins)
    twins.touch("keep the ancestor", lambda b: (b / "repo/anc").write_bytes(pointer(b)) and None)
    for name, changes in zip(("their", "our"), reversed(MERGES[merge]), strict=True):
        twins.touch("back", lambda b: write(b, {"d.dvc": (b / "repo/anc").read_bytes()}))
        twins.dvc("checkout", "-f", "d")
        for path, data in changes.items():
            twins.touch(f"{name}: {path}", change(path, data))
        twins.dvc("add", "-q", "d")
        twins.touch(
            f"keep {name}",
            lambda b, n=name: (b / "repo" / n).write_bytes(pointer(b)) and None,  # type: ignore[misc]
        )

    answers = [
        side.run(
            *("git-hook", "merge-driver", "--ancestor", "anc", "--our", "our", "--their", "their"),
        )
        for side in (twins.theirs, twins.ours)
    ]

    theirs, ours = ((side.repo / "our").read_bytes() for side in (twins.theirs, twins.ours))
    assert theirs == ours
    assert [] == twins.compare()
    assert (answers[0].rc == 0) == (answers[1].rc == 0), str(answers)
    for line in answers[0].stderr.splitlines():
        if line.startswith(("d/", "x", "o", "y")):
            assert line.split(":")[0] in answers[1].stderr


def pointer(base: Path) -> bytes:
    return (base / "repo/d.dvc").read_bytes()


def test_the_driver_is_installed_word_for_word(twins: Twins) -> None:
    twins.dvc("install")

    sections = []
    for side in (twins.theirs, twins.ours):
        text = (side.repo / ".git/config").read_text()
        at = text.index('[merge "dvc"]')
        sections.append(text[at:].split("\n[")[0].rstrip())
    assert sections[0] == sections[1]


def test_a_project_is_not_destroyed_without_an_answer(project: Project) -> None:
    """Real DVC's prompt cannot be run here: its warm process has another standard input."""
    unanswered = project.dvc("destroy", check=False)
    refused = project.program("destroy", cwd=project.root, stdin="n\n")
    agreed = project.program("destroy", cwd=project.root, stdin="y\n")

    assert (1, 1, 0) == (unanswered.rc, refused.rc, agreed.rc)
    assert (
        "ERROR: failed to destroy DVC - cannot destroy without a confirmation from the user. "
        "Use `-f` to force.\n" == refused.stderr
    )
    assert not (project.root / ".dvc").exists()


# -- what cannot say what it tracks ----


@pytest.mark.parametrize("name", ["d.dvc", "dvc.yaml", "dvc.lock"])
def test_a_link_to_nothing_in_the_place_of_a_pointer_stops_what_it_stops_in_dvc(
    name: str, twins: Twins
) -> None:
    """Were it passed over, checkout and gc would take what it names for unused."""
    tracked(twins)
    pipeline = b"stages:\n  s:\n    cmd: echo s > o\n    outs: [o]\n"
    twins.touch("write dvc.yaml", lambda base: write(base, {"dvc.yaml": pipeline}))

    def break_it(base: Path) -> None:
        (base / "repo" / name).unlink(missing_ok=True)
        (base / "repo" / name).symlink_to("../elsewhere")

    twins.touch(f"{name} becomes a link to nothing", break_it)

    ended = [
        twins.dvc(*command.split()).rc
        for command in (
            "status",
            "data status",
            "checkout",
            "push -r nowhere",
            "dag",
            "move a b",
            "commit -f",
            "gc -w -f",
        )
    ]

    assert 0 not in ended
