"""dvc import-db: files and pointers as real DVC 3.67.1 with SQLAlchemy and pandas wrote them.

What is expected here was recorded from it once: the environment of the other tests has no pandas.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.support.programs import git
from tests.support.project import Project
from tests.support.wanted import is_wanted

POINTER = """md5: {md5}
frozen: true
deps:
- db:
    connection: c1
    file_format: csv
    {asked}
outs:
- md5: {out}
  size: {size}
  hash: md5
  path: {path}
"""


@pytest.fixture
def asking(project: Project, tmp_path: Path) -> Project:
    with sqlite3.connect(tmp_path / "db.sqlite") as base:
        base.execute("create table u (id integer, k text)")
        base.execute("insert into u values (1, 'x'), (2, 'y')")
        base.execute("create table t (id integer, name text, x real, n integer, d date, b blob)")
        base.executemany(
            "insert into t values (?, ?, ?, ?, ?, ?)",
            [
                (1, 'a,"b"', 1.5, None, "2020-01-02", None),
                (2, "é/\n", 0.1 + 0.2, 7, None, None),
                (3, None, 1e20, 8, None, None),
                (4, "", 3.0, 2**60, None, None),
            ],
        )
    base.close()
    project.dvc("config", "db.c1.url", f"sqlite:///{tmp_path}/db.sqlite")
    return project


def test_tables_and_queries_are_imported_and_asked_again(asking: Project, tmp_path: Path) -> None:
    said = asking.dvc("import-db", "--table", "u", "--conn", "c1").stdout
    asking.dvc("import-db", "--sql", "select * from u where id > 5", "--conn", "c1", "-o", "e.csv")
    asking.dvc("import-db", "--table", "u", "--conn", "c1", "--output-format", "json")

    assert said.startswith("Importing 'u' -> 'u.csv'\n\nTo track the changes with git, run:")
    assert "id,k\n1,x\n2,y\n" == (asking.root / "u.csv").read_text()
    assert "id,k\n" == (asking.root / "e.csv").read_text()
    assert '[{"id":1,"k":"x"},{"id":2,"k":"y"}]' == (asking.root / "u.json").read_text()
    assert (asking.root / "u.csv.dvc").read_text() == POINTER.format(
        md5="76f25b3d39b9391d84799e191fda1014",
        asked="table: u",
        out="3d9089b208b227a1f5edf9eb950d906b",
        size=13,
        path="u.csv",
    )
    assert "Data and pipelines are up to date.\n" == asking.dvc("status").stdout

    with sqlite3.connect(tmp_path / "db.sqlite") as base:
        base.execute("insert into u values (3, 'z')")
    base.close()
    again = asking.dvc("update", "u.csv.dvc", "u.json.dvc")
    assert "Importing 'u' -> 'u.csv'\nImporting 'u' -> 'u.json'\n" == again.stdout
    assert "id,k\n1,x\n2,y\n3,z\n" == (asking.root / "u.csv").read_text()
    assert 3 == len(json.loads((asking.root / "u.json").read_text()))
    asking.dvc("undo")
    assert "id,k\n1,x\n2,y\n" == (asking.root / "u.csv").read_text()


def test_numbers_keep_all_of_their_digits(asking: Project) -> None:
    """Where a column holds NULL, DVC makes its whole numbers ones with a point, and rounds."""
    assert is_wanted("import-db-numbers")
    for form in ("csv", "json"):
        asking.dvc(
            *("import-db", "--sql", "select * from t", "--conn", "c1", "-o", f"o.{form}"),
            *("--output-format", form),
        )

    assert (
        'id,name,x,n,d,b\n1,"a,""b""",1.5,,2020-01-02,\n2,"é/\n",0.30000000000000004,7,,\n'
        f"3,,1e+20,8,,\n4,,3.0,{2**60},,\n" == (asking.root / "o.csv").read_text()
    )
    assert (
        r'[{"id":1,"name":"a,\"b\"","x":1.5,"n":null,"d":"2020-01-02","b":null},'
        r'{"id":2,"name":"\u00e9\/\n","x":0.30000000000000004,"n":7,"d":null,"b":null},'
        r'{"id":3,"name":null,"x":1e+20,"n":8,"d":null,"b":null},'
        f'{{"id":4,"name":"","x":3.0,"n":{2**60},"d":null,"b":null}}]'
        == (asking.root / "o.json").read_text()
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--sql=select*from/**/absent", "the database of 'c1' refused: no such table: absent"),
        ("--sql=create/**/table/**/z(a)", "gives no rows"),
        ("--sql=select/**/x'00'/**/as/**/b", "column 'b' holds bytes"),
        ("--sql=select/**/1/**/as/**/a,2/**/as/**/a --output-format json", "have one name"),
        ("--table=u --conn=nope", "connection nope not found in config"),
        ("--table=u --conn=odd", "the URL of connection 'odd' cannot be used"),
        ("--table=u --conn=secret", "the environment variable 'PANNIER_DB', which is not set"),
        ("--table=u -o .gitignore", "is not allowed"),
    ],
)
def test_what_does_not_work_is_one_sentence_and_changes_nothing(
    words: str, why: str, asking: Project
) -> None:
    asking.dvc("config", "db.odd.url", "nodialect://x")
    asking.dvc("config", "db.secret.url", "postgresql://u:${PANNIER_DB}@127.0.0.1:9/x")
    before = git("status", "--porcelain", cwd=asking.root).stdout

    done = asking.dvc("import-db", "--conn=c1", *words.split(), check=False)

    assert 0 != done.rc
    assert why in done.stderr, done
    assert before == git("status", "--porcelain", cwd=asking.root).stdout


def test_an_answer_is_fetched_from_the_remote_like_other_data(asking: Project) -> None:
    asking.dvc("import-db", "-q", "--table", "u", "--conn", "c1")
    asking.dvc("remote", "add", "-qd", "store", "../store")
    asking.dvc("push", "-q")
    (asking.root / "u.csv").unlink()
    (asking.cache / "files/md5/3d/9089b208b227a1f5edf9eb950d906b").unlink()

    asking.dvc("pull", "-q")

    assert "id,k\n1,x\n2,y\n" == (asking.root / "u.csv").read_text()
