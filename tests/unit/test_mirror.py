"""A repository elsewhere is copied once, in part, and nothing of it ever runs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from pannier.core.errors import DiskError, GitError, SourceError
from pannier.core.events import Silent
from pannier.disk.mutex import ProjectLock
from pannier.git.mirror import DAYS_KEPT, Mirror, check_url, private_folder
from tests.support.programs import git

REFUSED = (
    "--upload-pack=touch pwned",
    "-x",
    "ext::sh -c 'touch pwned'",
    "fd::17",
    "transport::address",
    "ssh://-oProxyCommand=touch/x",
    "ssh://user@-oProxyCommand=touch/x",
    "-oProxyCommand=touch:x",
    "user@-oProxyCommand=touch:x",
    "s3://bucket/x",
    "https://host/x\n-y",
    "a\0b",
)
TAKEN = (
    "https://host/x.git",
    "https://user:secret@host:8080/x",
    "ssh://git@host/x",
    "git@host:x/y.git",
    "host:x",
    "file:///x",
    "/x/y",
    "../x",
    "./a:-b",
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    git("init", "-q", cwd=root)
    git("config", "uploadpack.allowFilter", "true", cwd=root)
    commit(root, "first")
    return root


def commit(root: Path, text: str) -> str:
    (root / "file").write_text(text * 100)
    (root / "folder").mkdir(exist_ok=True)
    for name in "abc":
        (root / "folder" / name).write_text(text + name)
    git("add", "-A", cwd=root)
    git("commit", "-qm", text, cwd=root)
    return git("rev-parse", "HEAD", cwd=root).stdout.strip()


def mirror_of(source: Path, tmp_path: Path) -> Mirror:
    return Mirror(f"file://{source}", str(tmp_path / "cache" / "one"))


def blobs_here(mirror: Mirror) -> set[str]:
    """The kinds of objects that the mirror holds, without asking its source."""
    listed = git(
        *("cat-file", "--batch-all-objects", "--batch-check"), cwd=Path(mirror.git_dir)
    ).lines
    return {line.split()[0] for line in listed if line.split()[1] == "blob"}


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_runs_something_is_refused(url: str) -> None:
    with pytest.raises(SourceError):
        check_url(url)


@pytest.mark.parametrize("url", TAKEN)
def test_an_address_of_a_repository_is_taken(url: str) -> None:
    check_url(url)


def test_a_mirror_has_no_files_until_they_are_asked_for(source: Path, tmp_path: Path) -> None:
    mirror = mirror_of(source, tmp_path)
    sha = mirror.update(None, Silent())
    before = blobs_here(mirror)
    wanted = git("rev-parse", "HEAD:folder/a", "HEAD:folder/b", cwd=source).lines
    mirror.bring_blobs(sha, wanted, Silent())

    assert set() == before
    assert set(wanted) == blobs_here(mirror)
    assert "file" not in os.listdir(mirror.git_dir)


def test_a_server_without_filters_serves_too(source: Path, tmp_path: Path) -> None:
    git("config", "uploadpack.allowFilter", "false", cwd=source)
    mirror = mirror_of(source, tmp_path)
    sha = mirror.update(None, Silent())

    assert {"folder/a": b"firsta"} == mirror.open().read_files(sha, ["folder/a"])


def test_a_mirror_follows_its_source(source: Path, tmp_path: Path) -> None:
    mirror = mirror_of(source, tmp_path)
    first = mirror.update(None, Silent())
    git("checkout", "-qb", "other", cwd=source)
    git("branch", "-qD", "main", cwd=source)
    second = commit(source, "second")
    git("tag", "v2", cwd=source)

    assert second == mirror.update(None, Silent())
    assert [second, second] == [mirror.update(rev, Silent()) for rev in ("other", "v2")]
    assert first == mirror.update("other~1", Silent())
    with pytest.raises(GitError, match="unknown Git revision 'main'"):
        mirror.update("main", Silent())


def test_a_commit_that_is_here_needs_no_source(source: Path, tmp_path: Path) -> None:
    mirror = mirror_of(source, tmp_path)
    sha = mirror.update(None, Silent())
    source.rename(tmp_path / "away")

    assert sha == mirror.update(sha, Silent())
    with pytest.raises(SourceError):
        mirror.update(None, Silent())


def test_a_source_at_no_branch_is_read_at_its_head(source: Path, tmp_path: Path) -> None:
    first = git("rev-parse", "HEAD", cwd=source).stdout.strip()
    commit(source, "second")
    git("checkout", "-q", first, cwd=source)

    assert first == mirror_of(source, tmp_path).update(None, Silent())


def test_hooks_and_config_of_the_source_do_nothing(source: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (source / ".gitattributes").write_text("* filter=evil\n")
    commit(source, "with attributes")
    for name in ("pre-upload", "post-checkout", "post-receive", "reference-transaction"):
        hook = source / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
        hook.chmod(0o755)
    for key in ("filter.evil.smudge", "core.fsmonitor", "uploadpack.packObjectsHook"):
        git("config", key, f"touch {trap}; cat", cwd=source)
    mirror = mirror_of(source, tmp_path)
    sha = mirror.update(None, Silent())
    mirror.open().read_files(sha, ["file", "folder/a"])

    assert not trap.exists()


def test_a_killed_fetch_does_not_stop_the_next_one(source: Path, tmp_path: Path) -> None:
    mirror = mirror_of(source, tmp_path)
    mirror.update(None, Silent())
    second = commit(source, "second")
    left = ("config.lock", "HEAD.lock", "packed-refs.lock", "refs/heads/main.lock")
    for name in (*left, "refs/pannier/head.lock"):
        path = Path(mirror.git_dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    assert second == mirror.update(None, Silent())


def test_two_at_once_share_one_mirror(source: Path, tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(mirror_of(source, tmp_path).update(None, Silent()))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [git("rev-parse", "HEAD", cwd=source).stdout.strip()] * 3 == found


def test_the_folder_of_mirrors_is_for_its_owner_alone(source: Path, tmp_path: Path) -> None:
    mirror_of(source, tmp_path).update(None, Silent())
    folder = tmp_path / "cache" / "one"

    assert 0o700 == folder.stat().st_mode & 0o777
    folder.chmod(0o777)
    with pytest.raises(DiskError, match="others could put"):
        private_folder(str(folder))


def aged(mirror: Mirror, days: float, *names: str) -> None:
    then = time.time() - days * 86400
    for name in names:
        os.utime(Path(mirror.git_dir).parent / name, (then, then))


def test_mirrors_that_nobody_used_for_long_make_room_for_another(
    source: Path, tmp_path: Path
) -> None:
    old, fresh, older_version, new = (
        Mirror(str(source), str(tmp_path / "cache" / name))
        for name in ("old", "fresh", "older", "new")
    )
    for mirror in (old, fresh, older_version):
        mirror.update(None, Silent())
    aged(old, DAYS_KEPT + 1, "used", "lock")
    aged(fresh, DAYS_KEPT - 1, "used", "lock")
    (tmp_path / "cache/older/used").unlink()
    aged(older_version, DAYS_KEPT + 1, "lock")

    new.update(None, Silent())

    there = [Path(mirror.git_dir).exists() for mirror in (old, fresh, older_version, new)]
    assert [False, True, False, True] == there
    assert (tmp_path / "cache/old/lock").exists(), "somebody may be waiting for it"
    old.update(None, Silent())
    assert Path(old.git_dir).exists()


def test_a_mirror_in_use_stays_however_old_its_mark_is(source: Path, tmp_path: Path) -> None:
    old, new = (Mirror(str(source), str(tmp_path / "cache" / name)) for name in ("old", "new"))
    old.update(None, Silent())
    aged(old, DAYS_KEPT + 1, "used", "lock")

    with ProjectLock(str(tmp_path / "cache/old/lock")):
        aged(old, DAYS_KEPT + 1, "lock")
        new.update(None, Silent())

    assert Path(old.git_dir).exists()


def test_a_removal_that_was_killed_is_finished(source: Path, tmp_path: Path) -> None:
    old, new = (Mirror(str(source), str(tmp_path / "cache" / name)) for name in ("old", "new"))
    old.update(None, Silent())
    os.rename(old.git_dir, f"{old.git_dir}.gone")
    aged(old, DAYS_KEPT + 1, "used", "lock")

    new.update(None, Silent())

    assert ["lock"] == os.listdir(tmp_path / "cache/old")
