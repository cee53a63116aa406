"""Pipelines mean the same to DVC and to us, and a lock file is the same bytes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pannier.core.errors import PannierError
from pannier.core.stage import Stage
from pannier.formats import lockfile, pipeline, python_values, values
from pannier.formats.definition import PLOT_PROPS
from pannier.formats.pipeline import PipelineOptions
from tests.compat.pipelines import (
    CASES,
    DIFFERENT,
    PYTHON_SOURCES,
    REFUSED,
    case_files,
)
from tests.support.oracle import Oracle
from tests.support.programs import oracle_path

# The fixtures here take seconds: one worker makes them once.
pytestmark = pytest.mark.xdist_group("pipelines")

# Runs in the Python that DVC lives in, once for all cases: reads {case: {file: text}} and writes
# what DVC makes of each, through its Python API.
RESOLVE = r"""
import contextlib, io, json, os, sys
from dvc.repo import Repo
from dvc.repo.index import Index
from dvc.utils.serialize import parse_py

folder, cases, sources = sys.argv[1], *json.load(sys.stdin)

def write(root, files):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

def described(stage, root):
    params = [dep for dep in stage.deps if hasattr(dep, "read_params")]
    return {
        "name": stage.name,
        "cmd": stage.cmd,
        "wdir": os.path.relpath(stage.wdir, root),
        "deps": [dep.def_path for dep in stage.deps if dep not in params],
        "params": [[dep.def_path, dep.params] for dep in params],
        "outs": [[out.def_path, out.use_cache, bool(out.metric), out.plot, out.persist,
                  out.can_push, out.remote, out.annot.to_dict()] for out in stage.outs],
        "frozen": stage.frozen,
        "always_changed": stage.always_changed,
        "desc": stage.desc,
    }

NO_SCM = "[core]\n no_scm = true\n"
write(folder, {".dvc/config": NO_SCM})
shared = Repo(folder)

def resolved(number, files):
    root = os.path.join(folder, str(number))
    repo = shared
    config = files.pop(".dvc/config", None)
    write(root, files)
    if config is not None:
        write(root, {".dvc/config": NO_SCM + config})
        repo = Repo(root)
    os.chdir(root)
    stages, tops = [], [[], [], [], []]
    for name in sorted(files):
        if name.endswith("dvc.yaml"):
            index = Index.from_file(repo, os.path.join(root, name))
            stages.extend(described(stage, root) for stage in index.stages)
            found = [index._metrics, index._params, index._plots, index._artifacts]
            for top, one in zip(tops, found):
                top.extend(one.values())
    return {"stages": stages, "tops": tops}

answers = {}
for number, (case, files) in enumerate(cases.items()):
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            answers[case] = resolved(number, files)
    except Exception as error:
        cause = error.__cause__ or ""
        answers[case] = {"error": str(error), "cause": str(cause)}
parsed = {}
for source in sources:
    try:
        parsed[source] = parse_py(source, "p.py")
    except Exception:
        parsed[source] = None
json.dump([answers, parsed], sys.stdout, default=repr)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What DVC makes of every case, and of every Python source."""
    folder = tmp_path_factory.mktemp("cases")
    done = subprocess.run(
        [oracle_path().with_name("python"), "-c", RESOLVE, folder],
        input=json.dumps([{name: case_files(name) for name in CASES}, PYTHON_SOURCES]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    made, parsed = json.loads(done.stdout)
    return made, parsed


def parse_case(name: str) -> list[pipeline.Pipeline]:
    files = {path: text.encode() for path, text in case_files(name).items()}
    config = files.pop(".dvc/config", b"").decode()
    settings = dict(line.strip().split(" = ") for line in config.splitlines() if " = " in line)
    options = PipelineOptions(settings.get("bool", "store_true"), settings.get("list", "nargs"))
    return [
        pipeline.parse(data, path, files.get, options)
        for path, data in sorted(files.items())
        if path.endswith("dvc.yaml")
    ]


def described(stage: Stage) -> dict[str, Any]:
    """A stage in the form of RESOLVE."""
    outs = []
    for out in stage.outs:
        props = {key: value for key, value in out.extra.items() if key in PLOT_PROPS}
        notes = {key: value for key, value in out.extra.items() if key not in PLOT_PROPS}
        plot = (props or True) if out.kind == "plot" else False
        kinds = [out.kind == "metric", plot]
        outs.append([out.path, out.cache, *kinds, out.persist, out.push, out.remote, notes])
    return {
        "name": stage.name,
        "cmd": list(stage.cmd) if isinstance(stage.cmd, tuple) else stage.cmd,
        "wdir": stage.wdir or ".",
        "deps": [dep.path for dep in stage.deps],
        "params": [[one.path, list(one.wanted)] for one in stage.params],
        "outs": outs,
        "frozen": stage.frozen,
        "always_changed": stage.always_changed,
        "desc": stage.desc,
    }


AGREED = [name for name in CASES if name not in REFUSED and name not in DIFFERENT]


@pytest.mark.parametrize("name", AGREED)
def test_a_pipeline_means_what_it_means_to_dvc(
    name: str, answers: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    answer = answers[0][name]
    if "error" in answer:
        with pytest.raises(PannierError) as caught:
            parse_case(name)

        check_words(answer, str(caught.value))
        return
    for stage in answer["stages"]:
        # A parameter that is named twice is one.
        stage["params"] = [[path, list(dict.fromkeys(names))] for path, names in stage["params"]]
    parsed = parse_case(name)

    assert answer["stages"] == [described(stage) for one in parsed for stage in one.stages]
    assert answer["tops"] == [
        [list(one.metrics) for one in parsed if one.metrics],
        [list(one.params) for one in parsed if one.params],
        [merged_plots(one) for one in parsed if one.plots],
        [one.artifacts for one in parsed if one.artifacts],
    ]


def merged_plots(parsed: pipeline.Pipeline) -> list[Any]:
    """The plots as DVC lists them: a path, or a mapping with properties."""
    return [{key: props} if props is not None else key for key, props in parsed.plots]


def check_words(answer: Mapping[str, Any], words: str) -> None:
    """An expression fails in DVC's very words, a wrong key at the place that DVC names."""
    theirs = answer["error"]
    if theirs.startswith(("failed to", "Unsupported value")) and "\x1b" not in theirs:
        assert theirs == words
    elif " @ data" in answer["cause"] and theirs.endswith("validation failed"):
        reason, _, place = answer["cause"].partition(" @ data")
        keys = [key.strip("'") for key in place.strip("[]").split("][")]
        assert f"{reason.removesuffix(' for dictionary value')}, in {' -> '.join(keys)}" in words


@pytest.mark.parametrize("name", REFUSED)
def test_what_dvc_reads_only_to_fail_later_is_refused_at_once(
    name: str, answers: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    assert "stages" in answers[0][name]
    with pytest.raises(PannierError) as caught:
        parse_case(name)

    assert REFUSED[name] in str(caught.value)


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_wanted_difference_is_still_one(
    name: str, answers: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    theirs = answers[0][name].get("stages")

    assert theirs != [described(stage) for one in parse_case(name) for stage in one.stages]


@pytest.mark.parametrize("source", PYTHON_SOURCES)
def test_parameters_in_python_are_those_that_dvc_finds(
    source: str, answers: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    expected = answers[1][source]
    if expected is None:
        with pytest.raises(PannierError):
            python_values.parse(source.encode(), "p.py")
    else:
        assert expected == python_values.parse(source.encode(), "p.py")


PIPELINE = r"""
stages:
  train:
    cmd: "mkdir -p om; echo 1 > om/a; echo 1 > o.txt; echo '{}' > m.json; echo x > pl.csv;
      chmod +x o.txt; echo 0123456789 0123456789 0123456789 0123456789 0123456789 >/dev/null"
    deps: [in.txt, ind, ./sub/../in.txt, sub/in, Z, _x, a-b, é]
    params: [lr, s, d, d.a.k, l, p.json: [a], p.toml: [t, x], p.py: [lr, T.z, T, tup]]
    outs: [om/, o.txt]
    metrics: [m.json: {cache: false}]
    plots: [pl.csv]
  whole:
    cmd:
    - mkdir ed; echo f > ed/f; echo 1 > w1
    - "echo multi\necho line > w2"
    wdir: sub
    deps: [../in.txt]
    params:
    - k
    - ../params.yaml:
    - ../p.json:
    - ../empty.yaml:
    outs: [w1, w2, ed]
  callback:
    cmd: echo hi
  no_deps:
    cmd: |
      echo 1 > nd
      echo 2
    outs: [nd]
  each:
    foreach: {on: 1, "two words": 2, "1": 3, "tr:ue": 4}
    do:
      cmd: 'echo ${item} > "${key}.o" # é'
      outs: ["${key}.o"]
  grid:
    matrix:
      model: [cnn, {deep: [1, 2]}]
      seed: [0, 1.5]
    cmd: echo ${item.model} ${nested} ${key} > ${key}.g
    params: [nested]
    outs: ["${key}.g"]
  flags:
    foreach: ["${b}", true, "x${b}"]
    do:
      cmd: echo ${item}
  switches:
    matrix:
      written: [true, "${nested.flag}", null]
      named: ${flags}
    cmd: echo ${item.written} ${item.named} ${key}
"""
PARAMS = r"""
lr: 0.1
"no": norway
n: 3
b: true
nul: null
flags: [true, 1]
l: [1, 2, {x: y, z: [[1, 2], {q: []}]}]
d: {z: 1, a: {k: v}, s: "it's"}
nested: {flag: true, off: false, p: 0.5, many: [1, "x y"]}
s: str
on: "on"
num: "123"
date: "2020-01-01"
colon: "a: b"
hash: "a #b"
ml: "line1\nline2\n"
long: "aaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccccccccccc ddddddddd"
empty: ""
sci: 1e-5
big: 1e20
inf: .inf
e: []
ed: {}
uni: "é ünï"
q: "'quoted'"
sp: " lead"
tilde: "~"
star: "*x"
dash: "- x"
"null": "null"
true_s: "true"
tab: "a\tb"
oct: "0o17"
hex: "0x1f"
und: "1_000"
neg: -5
dots: "..."
eq: "="
"key with blank": {"a b": 1}
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": PARAMS,
    "p.json": '{"a": {"b": 1}, "c": [1, 2], "z": null}',
    "p.toml": "x = 1\n[t]\ny = 2.5\n",
    "p.py": "lr = 0.1\ntup = (1, 2)\nclass T:\n    z = 5\n    q = 's'\n",
    "empty.yaml": "",
    "in.txt": "i\n",
    "ind/x/a": "1\n",
    "ind/b": "22\n",
    "sub/in": "i\n",
    "sub/params.yaml": "k: 1\n",
    "Z": "1",
    "_x": "2",
    "a-b": "3",
    "é": "4",
}
STATUS_PIPELINE = """\
stages:
  s:
    cmd: echo
    params:
    - [z, a, m, b.c, new2, del2, neither, lit.dot, l.-1, l.9, 'l[0]', n.1, sp ace, str.0, nul, f, g]
    - whole.yaml:
    - named.yaml: [n, n.m, u]
    outs: [o]
""".replace("    - [", "    - params.yaml: [")
STATUS_FILES = {
    "dvc.yaml": STATUS_PIPELINE,
    "params.yaml": "z: 1\na: 1\nm: {k: 1, l: 2}\nnew2: 1\nb: {c: 2}\nlit.dot: 1\nl: [{k: 1}, 5]\n"
    "n: {1: x}\nsp ace: 1\nstr: abc\nnul:\nf: 1\ng: true\n",
    "whole.yaml": "k1: 1\nk2: {a: 1, b: 2}\nk4: 4\nk5:\n",
    "named.yaml": "n: {m: 2}\nu: 3\n",
    "o": "o",
    "dvc.lock": "schema: '2.0'\nstages:\n  s:\n    cmd: echo\n    params:\n"
    "      params.yaml:\n        m: {l: 2, k: 1}\n        a: 2\n        z: 3\n        del2: 1\n"
    "        f: 1.0\n        g: 1\n"
    "      whole.yaml:\n        k1: 1\n        k2: {a: 1, b: 3}\n        k3: 7\n"
    "      named.yaml:\n        n: {m: 2}\n        n.m: 3\n"
    "    outs:\n    - path: o\n      hash: md5\n      md5: d95679752134a2d9eb61dbd7b91c4bcc\n",
}
HANDMADE = {
    "commented": "# top\nschema: '2.0'\nstages:\n  zombie:\n    cmd: old   # zombie\n"
    "  no_deps:\n    outs:\n    - size: 2\n      path: nd\n    cmd: x   # why\n  # last\n",
    "flow": "# c\nschema: '2.0'\nstages: {zombie: {cmd: x}}\n# end\n",
    "no stages": "schema: '2.0'\n",
    "empty stages": "schema: '2.0'\ndatasets: []\nstages: {}\n",
    "stages first": "stages:\n  zombie:\n    cmd: x\nschema: '2.0'\n",
    "blank lines": "schema: '2.0'\nstages:\n\n  zombie:\n    cmd: x\n\n\n",
    "wide": "schema: '2.0'\nstages:\n    zombie:\n        cmd: x\n        outs:\n"
    "        -   path: o\n            md5: 68b329da9893e34099c7d8ad5cb9c940\n",
    "crlf": "schema: '2.0'\r\nstages:\r\n  zombie:\r\n    cmd: x\r\n",
}


def write_project(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {".dvc/config": "[core]\n no_scm = True\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def read_stages(root: Path) -> dict[str, Stage]:
    """The stages of a project, with its lock file applied."""

    def read(path: str) -> bytes | None:
        return (root / path).read_bytes() if (root / path).is_file() else None

    parsed = pipeline.parse((root / "dvc.yaml").read_bytes(), "dvc.yaml", read, PipelineOptions())
    locked = lockfile.parse((root / "dvc.lock").read_bytes(), "dvc.lock")
    return {
        str(stage.name): lockfile.apply(stage, locked.get(str(stage.name)))
        for stage in parsed.stages
    }


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every kind of stage, run by DVC."""
    root = write_project(tmp_path_factory.mktemp("reproduced"), FILES)
    run = [oracle_path(), "repro", "-q"]
    settings = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root / ".site"), "PATH": "/bin"}
    done = subprocess.run(run, cwd=root, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root


def test_a_new_lock_file_is_byte_for_byte_that_of_dvc(reproduced: Path) -> None:
    stages = read_stages(reproduced)

    lock = lockfile.update(None, {name: lockfile.entry(stage) for name, stage in stages.items()})

    assert (reproduced / "dvc.lock").read_bytes() == lock


def test_a_recorded_stage_is_found_unchanged(reproduced: Path) -> None:
    stages = read_stages(reproduced)

    assert [] == [name for name, stage in stages.items() if stage.cmd != stage.cmd_locked]
    for stage in stages.values():
        assert all(item.digest for item in (*stage.deps, *stage.outs)), stage
        for one in stage.params:
            name = f"{stage.wdir}/{one.path}" if stage.wdir else one.path
            now = values.load_params((reproduced / name).read_bytes(), name)
            assert {} == values.diff_params(one.locked or {}, now, one.wanted)


@pytest.mark.parametrize(
    "changed", ["train", "whole", "no_deps", "each@two words", "grid@model1-0"]
)
def test_committing_one_stage_changes_the_lock_file_as_dvc_does(
    reproduced: Path, tmp_path: Path, oracle: Oracle, changed: str
) -> None:
    """DVC reads and writes all of the file again, and the other entries stay as they were."""
    before = (reproduced / "dvc.lock").read_bytes()
    root = write_project(tmp_path, FILES)
    subprocess.run(["cp", "-r", f"{reproduced}/.", root], check=True)
    out = read_stages(root)[changed].outs[0]
    target = root / read_stages(root)[changed].wdir / out.path
    (target / "a" if target.is_dir() else target).write_bytes(b"changed by hand\n")
    oracle("commit", "-q", "-f", changed, cwd=root, check=True)
    after = (root / "dvc.lock").read_bytes()
    entry = lockfile.entry(read_stages(root)[changed])

    assert before != after
    assert after == lockfile.update(before, {changed: entry})


@pytest.mark.parametrize("form", HANDMADE)
def test_a_lock_file_edited_by_hand_is_updated_as_dvc_does(
    form: str, tmp_path: Path, oracle: Oracle
) -> None:
    files = {"dvc.yaml": PIPELINE, "params.yaml": PARAMS, "dvc.lock": HANDMADE[form], "nd": "1\n"}
    root = write_project(tmp_path, files)
    oracle("commit", "-q", "-f", "no_deps", cwd=root, check=True)
    entry = lockfile.entry(read_stages(root)["no_deps"])

    updated = lockfile.update(HANDMADE[form].encode(), {"no_deps": entry})

    assert (root / "dvc.lock").read_bytes() == updated


def test_changed_parameters_are_those_of_dvc_status(tmp_path: Path, oracle: Oracle) -> None:
    root = write_project(tmp_path, STATUS_FILES)
    shown = oracle("status", "--json", cwd=root, check=True).json["s"][0]["changed deps"]
    ours = {
        one.path: values.diff_params(
            one.locked or {},
            values.load_params((root / one.path).read_bytes(), one.path),
            one.wanted,
        )
        for one in read_stages(root)["s"].params
    }

    assert shown == ours
    assert [list(states) for states in shown.values()] == [list(one) for one in ours.values()]


def test_a_stage_without_values_for_its_parameters_records_none(reproduced: Path) -> None:
    stage = read_stages(reproduced)["train"]
    bare = replace(stage, params=tuple(replace(one, locked=None) for one in stage.params))

    assert "params" not in lockfile.entry(bare)
