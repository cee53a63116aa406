"""Snapshot: what is at an output's place, and what need not be read again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.errors import DiskError, UnstorableEntries
from pannier.core.stage import Meta
from pannier.project import snapshot as snapshots
from pannier.project.project import Project, open_project
from pannier.project.snapshot import ABSENT, DIRECTORY, FILE, OTHER, Snapshot
from tests.support.opened import Told, open_new, reopened, write_files


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = open_new(tmp_path / "p")
    write_files(tmp_path / "p", {"f": "text", "d/a": "1", "d/s/b": "2", "d/s/c": "1"})
    return made


def look(project: Project, path: str, algorithm: str = MD5) -> Snapshot:
    return snapshots.look(project, path, algorithm, Told())


def measure(project: Project, path: str, algorithm: str = MD5) -> Snapshot:
    return snapshots.measure(project, look(project, path, algorithm), Told())


def test_a_file_has_its_digest_and_size(project: Project) -> None:
    found = measure(project, "f")

    assert (FILE, Digest(MD5, md5(b"text")), Meta(4)) == (found.kind, found.digest, found.meta)
    assert {"": md5(b"text")} == found.entries()


def test_an_executable_file_is_known_as_such(project: Project) -> None:
    (Path(project.root) / "f").chmod(0o755)

    assert measure(project, "f").meta.is_exec


def test_a_directory_has_the_digest_of_its_manifest(project: Project) -> None:
    found = measure(project, "d")

    expected = {"a": md5(b"1"), "s/b": md5(b"2"), "s/c": md5(b"1")}
    assert (DIRECTORY, expected, Meta(3, 3)) == (found.kind, found.entries(), found.meta)
    assert found.digest == Digest(MD5, found.manifest().digest_hex())


def test_an_empty_directory_is_a_directory(project: Project) -> None:
    (Path(project.root) / "empty").mkdir()

    found = measure(project, "empty")
    assert Digest(MD5, "d751713988987e9331980363e24189ce.dir") == found.digest
    assert Meta(0, 0) == found.meta


@pytest.mark.parametrize("path", ["nothing", "no/thing", "f/below"])
def test_what_is_not_there_is_absent(project: Project, path: str) -> None:
    found = measure(project, path)

    assert (ABSENT, None, {}) == (found.kind, found.digest, found.entries())


def test_a_link_to_nothing_or_to_a_directory_or_a_pipe_can_hold_no_data(project: Project) -> None:
    os.symlink("nowhere", f"{project.root}/dangling")
    os.symlink("d", f"{project.root}/dirlink")
    os.mkfifo(f"{project.root}/fifo")

    for name in ("dangling", "dirlink", "fifo"):
        assert (OTHER, None) == (measure(project, name).kind, measure(project, name).digest)


def test_a_link_to_a_file_is_the_file(project: Project) -> None:
    os.symlink("f", f"{project.root}/link")

    found = measure(project, "link")
    assert (FILE, True, md5(b"text")) == (found.kind, found.is_link, found.entries()[""])


def test_what_is_ignored_is_not_part_of_a_directory(project: Project) -> None:
    write_files(Path(project.root), {".dvcignore": "*.log\nd/s\n", "d/x.log": "x"})

    assert {"a": md5(b"1")} == measure(project, "d").entries()


def test_an_ignore_file_within_data_is_refused(project: Project) -> None:
    write_files(Path(project.root), {"d/s/.dvcignore": "*\n"})

    with pytest.raises(DiskError, match=r"\.dvcignore file should not be in collected dir path"):
        look(project, "d")


def test_entries_that_can_never_be_tracked_are_named_together(project: Project) -> None:
    os.symlink("nowhere", f"{project.root}/d/dangling")
    os.mkfifo(f"{project.root}/d/s/fifo")

    with pytest.raises(UnstorableEntries) as caught:
        look(project, "d")
    assert {"d/dangling", "d/s/fifo"} == {path for path, _ in caught.value.problems}


def test_what_is_left_out_is_told(project: Project) -> None:
    os.symlink("s", f"{project.root}/d/link")
    told = Told()

    snapshots.look(project, "d", MD5, told)

    assert ["'d/link' is left out: it is a link to a directory"] == told.warnings


def test_the_old_algorithm_is_asked_for_by_name(project: Project) -> None:
    write_files(Path(project.root), {"crlf": b"a\r\n"})

    assert md5(b"a\n") == measure(project, "crlf", LEGACY).entries()[""]
    assert md5(b"a\r\n") == measure(project, "crlf", MD5).entries()[""]


@pytest.mark.parametrize("path", ["f", "d"])
def test_what_did_not_change_is_not_read_by_the_next_command(project: Project, path: str) -> None:
    first = measure(project, path)
    project.close()
    again = reopened(Path(project.root))

    seen = look(again, path)
    if seen.kind == DIRECTORY:
        assert first.digest == seen.digest
    else:
        assert [] == seen.sources[0].unknown()
    assert first.digest == snapshots.measure(again, seen, Told()).digest


def test_after_a_change_one_file_is_read(project: Project) -> None:
    measure(project, "d")
    write_files(Path(project.root), {"d/s/b": "changed"})
    again = reopened(Path(project.root))

    seen = look(again, "d")
    unknown = [
        source.folder.join(source.folder.names[index])
        for source in snapshots.load_sources(again, seen)
        for index in source.unknown()
    ]

    assert (None, ["s/b"]) == (seen.digest, unknown)
    assert md5(b"changed") == snapshots.measure(again, seen, Told()).entries()["s/b"]


@pytest.mark.parametrize("change", ["add", "remove", "rename", "edit, mtime put back", "touch"])
def test_no_change_goes_unseen(project: Project, change: str) -> None:
    before = measure(project, "d").digest
    root = Path(project.root)
    if change == "add":
        write_files(root, {"d/new": "1"})
    elif change == "remove":
        (root / "d/a").unlink()
    elif change == "rename":
        (root / "d/a").rename(root / "d/b")
    elif change == "touch":
        (root / "d/a").touch()
    else:
        then = (root / "d/a").stat().st_mtime_ns
        (root / "d/a").write_text("2")
        os.utime(root / "d/a", ns=(then, then))

    seen = look(reopened(root), "d")

    assert seen.digest is None
    assert (change == "touch") == (before == measure(reopened(root), "d").digest)


def test_what_was_just_written_is_read_again(tmp_path: Path) -> None:
    """Within the clock's resolution an edit may leave all stats as they were."""
    open_new(tmp_path / "p")
    write_files(tmp_path / "p", {"d/a": "1"})
    now = open_project(str(tmp_path / "p"))
    snapshots.measure(now, look(now, "d"), Told())

    seen = look(open_project(str(tmp_path / "p")), "d")
    assert seen.digest is None
    assert [[0]] == [source.unknown() for source in snapshots.load_sources(now, seen)]


def test_a_file_that_was_remembered_is_not_remembered_again(project: Project) -> None:
    """Else a `status` of a thousand unchanged files would write a thousand rows."""
    measure(project, "f")
    project.close()
    again = reopened(Path(project.root))
    seen = look(again, "f")

    snapshots.measure(again, seen, Told())

    assert seen.remembered
    assert [] == again.statcache._waiting
