"""Libraries of data people read a project through fsspec, without its data ever coming here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import duckdb
import fsspec
import pandas
import pytest

from pannier import api
from tests.support.images import Images, item_of
from tests.support.project import Project

ROWS = 900_000


@pytest.fixture
def far(project: Project) -> Project:
    """A project, its data at a folder remote alone: a table in two versions, and images."""
    project.write("small.csv", "x,y\n1,2\n3,4\n")
    for number in range(20):
        project.write(f"images/{number % 2}/{number}.png", b"\x89PNG %d" % number)
    project.dvc("remote", "add", "-q", "-d", "store", str(project.root.parent / "store"))
    project.dvc("add", "-q", "small.csv", "images")
    project.commit_all()
    project.git("tag", "v1")
    project.dvc("push", "-q")
    project.write("small.csv", "x,y\n5,6\n")
    leave_at_remote(project, "small.csv")
    shutil.rmtree(project.root / "images")
    return project


@pytest.fixture
def tables(far: Project) -> Project:
    """The same with two tables of Parquet: a small one, and one of 11 MB in 15 groups of rows."""
    (far.root / "tables").mkdir()
    for part, rows in enumerate((1000, ROWS)):
        duckdb.sql(
            f"copy (select i as n, hash(i) as h, {part} as part from range({rows}) t(i))"
            f" to '{far.root}/tables/{part}.parquet' (row_group_size 60000)"
        )
    leave_at_remote(far, "tables")
    return far


def leave_at_remote(project: Project, path: str) -> None:
    """Commits and pushes a path; what is here of all data is removed."""
    project.dvc("add", "-q", path)
    project.dvc("push", "-q")
    project.commit_all()
    shutil.rmtree(project.root / ".dvc/cache")
    there = project.root / path
    shutil.rmtree(there) if there.is_dir() else there.unlink()


@pytest.fixture(autouse=True)
def nothing_comes_here(far: Project) -> Iterator[None]:
    yield

    assert not (far.root / ".dvc/cache/files").exists()
    assert not (far.root / "tables").exists()


def test_pandas_reads_a_file_by_its_path_and_by_its_version() -> None:
    now = pandas.read_csv("dvc://small.csv")
    then = pandas.read_csv("dvc://small.csv", storage_options={"rev": "v1"})

    assert [[5, 6]] == now.to_numpy().tolist()
    assert [[1, 2], [3, 4]] == then.to_numpy().tolist()


def test_pandas_reads_another_repository(far: Project, tmp_path: Path) -> None:
    options = {"repo": f"file://{far.root}", "rev": "v1"}

    found = pandas.read_csv("dvc://small.csv", storage_options=options)

    assert [1, 3] == found["x"].tolist()


@pytest.mark.parametrize("rev", [None, "HEAD"])
def test_duckdb_asks_many_files_for_a_few_columns(tables: Project, rev: str | None) -> None:
    """With more threads than files, which then share the open files."""
    connection = duckdb.connect()
    connection.sql("set threads=8")
    connection.register_filesystem(fsspec.filesystem("dvc", rev=rev))

    found = connection.sql(
        "select part, count(*), max(n) from read_parquet('dvc://tables/*.parquet')"
        " group by part order by part"
    ).fetchall()

    assert [(0, 1000, 999), (1, ROWS, ROWS - 1)] == found


def test_duckdb_reads_less_than_all_of_a_file(tables: Project) -> None:
    """The column `h` is nine tenths of the bytes, and nobody asks for it."""
    program = (
        "import duckdb, fsspec\n"
        "connection = duckdb.connect()\n"
        "connection.register_filesystem(fsspec.filesystem('dvc'))\n"
        "print(connection.sql(\"select max(n) from read_parquet('dvc://tables/1.parquet')"
        ' where n < 10").fetchall())\n'
    )
    trace = tables.root.parent / "trace"
    command = ["strace", "-f", "-y", "-o", trace, "-e", "trace=read", sys.executable, "-c", program]

    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tables.root)

    size = api.DVCFileSystem().size("tables/1.parquet")
    count = sum(
        int(line.rpartition("= ")[2])
        for line in trace.read_text().splitlines()
        if "/store/files/" in line and line.rpartition("= ")[2].isdigit()
    )
    assert "[(9,)]" == done.stdout.strip()
    assert 0 < count < size * 2 // 3


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_a_data_loader_reads_in_processes_of_its_own(far: Project, way: str) -> None:
    dataset = Images(str(far.root), "v1")

    with ProcessPoolExecutor(2, mp_context=get_context(way)) as pool:
        items = list(pool.map(item_of, [dataset] * len(dataset), range(len(dataset))))

    expected = {(b"\x89PNG %d" % number, number % 2) for number in range(20)}
    assert expected == set(items)
