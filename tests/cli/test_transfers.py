"""What is said of a transfer: how much travelled and how fast, and all that did not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.project import Project, make_project
from tests.support.terminal import left_on_terminal, run_on_terminal

FILES = {"good": "a", "bad": "b", "big": "c" * 5000}


@pytest.fixture
def full(project: Project) -> Project:
    for name, text in FILES.items():
        project.write(f"d/{name}", text)
    project.dvc("add", "-q", "d")
    project.write("alone", "alone")
    project.dvc("add", "-q", "alone")
    project.dvc("remote", "add", "-d", "store", str(project.root.parent / "store"))
    return project


def damage(folder: Path, text: str = "b") -> str:
    """Changes the object that holds a text; returns its digest."""
    (found,) = [p for p in folder.rglob("*") if p.is_file() and p.read_bytes() == text.encode()]
    found.chmod(0o644)
    found.write_text("x" * len(text))
    return found.parent.name + found.name


def on_terminal(project: Project, *words: str) -> tuple[int, str, list[str]]:
    rc, said, drawn = run_on_terminal(
        [project.program.path, *words],  # type: ignore[attr-defined]
        cwd=project.root,
        env={"NO_COLOR": "1"},
    )
    return rc, said, left_on_terminal(drawn)


def objects(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*/??/*") if path.is_file()]


SUM = r"%s, %s in \d+\.\d s \(.* .B/s\)"


def test_a_terminal_has_a_line_with_objects_bytes_and_time(full: Project) -> None:
    pushed = on_terminal(full, "push")
    again = on_terminal(full, "push")
    shutil.rmtree(full.cache)
    fetched = on_terminal(full, "fetch")
    shutil.rmtree(full.cache)
    shutil.rmtree(full.root / "d")
    pulled = on_terminal(full, "pull")
    quiet = full.dvc("push", "-q")

    objects = SUM % ("5 objects", r"5\.\d kB")
    assert (0, "5 files pushed\n") == pushed[:2]
    assert re.fullmatch(objects, pushed[2][-1]), pushed
    assert (0, "Everything is up to date.\n", []) == again
    assert (0, "5 files fetched\n") == fetched[:2]
    assert re.fullmatch(objects, fetched[2][-1]), fetched
    assert (0, "5 files fetched and 3 files added") == (pulled[0], pulled[1].splitlines()[-1])
    assert re.fullmatch(objects, pulled[2][-1]), pulled
    assert ("", "") == (quiet.stdout, quiet.stderr)


def test_one_bad_object_stops_no_other_and_is_named_at_the_end(full: Project) -> None:
    """Push from a damaged cache, pull and sync from a damaged remote: all else arrives."""
    store, cache = full.root.parent / "store", full.root / ".dvc/cache"
    bad = damage(cache)

    rc, _, lines = on_terminal(full, "push")

    assert (1, 3, 4) == (rc, len(lines), len(objects(store)) + 1)
    assert lines[0].startswith(f"WARNING: {bad}: object {bad} in ")
    assert re.fullmatch(SUM % ("3 of 4 objects", r"5\.0 kB"), lines[1]), lines
    assert "ERROR: failed to push data to the cloud - 1 files failed to upload" == lines[2]

    full.write("d/bad", "b")
    full.dvc("commit", "-qf", "d.dvc")
    full.dvc("push", "-q")
    damage(store)
    lost = damage(store, "alone")
    (store / "files/md5" / lost[:2] / lost[2:]).unlink()
    shutil.rmtree(full.cache)
    full.dvc("remote", "add", "other", str(full.root.parent / "other"))

    fetched = full.dvc("fetch", check=False)
    synced = full.dvc("remote", "sync", "store", "other", check=False)
    pulled = full.dvc("pull", "-f", check=False)
    full.commit_all()
    brought = full.dvc("import", str(full.root), "d", "-o", "copy", check=False)

    assert [1, 1, 1, 1] == [done.rc for done in (fetched, synced, pulled, brought)]
    for done in (fetched, synced, pulled):
        assert bad in done.stderr.partition("ERROR")[0], done
        assert "1 files failed to" in done.stderr or done is synced
    for done in (fetched, pulled):
        assert f"Missing cache files:\nmd5: {lost}" in done.stderr
    assert {"a", "c" * 5000} <= {path.read_text() for path in objects(full.cache)}
    assert {"a", "c" * 5000} == {path.read_text() for path in objects(full.root.parent / "other")}
    assert "bad" in brought.stderr


def test_add_from_elsewhere_leaves_what_dvc_leaves(
    project: Project, oracle: Oracle, tmp_path: Path
) -> None:
    """`--out` and `--to-remote`, of files and folders; what is not there is the same error."""
    theirs = make_project(tmp_path / "theirs", oracle)
    away = tmp_path / "away"
    (away / "d/e").mkdir(parents=True)
    (away / "d/e/f").write_text("f")
    (away / "d/g").write_text("f")
    (away / "h").write_text("h")
    said = []
    for made in (project, theirs):
        made.dvc("remote", "add", "-qd", "store", "store")
        done = [
            made.dvc("add", *words, check=False)
            for words in (
                (str(away / "d"), "--out", "in"),
                (str(away / "h"), "--to-remote"),
                (str(away / "d"), "--to-remote", "-o", "sent"),
                (str(away / "nothing"), "--to-remote"),
            )
        ]
        said.append([one.rc for one in done])
    ours, dvcs = (
        {
            str(path.relative_to(made.root)): path.read_text()
            for path in made.root.rglob("*")
            if re.search(r"\.dvc$|/files/md5/../|^in/|^h", str(path.relative_to(made.root)))
            if path.is_file()
        }
        for made in (project, theirs)
    )

    assert [0, 0, 0, 1] == said[0] == said[1]
    assert dvcs == ours
    assert not (project.root / "h").exists()
