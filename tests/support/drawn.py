"""A project with plots of every kind at two commits, and changed once more in the workspace."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from tests.support.programs import Runner
from tests.support.project import Project, make_project

PIPELINE = """\
stages:
  train:
    cmd: x
    outs: [model]
    plots:
    - loss.csv: {x: epoch, y: loss, cache: false, title: The loss}
    - bare.tsv: {header: false, cache: false}
    - cm.json: {template: confusion, x: actual, y: predicted, cache: false}
    - data/curves
    - img.png
plots:
- loss.csv
- both:
    x: epoch
    y: {loss.csv: [loss, acc], other/val.json: loss}
    title: Both
- two-files:
    x: {loss.csv: epoch, other/val.json: e}
    y: {loss.csv: loss, other/val.json: loss}
    template: simple
- scatter:
    y: {other/val.json: loss}
    x: epoch
    template: scatter
    x_label: X
- other: {x: e}
- other/val.json: {y: loss}
- gone.json
- broken.json
- wrong:
    y: {loss.csv: nope}
- unequal:
    x: {other/val.json: e}
    y: {loss.csv: loss}
- text.txt
- pictures
- custom:
    y: {loss.csv: acc}
    template: mine
"""
MINE = """\
{"data": {"values": "<DVC_METRIC_DATA>"}, "mark": "point",
 "encoding": {"x": {"field": "<DVC_METRIC_X>"}, "y": {"field": "<DVC_METRIC_Y>",
 "title": "of <DVC_METRIC_Y>"}}}
"""
SUB = "plots:\n- a.csv: {x: 'a.b', y: 'c[0]'}\n- both: {y: {a.csv: x.y}}\n"


_MADE: list[Path] = []


def drawn_project(root: Path, program: Runner) -> Project:
    """Commits tagged v1 and v2; `data/curves` and `img.png` are data, in the cache of v2.

    Made once and then copied.
    """
    if not _MADE:
        folder = Path(tempfile.mkdtemp(prefix="pannier-drawn-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _draw(folder / "p", program)
        _MADE.append(folder / "p")
    shutil.copytree(_MADE[0], root, symlinks=True)
    return Project(root, program)


def _draw(root: Path, program: Runner) -> None:
    project = make_project(root, program)
    project.write(".dvc/plots/mine.json", MINE)
    for at, name in ((1, "v1"), (2, "v2"), (3, "")):
        rows = "".join(f"{e},{1 / (e + at)},{e * at}\n" for e in range(4 if at < 3 else 5))
        project.write("dvc.yaml", PIPELINE)
        project.write("loss.csv", "epoch,loss,acc\n" + rows)
        project.write("bare.tsv", f"{at}\t2\n3\t4\n")
        project.write(
            "cm.json", '[{"actual": "a", "predicted": "b"}, {"actual": "b", "predicted": "b"}]'
        )
        values = ", ".join(f'{{"e": {e}, "loss": {e * at}, "epoch": {e}}}' for e in range(4))
        project.write("other/val.json", f'{{"meta": 1, "deep": {{"rows": [{values}]}}}}')
        project.write("other/odd.yaml", "- {a: 1, b: 2}\n- {a: 2, b: 3}\n")
        project.write("broken.json", "{")
        project.write("text.txt", "x")
        project.write("pictures/1.png", b"\x89PNG" + bytes([at]))
        project.write("pictures/sub/2.svg", f"<svg>{at}</svg>")
        project.write("sub/dvc.yaml", SUB)
        project.write("sub/a.csv", "a.b,c[0],x.y\n1,2,3\n")
        if at == 2:
            project.write("model", "")
            project.write("data/curves/p.csv", "x,y\n1,2\n2,3\n")
            project.write("data/curves/q.csv", "x,y\n1,5\n2,6\n")
            project.write("img.png", b"\x89PNG")
            project.dvc("commit", "-q", "-f", "train")
        if name:
            project.commit_all(name)
            project.git("tag", name)
    (project.root / "img.png").unlink()
