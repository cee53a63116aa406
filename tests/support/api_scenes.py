"""A project with parameters, metrics and artifacts, and the remote side of its data."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.programs import Runner
from tests.support.project import Project, make_project

PIPELINE = """\
vars:
- vars.yaml
params:
- extra.yaml
artifacts:
  model:
    path: models/model.bin
    type: model
  raw:
    path: data/raw
stages:
  train:
    cmd: python train.py ${train.n}
    params:
    - train.lr
    - b
    - more.json:
      - x.y
    - conf.toml:
    outs:
    - model
    metrics:
    - m.json:
        cache: false
  eval:
    cmd: python eval.py
    params:
    - list.1
    - conf.py:
      - Train.epochs
    metrics:
    - e.yaml:
        cache: false
    - cached.json
  each:
    foreach: [one, two]
    do:
      cmd: python each.py ${item} ${greeting}
      params:
      - b.c
      metrics:
      - each-${item}.json:
          cache: false
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "vars.yaml": "greeting: hello\n",
    "params.yaml": "a: 1\nb:\n  c: 2\n  d: [1, 2]\ntrain:\n  lr: 0.1\n  n: 3\nlist: [x, y]\n",
    "more.json": '{"x": {"y": 1, "z": 2}, "w": null}',
    "conf.toml": "[t]\nu = 1\nwhen = 2020-01-01\n",
    "conf.py": "class Train:\n    epochs = 5\n    lr = 0.1\nSEED = 1\n",
    "extra.yaml": "extra: [1, {k: v}]\na: 9\n",
    "unused.yaml": "unused: 1\n",
    "m.json": '{"acc": 0.5, "deep": {"loss": 1e-3, "name": "x", "ok": true, "none": null}}',
    "e.yaml": "acc: 0.25\nlist: [1, 2]\n",
    "top.json": "0.75",
    "each-one.json": '{"n": 1}',
    "each-two.json": '{"n": 2}',
    "plain.json": '{"p": 1}',
    "deep.json": '{"a": {"b": null, "c": [1]}, "d": 1, "e": {}}',
    "text.json": '"text"',
    "list.json": "[1, 2]",
    "broken.json": "{",
    "binary.json": "\0\1",
    "sub/dvc.yaml": (
        "artifacts:\n"
        "  other:\n"
        "    path: o.bin\n"
        "stages:\n"
        "  inner:\n"
        "    cmd: echo\n"
        "    params: [z]\n"
        "    metrics: [s.json: {cache: false}]\n"
        "  moved:\n"
        "    cmd: echo\n"
        "    wdir: deeper\n"
        "    params: [q]\n"
    ),
    "sub/params.yaml": "z: 26\ny: 25\n",
    "sub/deeper/params.yaml": "q: 1\n",
    "sub/s.json": '{"s": 1}',
}


def make_values(base: Path, program: Runner) -> Project:
    """A project with every kind of parameters and metrics, in two revisions, tagged v1 and v2."""
    project = make_project(base / "values", program)
    for path, text in FILES.items():
        project.write(path, text)
    project.write("cached.json", '{"cached": 1}')
    project.dvc("remote", "add", "-q", "-d", "store", str(base / "values-store"))
    project.dvc("commit", "-q", "-f", "eval")
    project.dvc("push", "-q")
    project.commit_all()
    for tag in ("v1", "model@v1.0.0", "model@v1.2.0", "model#prod#1", "sub=other@v0.1.0"):
        project.git("tag", "-am", tag, tag)
    project.write("params.yaml", FILES["params.yaml"].replace("0.1", "0.2"))
    project.write("m.json", '{"acc": 0.75}')
    project.commit_all()
    for tag in ("v2", "model@v1.10.0", "model#dev#2"):
        project.git("tag", "-am", tag, tag)
    (project.root / "cached.json").unlink(missing_ok=True)
    project.write("params.yaml", FILES["params.yaml"].replace("0.1", "0.3"))
    return project


def make_data(base: Path, program: Runner) -> Project:
    """A project whose data is partly on disk, partly in the cache, partly at the remote alone."""
    project = make_project(base / "data", program)
    project.write("d/a", "a\n")
    project.write("d/sub/b", "bb\n")
    project.write("both.csv", "x,y\n1,2\n")
    project.write("text", "fü\r\nzwei\n")
    project.write("code/a.py", "a = 1\n")
    project.write("code/run.sh", "#!/bin/sh\n").chmod(0o755)
    (project.root / "link").symlink_to("code/a.py")
    project.dvc("remote", "add", "-q", "-d", "store", str(base / "data-store"))
    project.dvc("remote", "add", "-q", "other", "s3://bucket/path")
    project.write("far/one", "one far\n")
    project.write("far/deep/two", "two far\n")
    project.write("lone", "only at the remote\n")
    project.write("lost", "nowhere\n")
    project.dvc("add", "-q", "d", "both.csv", "text", "far", "lone")
    project.dvc("push", "-q")
    shutil.rmtree(project.root / ".dvc/cache/files")
    project.dvc("add", "-q", "lost")
    shutil.rmtree(project.root / ".dvc/cache/files")
    project.dvc("fetch", "-q", "d", "both.csv", "text")
    project.commit_all()
    project.git("tag", "v1")
    project.git("branch", "side")
    for name in ("far", "d"):
        shutil.rmtree(project.root / name)
    for name in ("lone", "lost", "text"):
        (project.root / name).unlink()
    project.write("both.csv", "edited\n")
    project.write("d/new", "new\n")
    project.write("untracked", "u\n")
    return project
