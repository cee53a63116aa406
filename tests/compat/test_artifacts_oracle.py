"""dvc artifacts get beside real DVC: what comes, where to, and what is said."""

from __future__ import annotations

from pathlib import Path

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project

PIPELINE = """artifacts:
  model:
    path: model.bin
    type: model
  raw:
    path: raw
"""
LINES = """
artifacts get {url} model
artifacts get {url} model
artifacts get {url} model -f --rev v1.0.0 --stage prod
artifacts get {url} model --rev v1.0.0 -o folder
artifacts get {url} raw -o here
artifacts get {url} sub/dvc.yaml:other -o other -j 1
artifacts get {url} model --rev v9
artifacts get {url} model --show-url --stage prod
artifacts get {url} nothing --show-url
artifacts get {url}
"""


def source(project: Project, store: Path) -> None:
    project.dvc("remote", "add", "-q", "-d", "store", str(store))
    project.dvc("remote", "add", "-q", "other", str(store.parent / "other"))
    project.write("dvc.yaml", PIPELINE)
    project.write("sub/dvc.yaml", "artifacts:\n  other:\n    path: data\n")
    project.write("sub/data", "kept by Git")
    project.write("raw/a", "1")
    project.write("raw/b", "2")
    for version in ("1.0.0", "2.0.0"):
        project.write("model.bin", f"model {version}")
        project.dvc("add", "-q", "model.bin", "raw")
        project.commit_all(version)
        project.dvc("push", "-q")
        for tag in (f"model@v{version}", f"raw@v{version}", f"sub=other@v{version}"):
            project.git("tag", "-am", tag, tag)
    project.git("tag", "-am", "stage", "model#prod#1", "model@v1.0.0^{}")


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_artifacts_come_as_with_dvc(project: Project, oracle: Oracle, tmp_path: Path) -> None:
    source(project, tmp_path / "store")
    said: list[list[tuple[int, str, dict[str, str]]]] = []
    for program in (oracle, project.program):
        here = tmp_path / f"here{len(said)}"
        (here / "folder").mkdir(parents=True)
        (here / "in").mkdir()
        said.append([])
        for line in LINES.strip().splitlines():
            done = program(*line.format(url=project.root).split(), cwd=here)
            said[-1].append((done.rc, done.stdout.partition("usage:")[0], files(here)))

    for line, theirs, ours in zip(LINES.strip().splitlines(), *said, strict=True):
        assert theirs == ours, line


def test_a_project_below_the_top_of_its_repository_has_artifacts_too(
    project: Project, dvc: Program, tmp_path: Path
) -> None:
    project.git("mv", ".dvc", ".dvcignore", "-k", ".")
    inner = project.root / "inner"
    inner.mkdir()
    dvc("init", "-q", "--subdir", cwd=inner)
    project.write("inner/dvc.yaml", "artifacts:\n  m:\n    path: f\n")
    project.write("inner/f", "data")
    dvc("add", "-q", "f", cwd=inner)
    project.commit_all()
    project.git("tag", "-am", "one", "m@v1.0.0")

    done = dvc("artifacts", "get", str(inner), "m", "-o", "out", cwd=tmp_path)

    assert (0, "Downloaded 1 file(s) to 'out'\n") == (done.rc, done.stdout), done
    assert "data" == (tmp_path / "out").read_text()
