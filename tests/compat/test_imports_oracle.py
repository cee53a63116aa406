"""get, import, update, and what other commands make of imports: real DVC beside ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import differences
from tests.support.twins import Side, Twins, make_twins
from tests.support.wanted import is_wanted

FILES = {
    "dd/a": b"1\n",
    "dd/sub/b": b"2\n",
    "dd/sub/same": b"1\n",
    "model.pkl": b"m\n",
    "git.txt": b"g\n",
    "mixed/x": b"x\n",
    "mixed/y": b"y\n",
    "pipe/z": b"z\n",
    "pipe/dvc.yaml": b"stages:\n  s:\n    cmd: echo 1 > o\n    outs:\n    - o\n",
}


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program, monkeypatch: pytest.MonkeyPatch) -> Twins:
    """Both with a source beside it, whose commits have the same names on both sides."""
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, "2024-01-01T00:00:00Z")
    made = make_twins(tmp_path, oracle, dvc)
    for side in (made.theirs, made.ours):
        _make_source(side, oracle)
    made.dvc("init")
    made.git("commit", "-qm", "init")
    return made


def _make_source(side: Side, oracle: Oracle) -> None:
    source = side.base / "src"
    source.mkdir()
    git("init", "-q", cwd=source)
    for path, data in FILES.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(data)
    env = {"DVC_SITE_CACHE_DIR": str(side.base / "site")}
    for words in (["init", "-q"], ["add", "-q", "dd", "model.pkl", "mixed/x"]):
        oracle(*words, cwd=source, env=env, check=True)
    git("add", "-A", cwd=source)
    git("commit", "-qm", "one", cwd=source)
    git("tag", "v1", cwd=source)


def _second_version(twins: Twins) -> None:
    def change(base: Path) -> None:
        source = base / "src"
        (source / "dd/a").write_bytes(b"11\n")
        (source / "git.txt").write_bytes(b"gg\n")

    twins.touch("a second version of the source", change)
    for side in (twins.theirs, twins.ours):
        twins.theirs.program("add", "-q", "dd", cwd=side.base / "src", check=True)
        git("commit", "-qam", "two", cwd=side.base / "src")


def test_get_leaves_what_dvc_leaves(twins: Twins) -> None:
    twins.dvc("get", "../src", "git.txt")
    twins.dvc("get", "../src", "dd")
    twins.dvc("get", "../src", "dd", "-o", "again")
    twins.dvc("get", "../src", "model.pkl", "-o", "again")
    twins.dvc("get", "../src", "model.pkl", "-o", "again")
    twins.dvc("get", "../src", "model.pkl", "-o", "again", "-f")
    twins.dvc("get", "../src", "mixed")
    twins.dvc("get", "../src", "pipe/o")
    twins.dvc("get", "../src", "pipe/dvc.yaml", "-o", "one.yaml")
    twins.touch("run the pipeline", _made)
    twins.dvc("get", "../src", "pipe")
    twins.dvc("get", "../src", "dd/sub", "-o", "a/b")
    twins.dvc("get", "../src", "dd/sub/b", "-o", "c/d/e")
    twins.dvc("get", "../src", ".", "-o", "all")
    twins.dvc("get", "../src", "nope")
    twins.dvc("get", "../src", "../src", "-o", "up")
    twins.dvc("get", "../nothing", "dd", "-o", "none")
    twins.dvc("get", "../src", "dd", "--rev", "nope", "-o", "none")
    _second_version(twins)
    twins.dvc("get", "../src", "dd", "--rev", "v1", "-o", "first")
    twins.dvc("get", "file://{base}/src", "git.txt", "-o", "second")
    twins.dvc("get", "--show-url", "../src", "git.txt")


def _made(base: Path) -> None:
    lock = """schema: '2.0'
stages:
  s:
    cmd: echo 1 > o
    outs:
    - path: o
      hash: md5
      md5: b026324c6904b2a9cb4b88d6d61c81d1
      size: 2
"""
    (base / "src/pipe/dvc.lock").write_text(lock)


def test_the_storage_url_is_the_remotes(twins: Twins) -> None:
    for side in (twins.theirs, twins.ours):
        words = ("remote", "add", "-q", "-d", "there", str(side.base / "remote"))
        twins.theirs.program(*words, cwd=side.base / "src", check=True)
    twins.dvc("get", "--show-url", "../src", "dd")
    twins.dvc("get", "--show-url", "../src", "dd/sub/b")
    twins.dvc("get", "--show-url", "../src", "model.pkl")


def test_import_writes_what_dvc_writes(twins: Twins) -> None:
    twins.dvc("import", "../src", "dd")
    twins.dvc("import", "../src", "git.txt", "-o", "g2")
    twins.dvc("import", "../src", "git.txt", "-o", "g2")
    twins.dvc("import", "../src", "git.txt", "-o", "g2", "-f")
    twins.dvc("import", "../src", "mixed", "--rev", "v1")
    twins.dvc("import", "../src", "dd/sub", "-o", "part")
    twins.touch("a folder", lambda base: (base / "repo/inner").mkdir())
    twins.dvc("import", "../src", "model.pkl", "-o", "inner")
    twins.dvc("import", "../../src", "model.pkl", "-o", "m2", cwd="inner")
    twins.dvc("import", "../../src", "model.pkl", "-o", "../m3", cwd="inner")
    twins.dvc("import", "../src", "model.pkl", "-o", "no/folder")
    twins.dvc("import", "../src", "model.pkl", "-o", "../outside")
    twins.dvc("import", "../src", "model.pkl", "-o", "dd")
    twins.dvc("status")


def test_import_of_the_pointer_alone_writes_what_dvc_writes(twins: Twins) -> None:
    twins.touch("a config file", lambda base: _write(base, "cfg", "[core]\n    remote = there\n"))
    twins.dvc("import", "../src", "dd", "--no-exec")
    twins.dvc("import", "../src", "dd", "--no-download")
    twins.dvc("import", "../src", "model.pkl", "--no-download")
    twins.dvc("import", "../src", "git.txt", "--no-exec", "--remote", "there")
    twins.dvc("import", "../src", "a", "--no-exec", "--remote-config", "jobs=2", "x=y")
    twins.dvc(
        *("import", "../src", "b", "--no-exec", "--remote", "there", "--remote-config", "jobs=2")
    )
    twins.dvc("import", "../src", "c", "--no-exec", "--config", "cfg")
    twins.dvc("import", "../nothing", "nothing", "--no-exec")
    twins.dvc("status", "--no-updates", "dd.dvc", "model.pkl.dvc")


def _write(base: Path, name: str, text: str) -> None:
    (base / "repo" / name).write_text(text)


def test_update_writes_what_dvc_writes(twins: Twins) -> None:
    for words in (["dd"], ["git.txt"], ["mixed", "--rev", "v1"], ["model.pkl", "--no-download"]):
        twins.dvc("import", "../src", *words)
    twins.dvc("import", "../src", "mixed/x", "--no-exec")
    twins.dvc("update", "dd.dvc")
    twins.dvc("update", "dd", "mixed.dvc")
    _second_version(twins)
    twins.dvc("status")
    twins.dvc("status", "--json")
    twins.dvc("status", "--no-updates")
    twins.dvc("update", "model.pkl.dvc", "--no-download")
    twins.dvc("update", "x.dvc")
    twins.dvc("update", "git.txt.dvc")
    twins.dvc("update", "mixed.dvc")
    twins.dvc("update", "--rev", "v1", "git.txt.dvc")
    twins.dvc("update", "-R", ".")
    twins.dvc("update", "--rev", "nope", "git.txt.dvc")
    twins.dvc("update", "nope.dvc")
    twins.touch("data of our own", lambda base: _write(base, "own", "o"))
    twins.dvc("add", "own")
    twins.dvc("update", "own.dvc")


def test_data_of_imports_comes_from_its_source(twins: Twins) -> None:
    for words in (["dd/sub", "-o", "dd"], ["git.txt"]):
        twins.dvc("import", "../src", *words)
    twins.touch("data of our own", lambda base: _write(base, "own", "o"))
    twins.dvc("add", "own")
    twins.dvc("remote", "add", "-d", "mine", "{base}/remote")
    twins.dvc("push")
    twins.touch("lose the cache", _lose)
    twins.dvc("fetch")
    twins.touch("lose the cache", _lose)
    twins.dvc("pull")
    twins.dvc("status", "-c")
    twins.dvc("freeze", "dd.dvc")
    twins.dvc("unfreeze", "dd.dvc")
    twins.dvc("status", "dd.dvc", "git.txt.dvc")


def _lose(base: Path) -> None:
    shutil.rmtree(base / "repo/.dvc/cache")
    shutil.rmtree(base / "repo/dd", ignore_errors=True)
    for name in ("git.txt", "own", "model.pkl"):
        (base / "repo" / name).unlink(missing_ok=True)


def test_uncommitted_changes_of_a_source_are_not_imported(twins: Twins) -> None:
    """The pointer names a commit: what is recorded must be there again tomorrow."""
    assert is_wanted("import-commit")
    for side in (twins.theirs, twins.ours):
        (side.base / "src/git.txt").write_bytes(b"not committed\n")
    theirs, ours = (s.run("import", "../src", "git.txt") for s in (twins.theirs, twins.ours))

    assert (0, 0) == (theirs.rc, ours.rc)
    assert b"not committed\n" == (twins.theirs.repo / "git.txt").read_bytes()
    assert b"g\n" == (twins.ours.repo / "git.txt").read_bytes()


def test_pull_puts_data_into_place_of_which_only_the_source_is_recorded(twins: Twins) -> None:
    twins.dvc("import", "../src", "dd", "--no-download")
    runs = [side.run("pull") for side in (twins.theirs, twins.ours)]

    assert [0, 0] == [run.rc for run in runs], runs
    assert all("A       dd/" in run.lines for run in runs)
    assert [] == differences(twins.theirs.workspace(), twins.ours.workspace())
    assert twins.ours.run("pull").lines == ["Everything is up to date."]


@pytest.mark.parametrize("words", [["--no-download"], ["--to-remote"]], ids=str)
def test_update_without_data_here_seals_what_it_writes(twins: Twins, words: list[str]) -> None:
    assert is_wanted("update-checksum")
    twins.dvc("remote", "add", "-d", "mine", "{base}/remote")
    twins.touch("a file elsewhere", lambda base: (base / "file").write_text("1"))
    twins.dvc("import-url", "../file")
    twins.touch("another", lambda base: (base / "file").write_text("2"))
    for side in (twins.theirs, twins.ours):
        assert side.run("update", *words, "file.dvc").rc == 0

    theirs, ours = (side.run("status") for side in (twins.theirs, twins.ours))
    assert "changed checksum" in theirs.stdout
    assert "changed checksum" not in ours.stdout
    files = [(side.repo / "file.dvc").read_text() for side in (twins.theirs, twins.ours)]
    assert files[0].splitlines()[1:] == files[1].splitlines()[1:]
    assert (twins.theirs.repo / "file").exists() == (twins.ours.repo / "file").exists()


def test_update_does_not_lose_edits(twins: Twins) -> None:
    assert is_wanted("update-unsaved")
    twins.dvc("import", "../src", "dd")
    _second_version(twins)
    twins.touch("an edit", lambda base: _write(base, "dd/a", "mine"))
    theirs, ours = (s.run("update", "dd.dvc") for s in (twins.theirs, twins.ours))

    assert (0, 1) == (theirs.rc, ours.rc)
    assert "11\n" == (twins.theirs.repo / "dd/a").read_text()
    assert "mine" == (twins.ours.repo / "dd/a").read_text()


def test_links_in_git_are_followed_inside_and_refused_outside(twins: Twins) -> None:
    assert is_wanted("get-links")
    for side in (twins.theirs, twins.ours):
        source = side.base / "src"
        (source / "inner").symlink_to("git.txt")
        (source / "outer").symlink_to("/etc/hostname")
        git("add", "-A", cwd=source)
        git("commit", "-qm", "links", cwd=source)
    words = [("get", "file://{base}/src", name) for name in ("inner", "outer")]
    theirs, ours = ([s.run(*w) for w in words] for s in (twins.theirs, twins.ours))

    assert [0, 0] == [run.rc for run in theirs]
    assert "git.txt" == (twins.theirs.repo / "inner").read_text()
    assert [0, 1] == [run.rc for run in ours]
    assert "g\n" == (twins.ours.repo / "inner").read_text()
    assert "it is a link to no file in there" in ours[1].stderr


def test_get_into_a_folder_of_the_same_name_with_force(twins: Twins) -> None:
    assert is_wanted("get-force-folder")
    twins.touch("a folder", lambda base: (base / "repo/dd").mkdir())
    twins.touch("a file in it", lambda base: _write(base, "dd/mine", "mine"))
    for side in (twins.theirs, twins.ours):
        side.run("get", "-f", "../src", "dd")

    assert (twins.theirs.repo / "dd/dd/a").exists()
    assert {"a", "sub", "mine"} == {path.name for path in (twins.ours.repo / "dd").iterdir()}


# -- URLs ----


def _elsewhere(base: Path) -> None:
    for path, data in (("f.txt", "1\n"), ("d/a", "a\n"), ("d/s/b", "b\n"), ("d/s/same", "a\n")):
        target = base / "ext" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(data)
    (base / "ext/f.txt").chmod(0o755)
    (base / "ext/empty").mkdir(exist_ok=True)


def _changed_elsewhere(base: Path) -> None:
    (base / "ext/f.txt").write_text("22\n")
    (base / "ext/d/new").write_text("new\n")


def test_get_url_leaves_what_dvc_leaves(twins: Twins) -> None:
    twins.touch("data elsewhere", _elsewhere)
    twins.dvc("get-url", "../ext/f.txt")
    twins.dvc("get-url", "../ext/f.txt")
    twins.dvc("get-url", "../ext/f.txt", "-f")
    twins.dvc("get-url", "../ext/f.txt", "other")
    twins.dvc("get-url", "../ext/d")
    twins.dvc("get-url", "../ext/d", "d")
    twins.dvc("get-url", "../ext/f.txt", "d")
    twins.dvc("get-url", "../ext/d/s", "x/y")
    twins.dvc("get-url", "../ext/nope")
    twins.dvc("get-url", "nope://host/path")
    twins.dvc("remote", "add", "there", "{base}/ext")
    twins.dvc("get-url", "remote://there/d", "from-remote")
    twins.dvc("get-url", "remote://nowhere/d", "from-nowhere")


def test_import_url_writes_what_dvc_writes(twins: Twins) -> None:
    twins.touch("data elsewhere", _elsewhere)
    twins.dvc("import-url", "../ext/f.txt")
    twins.dvc("import-url", "../ext/f.txt")
    twins.dvc("import-url", "../ext/f.txt", "-f")
    twins.dvc("import-url", "../ext/d")
    twins.dvc("import-url", "../ext/empty")
    twins.dvc("import-url", "../ext/nope")
    twins.dvc("import-url", "../ext/f.txt", "pointer-only", "--no-exec")
    twins.dvc("import-url", "../ext/d", "no-data", "--no-download")
    twins.touch("a folder and a file", lambda base: (base / "repo/inner").mkdir())
    twins.dvc("import-url", "../../ext/f.txt", cwd="inner")
    twins.touch("a file", lambda base: _write(base, "mine", "mine"))
    twins.dvc("import-url", "mine", "copy")
    twins.dvc("import-url", "mine", "mine", "-f")
    twins.dvc("remote", "add", "there", "{base}/ext")
    twins.dvc("import-url", "remote://there/d", "from-remote")
    twins.dvc("remote", "add", "-d", "mine", "{base}/remote")
    twins.dvc("import-url", "--to-remote", "../ext/f.txt", "sent")
    twins.dvc("import-url", "--to-remote", "../ext/d", "sent-folder")
    twins.dvc("import-url", "-r", "mine", "../ext/f.txt", "x")
    twins.dvc("import-url", "--to-remote", "--no-exec", "../ext/f.txt", "x")
    twins.dvc("import-url", "nope://host/path")
    twins.dvc("status")
    twins.dvc("push")


def test_update_of_urls_writes_what_dvc_writes(twins: Twins) -> None:
    twins.touch("data elsewhere", _elsewhere)
    twins.dvc("import-url", "../ext/f.txt")
    twins.dvc("import-url", "../ext/d")
    twins.dvc("import-url", "../ext/d", "no-data", "--no-download")
    twins.dvc("import-url", "../ext/f.txt", "pointer-only", "--no-exec")
    twins.dvc("update", "f.txt.dvc", "d.dvc")
    twins.touch("change it", _changed_elsewhere)
    twins.dvc("update", "f.txt.dvc")
    twins.dvc("update", "d")
    twins.dvc("update", "no-data.dvc")
    twins.dvc("update", "pointer-only.dvc")
    twins.dvc("update", "-R", ".")
    twins.dvc("unfreeze", "f.txt.dvc")
    twins.dvc("status")
    twins.touch("change it", lambda base: (base / "ext/f.txt").write_text("333\n"))
    twins.dvc("status")
    twins.touch("lose it", lambda base: (base / "ext/f.txt").unlink())
    twins.dvc("status", "--json")

    assert is_wanted("update-missing")
    assert [1, 1] == [side.run("update", "f.txt.dvc").rc for side in (twins.theirs, twins.ours)]
    assert not (twins.theirs.repo / "f.txt").exists()
    assert (twins.ours.repo / "f.txt").exists()


def test_a_relative_url_starts_from_where_the_user_stands(twins: Twins) -> None:
    assert is_wanted("import-url-relative")
    twins.touch("data elsewhere", _elsewhere)
    twins.touch("a folder", lambda base: (base / "repo/inner").mkdir())
    words = ("import-url", "../ext/f.txt", "inner/other")

    assert [1, 0] == [side.run(*words).rc for side in (twins.theirs, twins.ours)]
    assert "  path: ../../ext/f.txt\n" in (twins.ours.repo / "inner/other.dvc").read_text()


def test_list_url_shows_what_dvc_shows(twins: Twins) -> None:
    twins.touch("data elsewhere", _elsewhere)
    for words in ([], ["-R"], ["-T"], ["--size"], ["-R", "-L", "2"], ["-T", "-L", "1", "--size"]):
        twins.dvc("ls-url", *words, "../ext")
    twins.dvc("list-url", "../ext/f.txt")
    twins.dvc("list-url", "../ext/nope")
    twins.dvc("list-url", "nope://host/path")
