"""`diff --data`: which tables are compared, where their bytes come from, and what is said."""

from __future__ import annotations

import shutil

import pytest

from tests.support.project import Project

NAME = "d/t'1[a].csv"


@pytest.fixture
def priced(project: Project) -> Project:
    """Two commits of a table in a folder and of one beside it; then a change."""
    project.write(NAME, "id,v\n1,a\n2,b\n")
    project.write("t.jsonl", '{"id": 1}\n')
    project.write("x.bin", "x")
    project.dvc("add", "d", "t.jsonl", "x.bin")
    project.commit_all()
    for path, text in ((NAME, "id,v\n1,a\n2,B\n3,c\n"), ("x.bin", "y")):
        (project.root / path).unlink()
        project.write(path, text)
    project.dvc("add", "d", "x.bin")
    project.commit_all()
    (project.root / "t.jsonl").unlink()
    project.write("t.jsonl", '{"id": 1}\n{"id": 2}\n')
    return project


def test_between_revisions_the_bytes_come_from_the_cache(priced: Project) -> None:
    shutil.rmtree(priced.root / "d")

    found = priced.dvc("diff", "--data", "--key", "id", "--json", "HEAD~1", "HEAD").json

    (table,) = found["tables"]
    assert (NAME, "modified") == (table["path"], table["state"])
    assert {"old": 2, "new": 3, "added": 1, "removed": 0, "changed": 1} == table["rows"]
    assert [{"key": {"id": "2"}, "old": {"v": "b"}, "new": {"v": "B"}}] == table["sample"][
        "changed"
    ]
    assert ["x.bin"] == found["other"]


def test_with_the_workspace_the_bytes_are_those_that_lie_there(priced: Project) -> None:
    assert ["t.jsonl: 1 row added, 0 rows removed; 2 now", "    + id=2"] == priced.dvc(
        "diff", "--data"
    ).lines


def test_a_target_may_be_a_file_inside_of_a_folder(priced: Project) -> None:
    found = priced.dvc("diff", "HEAD~1", "--data", "--md", "--targets", NAME)

    assert 4 == len(found.lines)
    assert found.lines[2].startswith(f"| {NAME} | modified | 2 ")


def test_what_is_not_in_the_cache_is_one_sentence_and_a_hint(priced: Project) -> None:
    shutil.rmtree(priced.cache)

    of_folder = priced.dvc("diff", "--data", "HEAD~1", check=False)
    of_file = priced.dvc("diff", "--data", "--targets", "t.jsonl", check=False)

    assert (1, 1) == (of_folder.rc, of_file.rc)
    assert (
        "ERROR: failed to get diff - 't.jsonl' cannot be compared: it is not in the cache as it "
        "was in 'HEAD'\nHint: bring it from the remote: dvc fetch --all-commits t.jsonl\n"
    ) == of_file.stderr
    assert "'d/' cannot be compared: its list of files is not in the cache" in of_folder.stderr


def test_a_damaged_object_is_not_compared(priced: Project) -> None:
    for path in priced.cache.rglob("*"):
        if path.is_file() and b"2,b" in path.read_bytes():
            path.chmod(0o644)
            path.write_bytes(b"id,v\n1,a\n2,x\n")

    found = priced.dvc("diff", "--data", "HEAD~1", "HEAD", check=False)

    assert 1 == found.rc
    assert "is corrupt" in found.stderr


def test_a_target_that_is_no_table_is_refused(priced: Project) -> None:
    found = priced.dvc("diff", "--data", "HEAD~1", "--targets", "x.bin", check=False)

    assert 1 == found.rc
    assert "'x.bin' is no table that can be compared" in found.stderr


def test_options_about_rows_need_the_data(priced: Project) -> None:
    assert 1 == priced.dvc("diff", "--key", "id", check=False).rc
    assert 254 == priced.dvc("diff", "--data", "--rows", "-1x", check=False).rc


def test_nothing_that_a_terminal_would_obey_is_printed(priced: Project) -> None:
    (priced.root / "t.jsonl").unlink()
    priced.write("t.jsonl", '{"id": 1}\n{"id": "\\u009b31m"}\n')
    priced.write(NAME, "id,v\n1,\x1b]0;owned\x07\n")

    assert not {"\x1b", "\x9b", "\x07"} & set(priced.dvc("diff", "--data").stdout)
