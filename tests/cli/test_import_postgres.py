"""dvc import-db of a real PostgreSQL: what its types become, by the driver that SQLAlchemy takes.

Where a row of docs/compat.md is named, the other side was recorded from real DVC 3.67.1 with pandas
and the same driver: the environment of the other tests has neither.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers.postgres import PASSWORD, USER, Postgres
from tests.support.programs import git, run
from tests.support.project import Project
from tests.support.wanted import is_wanted

COLUMNS = """\
id int, big bigint, num numeric(12,4), whole numeric, r double precision, s text, b boolean,
d date, ts timestamp, tz timestamptz, j jsonb, a int[], u uuid, tm time
"""
ROW = """\
1, 9007199254740993, 1.5, 12345678901234567890, 0.1, 'a,"b"', true, '2020-01-02',
'2020-01-02 03:04:05.5', '2020-01-02 03:04:05+02', '{"k": [1, null]}', '{1,2}',
'00000000-0000-0000-0000-000000000001', '10:11:12'
"""
SETUP = f"""
drop schema public cascade;
create schema public;
create table t ({COLUMNS});
insert into t values ({ROW});
insert into t (id, r, s) values (2, 'NaN', 'é/%'), (3, 'Infinity', null);
create schema if not exists other;
create table if not exists other."U" ("Odd Name" text);
create table many as select g as n, md5(g::text) as h from generate_series(1, 25000) g;
"""


def tell(server: Postgres, statement: str) -> None:
    with psycopg.connect(
        f"host=127.0.0.1 port={server.port} dbname=postgres connect_timeout=20",
        user=USER,
        password=PASSWORD,
        autocommit=True,
    ) as connection:
        connection.execute(statement)


@pytest.fixture
def asking(project: Project, postgres_server: Postgres) -> Project:
    tell(postgres_server, SETUP)
    project.dvc("config", "db.pg.url", postgres_server.url)
    project.dvc("config", "db.pg.username", USER)
    project.dvc("config", "--local", "db.pg.password", PASSWORD)
    return project


def asked(project: Project, *words: str, form: str = "csv", check: bool = True) -> Any:
    """What is imported, or what is said when nothing is."""
    name = f"o.{form}"
    done = project.dvc(
        *("import-db", *words, "--conn", "pg", "-f", "-o", name, "--output-format", form),
        check=check,
    )
    return (project.root / name).read_text() if check else done


def test_types_keep_what_the_database_says(asking: Project) -> None:
    assert is_wanted("import-db-numbers")
    assert is_wanted("import-db-times")
    table = asked(asking, "--sql", "select * from t order by id")
    rows = json.loads(asked(asking, "--sql", "select * from t order by id", form="json"))

    assert (
        "id,big,num,whole,r,s,b,d,ts,tz,j,a,u,tm\n"
        '1,9007199254740993,1.5,12345678901234567890,0.1,"a,""b""",True,2020-01-02,'
        '2020-01-02 03:04:05.500000,2020-01-02 01:04:05+00:00,"{""k"": [1, null]}","[1, 2]",'
        "00000000-0000-0000-0000-000000000001,10:11:12\n"
        "2,,,,,é/%,,,,,,,,\n"
        "3,,,,inf,,,,,,,,,\n" == table
    )
    assert {
        "id": 1,
        "big": 9007199254740993,
        "num": 1.5,
        "whole": 12345678901234567890,
        "r": 0.1,
        "s": 'a,"b"',
        "b": True,
        "d": "2020-01-02",
        "ts": "2020-01-02 03:04:05.500000",
        "tz": "2020-01-02 01:04:05+00:00",
        "j": {"k": [1, None]},
        "a": [1, 2],
        "u": "00000000-0000-0000-0000-000000000001",
        "tm": "10:11:12",
    } == rows[0]
    assert [None, None] == [row["r"] for row in rows[1:]]


def test_a_query_is_taken_as_it_is_typed(asking: Project) -> None:
    assert is_wanted("import-db-percent")
    found = asked(asking, "--sql", "select id, ':x' as c, 7 % 4 as m from t where s like '%é%'")

    assert "id,c,m\n2,:x,3\n" == found
    assert "Odd Name\n" == asked(asking, "--table", "other.U")


def test_many_rows_come_in_blocks_and_are_asked_for_again(
    asking: Project, postgres_server: Postgres
) -> None:
    asking.dvc("import-db", "-q", "--table", "many", "--conn", "pg")
    pointer = (asking.root / "many.csv.dvc").read_text()
    assert 25_001 == len((asking.root / "many.csv").read_text().splitlines())
    assert "- db:\n    connection: pg\n    file_format: csv\n    table: many\n" in pointer
    assert PASSWORD not in pointer

    tell(postgres_server, "insert into many values (0, 'new')")
    asking.dvc("update", "-q", "many.csv.dvc")

    assert "0,new" == (asking.root / "many.csv").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select * from absent", 'refused: relation "absent" does not exist'),
        ("delete from t", 'refused: syntax error at or near "delete"'),
        ("select 1 as a; select 2 as a", "refused: "),
        ("select '\\x00'::bytea as b", "column 'b' holds bytes"),
    ],
)
def test_what_is_refused_is_one_sentence_and_changes_nothing(
    asking: Project, query: str, why: str
) -> None:
    assert is_wanted("import-db-bytes")
    before = git("status", "--porcelain", cwd=asking.root).stdout

    done = asked(asking, "--sql", query, check=False)

    assert 255 == done.rc
    assert why in done.stderr
    assert 2 >= len(done.stderr.splitlines())
    assert before == git("status", "--porcelain", cwd=asking.root).stdout
    assert '"n":3' in asked(asking, "--sql", "select count(*) as n from t", form="json")


def test_a_wrong_password_and_a_server_that_is_gone_are_told_without_the_password(
    asking: Project,
) -> None:
    asking.dvc("config", "--local", "db.pg.password", "wrong/secret")
    wrong = asked(asking, "--table", "t", check=False)
    asking.dvc("config", "db.pg.url", "postgresql://127.0.0.1:1/postgres?connect_timeout=5")
    gone = asked(asking, "--table", "t", check=False)

    assert (255, 255) == (wrong.rc, gone.rc)
    assert "password authentication failed" in wrong.stderr
    assert "refused" in gone.stderr
    assert "wrong/secret" not in wrong.stderr + gone.stderr


def test_without_the_driver_its_package_is_named(asking: Project, tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'psycopg'\", name='psycopg')"
    )

    done = run(
        [sys.executable, "-m", "pannier", "import-db", "--table", "t", "--conn", "pg"],
        cwd=asking.root,
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"},
    )

    assert 255 == done.rc
    assert (
        "ERROR: connection 'pg' needs the driver 'psycopg', which is not installed\n"
        "Hint: pip install 'pannier[postgres]'\n" == done.stderr
    )
