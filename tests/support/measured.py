"""A project with parameters and metrics of every kind, its history, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path

from tests.support.programs import Runner
from tests.support.project import Project, make_project

PIPELINE = """\
vars: [own.yaml]
params: [extra.toml, gone.yaml, conf]
metrics: [top.json, sub/top.yaml, gone.json]
stages:
  train:
    cmd: python train.py ${width} ${deep.er}
    deps: [src.py]
    params: [lr, net.depth, other.json: [a.b, l.0], whole.py: ]
    outs: [model]
    metrics: [m.json: {cache: false}, cached.json, scores]
  each:
    foreach: [1, 2]
    do:
      cmd: x
      params: [nokey, big.yaml: ["k${item}", none.0]]
      metrics: ["e${item}.json": {cache: false}]
"""
FIRST = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "lr: 0.1\nnet: {depth: 2, name: a}\nlist: [1, 2]\nnone: null\nbig: 10\n",
    "own.yaml": "width: 3\ndeep: {er: x}\nunused: 1\n",
    "extra.toml": "t = 1\n[s]\nu = [1, 2]\n",
    "conf/a.yaml": "a: 1\n",
    "conf/b.json": '{"b": {"c": true}}',
    "other.json": '{"a": {"b": 1, "x": 2}, "l": [1, 2]}',
    "whole.py": "a = 1\nclass T:\n    b = 'x'\n",
    "big.yaml": "k1: 1\nk2: 2\nk3: 3\n",
    "src.py": "",
    "m.json": '{"acc": 0.123456789, "n": {"loss": 1, "l": [1]}, "s": "text", "b": true, "e": 1e-9}',
    "top.json": "0.5",
    "sub/top.yaml": "é: 1\nx: 1.0\n",
    "e1.json": '{"v": 1}',
    "e2.json": '{"v": 2.5, "line": "a\\nb"}',
}
SECOND = {
    "params.yaml": "lr: 0.2\nnet: {depth: 2, name: b}\nlist: [1]\nnew: 1e-5\nbig: ten\n",
    "own.yaml": "width: 4\ndeep: {er: x}\nunused: 2\n",
    "conf/a.yaml": "a: 2\n",
    "other.json": '{"a": {"b": 3, "x": 9}, "l": [2, 2]}',
    "m.json": '{"acc": 0.323456789, "n": {"loss": 2}, "s": "other", "b": false, "new": 7}',
    "top.json": "0.75",
    "e2.json": '{"v": NaN}',
}
THIRD = {
    "params.yaml": "lr: 0.3\nnet: {depth: 3}\n",
    "m.json": '{"acc": ',
    "sub/top.yaml": "- 1\n",
    "e1.json": '{"v": 1, "more": {"deep": {"x": 12345678.123456789}}}',
}


def measured_project(root: Path, program: Runner) -> Project:
    """Two commits, `first` tagged v1 and `second` on main; then the workspace is changed on.

    The branch `early` is at the first commit, `same` at the second. `cached.json` and the folder
    `scores` are data: in the cache at the second commit, the folder's files not in the workspace.
    """
    project = make_project(root, program)
    for files, name in ((FIRST, "first"), (SECOND, "second")):
        for path, text in files.items():
            project.write(path, text)
        if name == "second":
            project.write("cached.json", '{"c": 1}')
            project.write("scores/a.json", '{"s": 1}')
            project.write("scores/b.json", '{"s": 2}')
            project.write("model", "")
            project.dvc("commit", "-q", "-f", "train")
        project.commit_all(name)
        project.git("tag", "v1" if name == "first" else "v2")
        if name == "first":
            project.git("branch", "early")
    project.git("branch", "same")
    for path in ("cached.json", "scores/a.json", "scores/b.json"):
        (project.root / path).unlink()
    (project.root / "scores").rmdir()
    for path, text in THIRD.items():
        project.write(path, text)
    return project
