"""project/moments: a project at several moments, each thing read once."""

from __future__ import annotations

import pytest

from pannier.core.events import Silent
from pannier.core.reading_errors import PathMissing
from pannier.formats.values import load_any
from pannier.project.moments import Moments
from pannier.project.project import open_project
from tests.support.project import Project


def test_what_two_commits_share_is_read_from_git_and_parsed_once(project: Project) -> None:
    project.write("dvc.yaml", "stages: {a: {cmd: 'x ${lr}', params: [lr]}}\n")
    project.write("params.yaml", "lr: 1\n")
    project.write("m.json", "{}")
    project.commit_all("one")
    project.write("m.json", '{"a": 1}')
    project.commit_all("two")
    opened = open_project(str(project.root))
    assert opened.git is not None
    parsed: list[str] = []

    def parse(data: bytes, path: str) -> object:
        parsed.append(path)
        return load_any(data, path)

    moments = Moments(opened, Silent())
    two, one = (moments.at(opened.git.resolve(rev)) for rev in ("HEAD", "HEAD~1"))
    values = [each.load(path, parse) for each in (one, two) for path in ("params.yaml", "m.json")]

    assert values == [{"lr": 1}, {}, {"lr": 1}, {"a": 1}]
    assert parsed == ["params.yaml", "m.json", "m.json"]
    assert two.pipelines()[0] is one.pipelines()[0]
    project.write("params.yaml", "lr: 2\n")
    project.commit_all("three")
    three = moments.at(opened.git.resolve("HEAD"))
    assert three.pipelines()[0].pipeline.stages[0].cmd == "x 2"
    assert len(moments.documents) == 1
    moments.close()


def test_data_that_is_not_there_comes_from_the_cache_then_the_remote(project: Project) -> None:
    project.write("d/a/x.json", "1")
    project.write("d/y.json", "2")
    project.write("f.json", "3")
    project.dvc("remote", "add", "-q", "-d", "store", "../store")
    project.dvc("add", "-q", "d", "f.json")
    project.commit_all()
    project.dvc("push", "-q")
    head = project.git("rev-parse", "HEAD").stdout.strip()
    (project.root / "f.json").unlink()

    def everything(sha: str | None) -> dict[str, bytes]:
        moments = Moments(open_project(str(project.root)), Silent())
        moment = moments.at(sha)
        found = {path: moment.read(path) for path in [*moment.files("d"), "f.json"]}
        with pytest.raises(PathMissing):
            moment.read("d/nope")
        with pytest.raises(PathMissing):
            moment.read("nope")
        assert moment.files("d/a") == ["d/a/x.json"]
        assert moment.files("d/y.json") == ["d/y.json"]
        moments.close()
        return found

    expected = {"d/a/x.json": b"1", "d/y.json": b"2", "f.json": b"3"}
    assert everything(head) == everything(None) == expected
    for path in sorted(project.cache.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert everything(head) == expected


def test_a_commit_from_before_the_project_has_no_pipelines(project: Project) -> None:
    project.git("checkout", "-q", "--orphan", "empty")
    project.git("rm", "-rqf", "--cached", ".")
    project.git("commit", "-q", "--allow-empty", "-m", "nothing")
    opened = open_project(str(project.root))
    assert opened.git is not None

    moment = Moments(opened, Silent()).at(opened.git.resolve("HEAD"))

    assert moment.pipelines() == []
