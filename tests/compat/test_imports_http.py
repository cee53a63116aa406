"""get-url, import-url and update of a web server's files: real DVC beside ours; and bad answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.canned import Answer, CannedServer, Request
from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.twins import Twins, make_twins
from tests.support.wanted import is_wanted

HTML = {"Content-Type": "text/html; charset=utf-8"}


class Site:
    """What the server answers, by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/a/f.txt": b"1\n", "/a/b c.csv": b"x,y\n"}
        self.other: dict[str, Answer] = {}
        self.server = CannedServer(self.answer)

    def answer(self, request: Request) -> Answer:
        path = request.path.replace("%20", " ")
        if path in self.other:
            return self.other[path]
        data = self.files.get(path.partition("?")[0])
        if data is None:
            return Answer(404, b"<html>nothing here</html>", HTML)
        etag = f'"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"'
        return Answer(200, data, {"ETag": etag, "Content-Type": "text/plain"})


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.server.close()


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> Twins:
    made = make_twins(tmp_path, oracle, dvc)
    made.dvc("init")
    return made


def test_files_of_a_web_server_are_taken_as_dvc_takes_them(twins: Twins, site: Site) -> None:
    url = f"{site.server.endpoint}/a"
    twins.dvc("get-url", f"{url}/f.txt")
    twins.dvc("get-url", f"{url}/nope.txt")
    twins.dvc("import-url", f"{url}/f.txt", "file")
    twins.dvc("import-url", f"{url}/f.txt", "no-data", "--no-download")
    twins.dvc("import-url", f"{url}/f.txt", "with-options", "--fs-config", "method=GET")
    twins.dvc("import-url", f"{url}/nope.txt")
    twins.dvc("update", "file.dvc")
    site.files["/a/f.txt"] = b"22\n"
    twins.dvc("update", "file.dvc", "no-data.dvc")
    twins.dvc("status")


def test_an_unchanged_file_is_not_downloaded_again(
    site: Site, dvc: Program, tmp_path: Path
) -> None:
    dvc("init", "-q", "--no-scm", cwd=tmp_path, check=True)
    dvc("import-url", "-q", f"{site.server.endpoint}/a/f.txt", cwd=tmp_path, check=True)
    site.server.requests.clear()

    done = dvc("update", "f.txt.dvc", cwd=tmp_path, check=True)

    assert ["'f.txt.dvc' didn't change, skipping"] == done.lines
    assert ["HEAD"] == [request.method for request in site.server.requests]


PORTAL = Answer(200, b"<html>log in first</html>", {**HTML, "ETag": '"portal"'})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PORTAL, "a web page in the place of 'f.txt'"),
        (Answer(302, b"", {"Location": "/login.html"}), "a web page in the place of 'f.txt'"),
        (Answer(403, b"no"), "refuses access (status 403)"),
        (Answer(200, b"short", {"ETag": '"x"'}, promised=10), "5 of 10 bytes"),
        (Answer(206, b"part", {"ETag": '"x"'}), "answered with status 206"),
    ],
    ids=["portal", "redirect to a portal", "refused", "cut", "a part"],
)
def test_what_is_no_data_is_not_taken_for_data(
    answer: Answer, said: str, site: Site, dvc: Program, tmp_path: Path
) -> None:
    site.other = {"/a/f.txt": answer, "/login.html": PORTAL}
    dvc("init", "-q", "--no-scm", cwd=tmp_path, check=True)

    for command in ("get-url", "import-url"):
        done = dvc(command, f"{site.server.endpoint}/a/f.txt", cwd=tmp_path)

        assert 1 == done.rc
        assert said in done.stderr, str(done)
        assert not (tmp_path / "f.txt").exists()


def test_a_file_without_etag_is_known_by_its_bytes(twins: Twins, site: Site) -> None:
    """DVC makes a number of what else the server tells, its size among that."""
    assert is_wanted("import-url-no-etag")
    site.other = {"/a/f.txt": Answer(200, b"1\n")}
    for side in (twins.theirs, twins.ours):
        assert side.run("import-url", f"{site.server.endpoint}/a/f.txt").rc == 0
    unchanged = twins.ours.run("update", "f.txt.dvc")
    site.other = {"/a/f.txt": Answer(200, b"2\n")}
    changed = [side.run("update", "f.txt.dvc").stdout for side in (twins.theirs, twins.ours)]

    assert ["'f.txt.dvc' didn't change, skipping"] == unchanged.lines
    assert "didn't change" in changed[0]
    assert "Importing" in changed[1]


def test_a_password_in_an_address_is_sent_and_not_shown(
    site: Site, dvc: Program, tmp_path: Path
) -> None:
    url = site.server.endpoint.replace("://", "://me:s3cret@") + "/a/nope.txt"

    done = dvc("get-url", url, cwd=tmp_path)

    assert 1 == done.rc
    assert "s3cret" not in done.stdout + done.stderr
    assert "Basic bWU6czNjcmV0" == site.server.requests[0].headers["Authorization"]
