"""`repro`, `stage add` and `stage list` beside real DVC: all that is told, written and stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.compat.test_imports_http import Site
from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import make_project
from tests.support.running import RunTwins, make_run_twins
from tests.support.wanted import is_wanted

Make = Callable[[Mapping[str, str]], RunTwins]


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> Make:
    return lambda files: make_run_twins(tmp_path, oracle, dvc, files)


PIPELINE = """\
stages:
  a:
    cmd: echo a > a
    outs: [a]
  b:
    cmd: cat a > b; test ! -e fail
    deps: [a, in]
    outs: [b]
  c:
    cmd:
    - cat b > c
    - echo '{"x":1}' > m.json
    deps: [b]
    params: [lr, nn.x]
    outs: [c]
    metrics: [m.json: {cache: false}]
  d:
    cmd: mkdir -p d/x; echo d > d/x/o
    deps: [in]
    outs: [d/x/o]
  cb:
    cmd: echo callback
  al:
    cmd: echo always > al
    always_changed: true
    outs: [al]
"""
PARAMS = "lr: 0.1\nnn:\n  x: 1\n"


def test_a_pipeline_is_run_failed_mended_and_brought_back(twins: Make) -> None:
    both = twins({"dvc.yaml": PIPELINE, "params.yaml": PARAMS})

    both.dvc("repro")  # `in` is not there
    both.write({"in": "in\n"})
    both.dvc("repro")
    both.dvc("repro")
    both.write({"fail": "", "in": "in2\n"})
    both.dvc("repro")
    both.dvc("repro", "-k")
    both.dvc("repro", "--ignore-errors")
    both.write({"fail": None})
    both.dvc("repro")
    both.write({"params.yaml": PARAMS.replace("0.1", "0.2")})
    both.dvc("repro", "c")
    both.write({"params.yaml": PARAMS, "c": None, "m.json": None})
    both.dvc("repro", "c")  # the run cache has it
    both.write({"c": None, "m.json": None})
    both.dvc("repro", "c")  # the lock file has it
    both.dvc("repro", "-q")


def test_outputs_that_nobody_made_yet_cannot_be_brought(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    pair = make_project(tmp_path / "theirs", oracle), make_project(tmp_path / "ours", dvc)
    answers: tuple[list[object], list[object]] = [], []
    for project, said in zip(pair, answers, strict=True):
        files = {"dvc.yaml": PIPELINE, "params.yaml": PARAMS, "x.dvc": "outs:\n- path: x\n"}
        for name, text in files.items():
            project.write(name, text)
        project.dvc("remote", "add", "-d", "far", str(project.root.parent / "far"))
        for args in (
            ["checkout"],
            ["checkout", "--allow-missing"],
            ["checkout", "d"],
            ["checkout", "d/x/o/p"],
            ["pull"],
            ["repro", "-q", "a"],
            ["checkout"],
            ["checkout", "a"],
        ):
            done = project.dvc(*args, check=False)
            told = done.stderr.replace(str(project.root), "").splitlines()
            said.append(
                (args, done.rc, sorted(line for line in told if not line.startswith("Hint: ")))
            )

    assert answers[0] == answers[1]


@pytest.mark.parametrize("pattern", ["d", "d/", "f", "/d/*"])
def test_nothing_is_recorded_of_outputs_that_are_ignored(
    tmp_path: Path, oracle: Oracle, dvc: Program, pattern: str
) -> None:
    pair = make_project(tmp_path / "theirs", oracle), make_project(tmp_path / "ours", dvc)
    answers: tuple[list[object], list[object]] = [], []
    for project, said in zip(pair, answers, strict=True):
        for name in ("d/x", "d/e/y", "f"):
            project.write(name, "1")
        project.dvc("add", "d", "f")
        project.write(".dvcignore", pattern)
        project.write("d/x", "22")
        for args in (["status"], ["data", "status"], ["commit", "-f"], ["commit", "-f", "d.dvc"]):
            done = project.dvc(*args, check=False)
            told = done.stderr.replace(str(project.root), "").splitlines()
            said.append((args, done.rc, [line for line in told if "ignored" in line]))
        said.append((project.root / "d.dvc").read_text())

    assert answers[0] == answers[1]


@pytest.mark.long
def test_options_choose_what_is_run(twins: Make) -> None:
    both = twins({"dvc.yaml": PIPELINE, "params.yaml": PARAMS, "in": "in\n"})

    both.dvc("repro", "-n")
    both.dvc("repro", "c", "--no-run-cache")
    both.dvc("repro", "-s", "d")
    both.dvc("repro", "-s", "d", "-f")
    both.dvc("repro", "--downstream", "b", "-f")
    both.dvc("repro", "-P")
    both.dvc("repro", "-p", "b")
    both.dvc("repro", "nope")
    both.dvc("repro", "--glob", "a*")
    both.dvc("repro", "-R", ".")
    both.write({"a": "zz\n"})
    both.dvc("repro", "-n", "b")
    both.dvc("repro", "a")
    both.dvc("repro", "--no-commit", "-f", "c")
    both.dvc("status")
    both.dvc("commit", "-f", "c")
    both.dvc("repro", "c")
    both.dvc("repro", "--force-downstream", "a", "-f")
    both.dvc("repro", "-i", "-f", "a")
    both.dvc("repro", "m.json")
    both.dvc("repro", "dvc.yaml:a", "b")
    both.dvc("repro", "-k", "--ignore-errors")


TWO_FILES = {
    "dvc.yaml": """\
stages:
  a: {cmd: cat in > a, deps: [in], outs: [a]}
  b: {cmd: cat in > b, deps: [in], outs: [b]}
""",
    "sub/dvc.yaml": "stages:\n  c: {cmd: cat ../in > c, deps: [../in], outs: [c]}\n",
}


def test_a_commit_records_a_pipeline_only_as_a_whole(twins: Make) -> None:
    both = twins({**TWO_FILES, "in": "1\n"})
    both.dvc("repro", "-P")

    both.write({"in": "2\n", "a": "A\n", "b": None})
    both.dvc("commit", "-f", "b", "a")
    both.dvc("commit", "-f", "sub/dvc.yaml:c", "a")
    both.dvc("commit", "-f", "b", "sub/dvc.yaml:c")
    both.write({"b": "B\n"})
    both.dvc("status")
    both.write({"a": "A\n", "sub/c": "C\n"})
    both.dvc("commit")
    both.dvc("commit", "-f")


UNCACHED = """\
stages:
  plain: {cmd: cat in > o; echo > p, deps: [in], outs: [o: {cache: false}, p]}
  folder: {cmd: mkdir d; cat in > d/x, deps: [in], outs: [d: {cache: false}]}
  value: {cmd: cat in > m.json, deps: [in], metrics: [m.json: {cache: false}]}
  stays: {cmd: cat in > s, deps: [in], outs: [s: {cache: false, persist: true}]}
  free: {cmd: echo > f, outs: [f: {cache: false}]}
  always: {cmd: cat in > a, deps: [in], outs: [a: {cache: false}], always_changed: true}
"""


def test_a_commit_keeps_outputs_without_cache_as_the_run_cache_has_them(twins: Make) -> None:
    made = {"o": "1\n", "p": "2\n", "d/x": "3\n", "m.json": "4", "s": "5\n", "f": "6\n", "a": "7\n"}
    both = twins({"dvc.yaml": UNCACHED, "in": "in\n", **made})
    gone = ("files", "runs")

    both.dvc("commit", "-f")
    for options in ((), ("-f",), ("-f", "plain", "folder")):
        both.each(
            "empty the cache",
            lambda repo: [shutil.rmtree(repo / ".dvc/cache" / n, True) for n in gone],
        )
        both.dvc("commit", *options)
    both.each("remove what was made", lambda repo: (repo / "o").unlink())
    both.dvc("repro", "plain")
    both.write({"o": "other\n"})
    both.dvc("commit")
    both.dvc("commit", "-f")
    both.dvc("repro")


TEMPLATES = """\
vars:
- base: out
- vars.yaml:v
stages:
  g:
    foreach: [x, y]
    do:
      cmd: echo ${item} ${v.k} > ${base}-${item}
      outs: ['${base}-${item}']
  m:
    matrix:
      n: [1, 2]
      s: [p, q]
    cmd: cat out-x > m-${item.n}-${item.s}; echo ${key} >> m-${item.n}-${item.s}
    deps: [out-x]
    outs: ['m-${item.n}-${item.s}']
  t:
    cmd: echo ${lr} ${d.e} > t
    params: [lr]
    outs: [t]
"""


def test_groups_and_templates_are_run(twins: Make) -> None:
    both = twins(
        {"dvc.yaml": TEMPLATES, "params.yaml": "lr: 0.5\nd: {e: z}\n", "vars.yaml": "v:\n  k: 7\n"}
    )

    both.dvc("repro", "m")
    both.dvc("repro")
    both.dvc("repro", "g@x", "m@1-p", "-f")
    both.write({"params.yaml": "lr: 0.6\nd: {e: z}\n"})
    both.dvc("repro")
    both.write({"vars.yaml": "v:\n  k: 8\n"})
    both.dvc("repro", "g")
    both.dvc("repro")
    both.dvc("repro", "g@nope")


KINDS = """\
stages:
  multi:
    cmd: |
      echo one > one
      echo two >> one

      X=3; echo $X >> one
    outs: [one]
  lst:
    cmd:
    - X=5; echo l > l
    - echo $X $DVC_STAGE $DVC_ROOT | sed 's=/.*/==' >> l
    outs: [l]
  wd:
    wdir: sub/w
    cmd: cat ../../in > o; pwd | grep -c sub/w
    deps: [../../in]
    outs: [o]
    params: [p.json: [a.b], 'q.toml': [s.k], 'r.py': [A, K.x], whole.yaml: ]
  per:
    cmd: echo more >> per; mkdir -p pd; echo $(ls pd | wc -l) > pd/$(ls pd | wc -l)
    deps: [in]
    outs: [per: {persist: true}, pd: {persist: true}]
  nc:
    cmd: echo nc > nc; mkdir -p ncd; echo 1 > ncd/1
    outs: [nc: {cache: false}, ncd: {cache: false}]
  np:
    cmd: cat in > np
    deps: [in]
    outs: [np: {push: false}]
  dir:
    cmd: mkdir dir; cat in > dir/a; mkdir dir/s; echo b > dir/s/b
    deps: [in]
    outs: [dir]
  ofdir:
    cmd: cat dir/s/b dir/a > od; chmod +x od
    deps: [dir/s/b, dir/a]
    outs: [od]
  metr:
    cmd: echo '{"acc":1}' > me.json; echo '[{"x":1,"y":2}]' > pl.json
    deps: [od]
    metrics: [me.json]
    plots: [pl.json: {cache: false, x: x}]
"""


def test_stages_of_every_kind_are_run(twins: Make) -> None:
    p_json, r_py = '{"a":{"b":[1,{"c":null}]}}', "A=1\nclass K:\n  x='s'\n"
    both = twins(
        {
            "dvc.yaml": KINDS,
            "in": "in\n",
            "sub/w/p.json": p_json,
            "sub/w/q.toml": "[s]\nk=1.5\nd=2020-01-01\n",
            "sub/w/r.py": r_py,
            "sub/w/whole.yaml": "w: 1\nx: [a, b]\n",
        }
    )

    both.dvc("repro")
    both.dvc("status")
    both.write({"in": "in2\n", "sub/w/p.json": p_json.replace("null", "1")})
    both.dvc("status")
    both.dvc("repro")
    both.write({"sub/w/whole.yaml": "w: 1\nx: [a, b, c]\n", "sub/w/r.py": r_py.replace("s'", "t'")})
    both.dvc("repro", "wd")
    both.each("rm per", lambda repo: (repo / "per").unlink())
    both.each("rm -r dir", lambda repo: shutil.rmtree(repo / "dir"))
    both.dvc("repro")
    both.write({"dir/x": "extra\n"})
    both.dvc("repro", "ofdir")
    both.dvc("repro", cwd="sub/w")
    both.dvc("repro", "../../dvc.yaml:wd", "-f", cwd="sub/w")
    both.dvc("repro", "o", cwd="sub/w")
    both.dvc("push", "--run-cache")
    both.dvc("gc", "-w", "-f")


@pytest.mark.long
def test_frozen_stages_are_left_alone(twins: Make) -> None:
    both = twins(
        {
            "dvc.yaml": "stages:\n"
            "  a: {cmd: cat in > a, deps: [in], outs: [a]}\n"
            "  f: {cmd: cat a > f, deps: [a], outs: [f], frozen: true}\n"
            "  g: {cmd: cat f > g, deps: [f], outs: [g]}\n",
            "in": "1\n",
        }
    )

    both.dvc("repro")
    both.dvc("unfreeze", "f")
    both.dvc("repro")
    both.dvc("freeze", "f")
    both.write({"in": "2\n"})
    both.dvc("repro")
    both.write({"f": "edited\n"})
    both.dvc("repro")
    both.dvc("repro", "-f")


@pytest.mark.long
def test_data_that_pipelines_read_is_recorded_and_brought(twins: Make) -> None:
    both = twins(
        {
            "data/x": "1\n",
            "one": "o\n",
            "dvc.yaml": "stages:\n  a: {cmd: cat data/x one > a, deps: [data, one], outs: [a]}\n",
            "sub/dvc.yaml": "stages:\n  s: {cmd: cat ../a > s, deps: [../a], outs: [s]}\n",
        }
    )

    both.dvc("add", "data", "one")
    both.dvc("repro", "-P")
    both.write({"data/x": "2\n"})
    both.dvc("repro")
    both.dvc("repro", "s", cwd="sub")
    both.write({"one": "p\n"})
    both.dvc("repro", "one.dvc")
    both.dvc("repro", "-R", "sub")
    both.dvc("repro", "-p", "-f", "s", cwd="sub")
    both.dvc("repro", "--downstream", "one.dvc", "-f")
    both.dvc("push")
    both.each("rm one", lambda repo: (repo / "one").unlink())
    both.dvc("repro", "--allow-missing")
    both.dvc("repro", "--pull")

    def lose(repo: Path) -> None:
        for path in ("one", "a", "sub/s"):
            (repo / path).unlink()
        shutil.rmtree(repo / "data")
        shutil.rmtree(repo / ".dvc/cache")

    both.each("rm everything", lose)
    both.dvc("repro", "--allow-missing", "--dry")
    both.dvc("repro", "--allow-missing", "-P")
    both.dvc("repro", "--pull", "-P")
    both.write({"one": "q\n"})
    both.dvc("repro", "--allow-missing", "-P")


ODD = """\
stages:
  nout: {cmd: 'true', outs: [none]}
  both: {cmd: echo x > x; echo y > y, outs: [x, y: {cache: false}]}
  sig: {cmd: kill -9 $$, outs: [s]}
  emptyd: {cmd: mkdir ed, outs: [ed]}
  miss: {cmd: 'nosuchcommand', outs: [m]}
"""


@pytest.mark.long
def test_commands_that_fail_are_told_alike(twins: Make) -> None:
    both = twins({"dvc.yaml": ODD})

    for name in ("nout", "sig", "miss"):
        both.dvc("repro", name)
    both.dvc("repro", "-k")
    both.dvc("repro", "--ignore-errors")
    both.dvc("repro", "y")
    both.dvc("repro", "both", "both", "x", "emptyd")
    both.write({"dvc.yaml": "stages: {}"})
    both.dvc("repro")
    both.write({"dvc.yaml": None})
    both.dvc("repro")
    both.dvc("repro", "-P")


def test_the_run_cache_of_each_serves_the_other(tmp_path: Path, twins: Make) -> None:
    text = "cmd: cat in > a; cat in > b, deps: [in], outs: [a], metrics: [b: {cache: false}]"
    both = twins({"dvc.yaml": f"stages:\n  a: {{{text}}}\n", "in": "1\n"})
    both.dvc("repro")
    both.dvc("push", "--run-cache")
    both.write({"in": "2\n"})
    both.dvc("repro")

    def take_theirs(repo: Path) -> None:
        """Cache and lock are lost; the remote is the one that the other program filled."""
        for path in ("a", "b", "dvc.lock"):
            (repo / path).unlink()
        shutil.rmtree(repo / ".dvc/cache")
        (repo / "in").write_text("1\n")

    stores = [side.remote for side in (both.theirs, both.ours)]
    stores[0].rename(tmp_path / "swap")
    stores[1].rename(stores[0])
    (tmp_path / "swap").rename(stores[1])
    both.each("lose everything", take_theirs)
    both.dvc("fetch", "--run-cache")
    both.dvc("repro", "--pull")

    assert "1\n" == (both.ours.repo / "b").read_text()


@pytest.mark.long
def test_imports_are_brought_by_a_run_unless_they_are_frozen(
    tmp_path: Path, twins: Make, oracle: Oracle
) -> None:
    source = make_project(tmp_path / "source", oracle)
    far = tmp_path / "far"

    def change(number: int) -> None:
        source.write("f", f"{number}\n")
        source.commit_all()
        far.write_text("u" * number)

    change(1)
    both = twins(
        {
            "dvc.yaml": "stages:\n  a: {cmd: cat f sub/u > a, deps: [f, sub/u], outs: [a]}\n",
            "sub/x": "",
        }
    )
    both.dvc("import", str(source.root), "f")
    both.dvc("import-url", str(far), "u", cwd="sub")
    both.dvc("repro")
    change(2)
    both.dvc("repro")
    both.dvc("repro", "-f", "f.dvc")
    both.dvc("unfreeze", "f.dvc")
    both.dvc("unfreeze", "sub/u.dvc")
    both.dvc("repro", "--dry")
    both.dvc("repro", "../dvc.yaml:a", cwd="sub")
    both.dvc("status")
    change(3)
    both.dvc("repro", "-P")
    both.each("rm f", lambda repo: (repo / "f").unlink())
    both.dvc("repro")

    assert "1\nuuu" == (both.ours.repo / "a").read_text()


def test_edits_of_an_import_are_not_lost_by_a_run(tmp_path: Path, twins: Make) -> None:
    assert is_wanted("repro-import-unsaved")
    far = tmp_path / "far"
    far.write_text("far")
    both = twins({})
    both.dvc("import-url", str(far), "u")
    both.dvc("unfreeze", "u.dvc")
    both.write({"u": "edited here"})

    theirs, ours = (side.run("repro", "u.dvc") for side in (both.theirs, both.ours))

    assert (0, 255) == (theirs.rc, ours.rc)
    assert "far" == (both.theirs.repo / "u").read_text()
    assert "edited here" == (both.ours.repo / "u").read_text()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.server.close()


def test_a_url_that_a_command_reads_is_asked_and_recorded(twins: Make, site: Site) -> None:
    site.files["/f"] = b"1"
    url = f"{site.server.endpoint}/f"
    text = f"stages:\n  a: {{cmd: echo a > a, deps: ['{url}', in], outs: [a]}}\n"
    both = twins({"dvc.yaml": text, "in": "1\n"})

    both.dvc("status")
    both.dvc("repro")
    both.dvc("repro")
    site.files["/f"] = b"22"
    both.dvc("status")
    both.dvc("repro", "--dry")
    both.dvc("repro")
    site.files["/f"] = b"333"
    both.dvc("commit", "-f")
    both.dvc("status")
    both.write({"in": "2\n"})
    both.dvc("repro")
    del site.files["/f"]
    both.dvc("status")


def test_dependencies_outside_of_the_project_are_recorded(tmp_path: Path, twins: Make) -> None:
    far, folder = tmp_path / "far", tmp_path / "folder"
    far.write_text("1\n")
    folder.mkdir()
    both = twins(
        {
            "dvc.yaml": "stages:\n"
            f"  a: {{cmd: cat {far} > a, deps: [{far}, {folder}], outs: [a]}}\n"
            "  up: {cmd: cat ../shared > up, deps: [../shared], outs: [up]}\n"
        }
    )
    shared = [side.base / "shared" for side in (both.theirs, both.ours)]
    for path in shared:
        path.write_text("s\n")

    both.dvc("repro")
    far.write_text("2\n")
    both.dvc("repro")
    (folder / "x").write_text("x")
    both.dvc("status")
    both.dvc("commit", "-f")
    for path in shared:
        path.write_text("s2\n")
    both.dvc("repro")
    both.dvc("push")


def rc_of(both: RunTwins, *args: str) -> tuple[int, int]:
    """The exit codes of a command that shall not do the same in both projects."""
    theirs, ours = (side.run(*args) for side in (both.theirs, both.ours))
    return theirs.rc, ours.rc


CHAIN = """\
stages:
  a: {cmd: cat in > a, deps: [in], outs: [a]}
  b: {cmd: cat a > b, deps: [a], outs: [b]}
"""


def test_a_dry_run_tells_what_a_run_would_do(twins: Make) -> None:
    assert is_wanted("repro-dry")
    both = twins({"dvc.yaml": CHAIN, "in": "1\n"})

    assert (255, 0) == rc_of(both, "repro", "--dry")
    both.dvc("repro")
    both.write({"in": "2\n"})
    both.dvc("repro")
    both.write({"in": "1\n"})
    said = both.ours.run("repro", "--dry").lines
    assert "Stage 'a' is cached - skipping run, checking out outputs" in said
    assert "Running stage 'a':" not in said
    both.dvc("repro", "--dry", "-f")


def test_a_pattern_that_nothing_matches_runs_nothing(twins: Make) -> None:
    assert is_wanted("repro-glob-nothing")
    both = twins({"dvc.yaml": CHAIN, "in": "1\n"})

    assert (0, 255) == rc_of(both, "repro", "--glob", "z*")
    assert [True, False] == [(s.repo / "a").exists() for s in (both.theirs, both.ours)]


def test_records_of_before_3_are_renewed(twins: Make) -> None:
    assert is_wanted("repro-old-digests")
    one = "b026324c6904b2a9cb4b88d6d61c81d1"
    lock = (
        "schema: '2.0'\nstages:\n  a:\n    cmd: cat in > a\n"
        f"    deps:\n    - path: in\n      md5: {one}\n    outs:\n    - path: a\n      md5: {one}\n"
    )
    both = twins({"dvc.yaml": CHAIN, "in": "1\n", "a": "1\n", "dvc.lock": lock})

    assert (0, 0) == rc_of(both, "repro")
    assert [1, 3] == [
        (side.repo / "dvc.lock").read_text().partition("  b:")[0].count("hash: md5") + 1
        for side in (both.theirs, both.ours)
    ]
    assert (0, 0) == rc_of(both, "status", "-q")


def test_outputs_of_a_run_that_fails_later_are_ignored(twins: Make) -> None:
    assert is_wanted("repro-failed-ignore")
    both = twins({"dvc.yaml": CHAIN.replace("[a], outs: [b]", "[a, gone], outs: [b]"), "in": "1\n"})

    assert (255, 255) == rc_of(both, "repro")
    assert [False, True] == [(s.repo / ".gitignore").exists() for s in (both.theirs, both.ours)]
