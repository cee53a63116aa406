"""An operation log that came with a repository: undo reaches nothing outside the project (S10)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.inside import Inside
from tests.support.programs import git
from tests.support.project import picture


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    made = Inside(tmp_path / "project")
    made.root.mkdir()
    git("init", "-q", cwd=made.root)
    made.dvc("init", "-q")
    return made


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "x.dvc").write_text("mine")
    (folder / "0").write_text("mine")
    for number in ("1", "2", "3"):
        (folder / number).write_text("a mail")
    return folder


def forge(inside: Inside, *lines: dict[str, Any]) -> None:
    ops = inside.root / ".dvc/tmp/pannier/ops"
    ops.mkdir(parents=True)
    head = {"pannier": 1, "time": time.time(), "argv": ["add", "x"]}
    text = "".join(json.dumps(line) + "\n" for line in (head, *lines, {"end": "done"}))
    (ops / "1").write_text(text)


def file(path: str, was: Any, now: str | None) -> dict[str, Any]:
    return {"file": path, "was": was, "mode": 0o4777, "now": now}


@pytest.mark.parametrize(
    "path",
    [
        "../outside/x.dvc",
        "{outside}/x.dvc",
        "link/x.dvc",
        "x.dvc",
        ".git/hooks/pre-commit",
        ".git/config",
        ".GIT/x.dvc",
        "a/../../outside/x.dvc",
    ],
)
@pytest.mark.parametrize("was", [None, "#!/bin/sh\ntouch pwned\n"], ids=["removal", "content"])
def test_no_file_outside_is_written_or_removed(
    inside: Inside, outside: Path, path: str, was: str | None
) -> None:
    (inside.root / "link").symlink_to(outside)
    (inside.root / "x.dvc").symlink_to(outside / "x.dvc")
    forge(inside, file(path.format(outside=outside), was, md5("mine")))
    forged_now = file(path.format(outside=outside), was, None)
    with open(inside.root / ".dvc/tmp/pannier/ops/1", "a") as log:
        log.write(json.dumps(forged_now) + "\n")
    before, git_before = picture(outside), picture(inside.root / ".git")

    inside.run("undo")

    assert before == picture(outside)
    assert git_before == picture(inside.root / ".git")


def test_a_restored_file_gets_no_special_mode(inside: Inside) -> None:
    forge(inside, file("x.dvc", "outs: []\n", None))

    inside.run("undo")

    assert 0o777 == (inside.root / "x.dvc").stat().st_mode & 0o7777


@pytest.mark.parametrize("kept", ["1.kept/0", "../../outside/0", "1.kept/../../0", "/etc/passwd"])
def test_bytes_are_taken_from_nowhere_but_the_log(inside: Inside, outside: Path, kept: str) -> None:
    rows = [["", md5("mine"), None, kept]]
    forge(
        inside,
        {"output": "data", "algorithm": "md5", "was": md5("mine"), "now": None, "rows": rows},
    )
    (inside.root / ".dvc/tmp/pannier/ops/1.kept").symlink_to(outside)
    before = picture(outside)

    inside.run("undo")

    assert before == picture(outside)
    assert not (inside.root / "data").exists()


def test_data_is_not_put_through_a_link(inside: Inside, outside: Path) -> None:
    inside.write("real", "mine")
    inside.dvc("add", "-q", "real")
    (inside.root / "link").symlink_to(outside)
    (inside.root / ".dvc/tmp/pannier/ops/1").unlink()
    (inside.root / ".dvc/tmp/pannier/ops").rmdir()
    row = ["", md5("mine"), None, None]
    change = {"algorithm": "md5", "was": md5("mine"), "now": None, "rows": [row]}
    forge(inside, {"output": "link/new", **change})
    before = picture(outside)

    done = inside.run("undo")

    assert 1 == done.rc
    assert before == picture(outside)


def test_a_log_that_is_a_link_is_neither_read_nor_pruned(inside: Inside, outside: Path) -> None:
    """Old numbered files could be anything: a mail box of MH."""
    forge(inside)
    ops = inside.root / ".dvc/tmp/pannier/ops"
    (ops / "1").unlink()
    ops.rmdir()
    ops.symlink_to(outside)
    old = time.time() - 1000 * 86400
    for path in outside.iterdir():
        os.utime(path, (old, old))
    before = picture(outside)

    configured = inside.run("config", "core.autostage", "true")
    undone = inside.run("undo")

    assert 0 == configured.rc
    assert "WARNING: 'undo' will not know what this command changes" in configured.stderr
    assert 1 == undone.rc
    assert before == picture(outside)


def test_what_an_old_entry_kept_is_no_way_out(inside: Inside, outside: Path) -> None:
    forge(inside)
    ops = inside.root / ".dvc/tmp/pannier/ops"
    (ops / "1.kept").symlink_to(outside)
    old = time.time() - 1000 * 86400
    os.utime(ops / "1", (old, old))
    before = picture(outside)

    inside.dvc("config", "core.autostage", "true")
    inside.dvc("config", "-u", "core.autostage")

    assert not os.path.lexists(ops / "1.kept")
    assert before == picture(outside)


def test_only_our_own_text_becomes_a_hook(inside: Inside) -> None:
    hooks = {"hooks": ["pre-push", "../../../x", "post-merge"], "placed": False}
    forge(inside, hooks)
    before = picture(inside.root.parent, leave_out=("project/.git/hooks", "project/.dvc/tmp"))

    inside.run("undo")

    written = {path.name for path in (inside.root / ".git/hooks").iterdir()}
    assert "post-merge" not in written
    assert before == picture(
        inside.root.parent, leave_out=("project/.git/hooks", "project/.dvc/tmp")
    )


@pytest.mark.timeout(30)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_entry(inside: Inside, make: Callable[[Path], None]) -> None:
    ops = inside.root / ".dvc/tmp/pannier/ops"
    ops.mkdir(parents=True)
    make(ops / "1")

    told = inside.run("op", "log")

    assert 0 == told.rc, str(told)
    assert "entry 1 of the operation log cannot be read" in told.stderr


def test_a_folder_in_the_place_of_an_old_entry_stops_no_log(inside: Inside) -> None:
    strange = inside.root / ".dvc/tmp/pannier/ops/1"
    strange.mkdir(parents=True)
    inside.write("x", "1")
    inside.dvc("add", "x")
    os.utime(strange, (0, 0))
    inside.write("x", "2")

    added = inside.dvc("add", "x")
    undone = inside.dvc("undo")

    assert "WARNING" not in added.stderr
    assert "add x" in undone.stdout
    assert strange.is_dir()


def test_a_bomb_is_no_entry(inside: Inside) -> None:
    packed = base64.b64encode(zlib.compress(bytes(300 << 20))).decode()
    forge(inside, file("x.dvc", {"zlib": packed}, None))

    inside.run("undo")

    assert not (inside.root / "x.dvc").exists()


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("new", "../outside/0"),
        ("../outside/new", "data"),
        ("{outside}/new", "data"),
        ("link/new", "data"),
        ("new", "link/0"),
        (".git/hooks/pre-commit", "data"),
        ("new", ".git/config"),
        (".dvc/config.local", "data"),
        ("sub/.dvc/config.local", "data"),
        ("there", "data"),
    ],
)
def test_nothing_is_moved_to_or_from_outside(
    inside: Inside, outside: Path, path: str, to: str
) -> None:
    inside.write("data", "mine")
    inside.write("there", "the user's")
    (inside.root / "link").symlink_to(outside)
    forge(inside, {"move": path.format(outside=outside), "to": to, "algorithm": "md5"})
    places = (outside, inside.root / ".git", inside.root / ".dvc")
    before = [picture(place, leave_out=("tmp",)) for place in places]

    inside.run("undo")

    assert before == [picture(place, leave_out=("tmp",)) for place in places]
    assert ("mine", "the user's") == tuple(
        (inside.root / name).read_text() for name in ("data", "there")
    )


def test_a_folder_that_git_keeps_is_not_moved(inside: Inside) -> None:
    """Else a `config.local` in it would count as the user's own afterwards."""
    inside.write("given/.dvc/config.local", "[core]\n")
    git("add", "-f", "given", cwd=inside.root)
    forge(inside, {"move": "sub", "to": "given", "algorithm": "md5"})

    inside.run("undo")

    assert (inside.root / "given/.dvc/config.local").exists()
    assert not (inside.root / "sub").exists()


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("../outside", "1.kept/0"),
        ("{outside}", "1.kept/0"),
        ("link", "1.kept/0"),
        ("link/new", "1.kept/0"),
        (".git", "1.kept/0"),
        (".dvc", "1.kept/0"),
        ("there", "1.kept/0"),
        ("new", "1.kept/1"),
        ("new", "2.kept/0"),
        ("new", "../../tmp"),
    ],
)
def test_no_folder_that_made_room_goes_to_the_outside_or_comes_from_there(
    inside: Inside, outside: Path, path: str, kept: str
) -> None:
    (inside.root / "link").symlink_to(outside)
    inside.write("there/link/x", "mine")
    shutil.rmtree(inside.root / "there/link")
    (inside.root / "there/link").symlink_to(outside)
    forge(inside, {"aside": path.format(outside=outside), "kept": kept})
    ops = inside.root / ".dvc/tmp/pannier/ops"
    for name in ("config.local", "hooks/post-checkout", "link/new", "new"):
        inside.write(f".dvc/tmp/pannier/ops/1.kept/0/{name}", "[core]\n")
    (ops / "1.kept/1").symlink_to(outside)
    (ops / "2.kept").symlink_to(outside.parent)
    (outside.parent / "0").mkdir()
    (outside.parent / "0/mine").write_text("mine")
    places = (outside, inside.root / ".git", inside.root / ".dvc")
    before = [picture(place, leave_out=("tmp",)) for place in places]

    inside.run("undo")

    assert before == [picture(place, leave_out=("tmp",)) for place in places]
    assert (outside.parent / "0/mine").exists()


def test_a_folder_that_git_keeps_in_the_log_does_not_come_back(inside: Inside) -> None:
    """Else a `config.local` in it would count as the user's own afterwards."""
    forge(inside, {"aside": "sub", "kept": "1.kept/0"})
    inside.write(".dvc/tmp/pannier/ops/1.kept/0/.dvc/config.local", "[core]\n")
    git("add", "-f", ".dvc/tmp/pannier/ops", cwd=inside.root)

    inside.run("undo")

    assert not (inside.root / "sub").exists()
