"""Several `repro` at once, `repro` beside other commands, and what its end does to its commands."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
import yaml

from tests.support.project import Project, objects
from tests.unit.test_proc import PATIENCE_S, is_alive, pid_in, until

SYS_TGKILL = {"x86_64": 234, "aarch64": 131}[platform.machine()]

SLOW = """\
stages:
  first:
    cmd: echo 1 > first
    outs: [first]
  slow:
    cmd: >-
      echo $$ > pid; sh -c 'echo $$ > inner; exec sleep 100' >/dev/null 2>&1 &
      read line < fifo; echo made > slow
    deps: [first]
    outs: [slow]
  last:
    cmd: cat slow > last
    deps: [slow]
    outs: [last]
"""


class Slow:
    """A project whose second stage waits for the test."""

    def __init__(self, project: Project) -> None:
        self.project, self.root = project, project.root
        project.write("dvc.yaml", SLOW)
        os.mkfifo(self.root / "fifo")
        self.said = self.root / ".dvc/tmp/said"
        self.pids: list[int] = []
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [self.project.program.path, *(args or ("repro",))],  # type: ignore[attr-defined]
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.said.open("wb"),  # no pipe: a command that goes on would hold it open
            start_new_session=True,
        )
        self.started.append(process)
        self.pids = [pid_in(self.root / name) for name in ("pid", "inner")]
        return process

    def let_go(self) -> None:
        with open(self.root / "fifo", "w") as fifo:
            fifo.write("go\n")

    def complete(self) -> None:
        """Runs it once more, and nothing waits. What its command leaves may begin after its end."""
        (self.root / "inner").unlink()  # of the run before
        (self.root / "fifo").unlink()
        self.project.write("fifo", "go\n")
        self.project.dvc("repro")
        os.kill(pid_in(self.root / "inner"), signal.SIGKILL)

    def locked(self) -> set[str]:
        lock = self.root / "dvc.lock"
        return set(yaml.safe_load(lock.read_text())["stages"]) if lock.exists() else set()

    def close(self) -> None:
        """Ends what a test that failed has left."""
        for pid in self.pids:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for process in self.started:
            process.kill()
            process.wait(PATIENCE_S)


@pytest.fixture
def slow(project: Project) -> Iterator[Slow]:
    with closing(Slow(project)) as found:
        yield found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_signal_ends_all_that_runs_and_keeps_what_was_done(
    slow: Slow, number: int, jobs: str
) -> None:
    process = slow.start("repro", "-j", jobs)

    process.send_signal(number)
    process.wait(PATIENCE_S)
    said = slow.said.read_text()

    assert (252 if number == signal.SIGINT else -number) == process.returncode, said
    assert "Traceback" not in said
    until(lambda: not any(map(is_alive, slow.pids)))
    assert {"first"} == slow.locked()
    slow.complete()
    assert {"first", "slow", "last"} == slow.locked()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_signal_that_another_thread_gets_is_heard(slow: Slow, jobs: str) -> None:
    """As the kernel may choose, or when it comes just before the main thread begins to wait."""
    process = slow.start("repro", "-j", jobs)
    threads = [int(name) for name in os.listdir(f"/proc/{process.pid}/task")]
    # The one that ran the first stage, or another, when that had yet to say that it is free.
    other = next(thread for thread in threads if thread != process.pid)

    ctypes.CDLL(None).syscall(SYS_TGKILL, process.pid, other, signal.SIGINT)
    process.wait(PATIENCE_S)

    assert 252 == process.returncode
    until(lambda: not any(map(is_alive, slow.pids)))


def test_a_command_that_outlives_its_repro_keeps_others_from_its_stage(slow: Slow) -> None:
    process = slow.start()
    process.kill()
    process.wait(PATIENCE_S)

    refused = slow.project.dvc("repro", check=False)

    assert 255 == refused.rc
    assert "it is still running: the command of 'slow'" in refused.stderr
    assert "Hint: wait for it, or end it" in refused.stderr
    assert {"first"} == slow.locked()
    slow.let_go()
    os.kill(slow.pids[1], signal.SIGKILL)
    until(lambda: not any(map(is_alive, slow.pids)))
    slow.complete()
    assert {"first", "slow", "last"} == slow.locked()


def test_others_work_while_a_command_runs_and_what_is_kept_is_whole(slow: Slow) -> None:
    project = slow.project
    project.write("data/x", "x")
    project.dvc("add", "-q", "data")
    process = slow.start()

    project.write("data/y", "y")
    for args in (
        ("status",),
        ("add", "data"),
        ("commit", "-f", "data.dvc"),
        ("checkout", "data.dvc"),
        ("gc", "-w", "-f"),
        ("repro", "first"),
    ):
        project.dvc(*args)
    slow.let_go()
    process.wait(PATIENCE_S)
    os.kill(slow.pids[1], signal.SIGKILL)

    assert 0 == process.returncode, slow.said.read_text()
    assert {"first", "slow", "last"} == slow.locked()
    assert "Data and pipelines are up to date." in project.dvc("status").stdout
    assert b"made\n" in objects(project.cache).values()


WIDE = "stages:\n" + "".join(
    f"  s{n}:\n    cmd: echo s{n} >> ran; cat in > o{n}\n    deps: [in]\n    outs: [o{n}]\n"
    f"  t{n}:\n    cmd: echo t{n} >> ran; cat o{n} > p{n}\n    deps: [o{n}]\n    outs: [p{n}]\n"
    for n in range(4)
)
# What the run cache does not know would be seen to run twice.
WIDE += "  u0:\n    cmd: echo u0 >> ran; echo > q0\n    outs: [q0]\n"


@pytest.mark.parametrize(("count", "jobs"), [(2, "1"), (4, "2")])
def test_several_at_once_run_each_stage_once_and_record_all(
    project: Project, count: int, jobs: str
) -> None:
    project.write("dvc.yaml", WIDE)
    project.write("in", "1\n")
    command = [project.program.path, "--wait-for-lock", "repro", "-j", jobs]  # type: ignore[attr-defined]

    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(count)
    ]
    said = [process.communicate(timeout=PATIENCE_S) for process in started]

    assert [0] * count == [process.returncode for process in started], said
    every = sorted(["u0", *(f"{kind}{n}" for kind in "st" for n in range(4))])
    assert every == sorted((project.root / "ran").read_text().split())
    assert every == sorted(yaml.safe_load((project.root / "dvc.lock").read_text())["stages"])
    assert "Data and pipelines are up to date." in project.dvc("repro").stdout


def test_undo_brings_back_what_a_run_replaced(project: Project) -> None:
    def files() -> dict[str, bytes]:
        return {
            name: (project.root / name).read_bytes()
            for name in ("dvc.yaml", "dvc.lock", ".gitignore", "o0", "p0")
        }

    project.write("dvc.yaml", WIDE)
    project.write("in", "1\n")
    project.dvc("repro", "t0")
    project.write("o0", "edited by hand\n")
    project.write("in", "2\n")
    before = files()

    project.dvc("repro", "t0")
    assert files() != before
    project.dvc("undo")

    assert before == files()


HALF = """\
stages:
  s:
    cmd: mkdir d && echo half > d/x && cat in > o && test ! -e fail
    deps: [in]
    outs: [d, o: {cache: false}, never]
  other:
    cmd: cat in > p
    deps: [in]
    outs: [p]
"""


class Half:
    """A project in which a stage failed after it had made half of its outputs anew."""

    def __init__(self, project: Project, *args: str, old: bool) -> None:
        self.root, self.project = project.root, project
        project.write("dvc.yaml", HALF)
        project.write("in", "1\n")
        if old:
            project.write("d/x", "only here\n")
            project.write("d/y", "too\n")
            project.write("o", "edited by hand\n")
        project.write("fail", "")
        self.before = self.data()
        self.said = project.dvc("repro", *args, check=False)
        self.after = self.data()

    def data(self) -> dict[str, str]:
        paths = [*self.root.glob("d/*"), *self.root.glob("[op]")]
        return {str(path.relative_to(self.root)): path.read_text() for path in paths}


@pytest.mark.parametrize("args", [(), ("-k",), ("-j", "2", "-k")])
@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_undo_takes_back_what_a_stage_that_failed_had_made_by_half(
    args: tuple[str, ...], old: bool, project: Project
) -> None:
    """Of neither is anything lost: undoing the undo brings the half of it back."""
    half = Half(project, *args, old=old)
    assert half.said.rc == 255
    assert {"d/x": "half\n", "o": "1\n"}.items() <= half.after.items()

    project.dvc("undo")
    undone = half.data()
    project.dvc("undo")

    assert undone == half.before
    assert half.data() == half.after


@pytest.mark.parametrize("path", ["d/x", "o"])
def test_undo_of_a_stage_that_failed_leaves_what_was_edited_since(
    path: str, project: Project
) -> None:
    half = Half(project, old=True)
    project.write(path, "edited since\n")

    said = project.dvc("undo", check=False)

    assert said.rc == 1
    assert f"since then '{path}' changed" in said.stderr
    assert half.data() == half.after | {path: "edited since\n"}


MUCH = """\
stages:
  much:
    cmd: >-
      mkdir d && echo half > d/small && truncate -s 20M d/big && truncate -s 20M alone
      && read line < fifo
    outs: [d, alone]
"""


class Much:
    """A project in which a stage fails, or is interrupted, after it has made large outputs."""

    def __init__(self, project: Project) -> None:
        self.root, self.project = project.root, project
        self.log = project.root.parent / "opened"
        project.write("dvc.yaml", MUCH)
        project.write("d/old", "only here\n")
        os.mkfifo(self.root / "fifo")

    def fail(self, *args: str, interrupt: bool = False) -> int:
        """Its exit code. What is opened on the way is in the log."""
        trace = ["strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=open,openat,openat2"]
        program = self.project.program.path  # type: ignore[attr-defined]
        with subprocess.Popen(
            [*trace, "-o", str(self.log), program, "repro", *args],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            with open(self.root / "fifo", "w"):
                if interrupt:
                    children = f"/proc/{process.pid}/task/{process.pid}/children"
                    with open(children) as file:
                        os.kill(int(file.read().split()[0]), signal.SIGINT)
            return process.wait(PATIENCE_S)

    def data(self) -> dict[str, int]:
        paths = [*self.root.glob("d/*"), *self.root.glob("alone")]
        return {str(path.relative_to(self.root)): path.stat().st_size for path in paths}


@pytest.fixture
def much(project: Project) -> Much:
    return Much(project)


LEFT = {"d/small": 5, "d/big": 20 << 20, "alone": 20 << 20}


@pytest.mark.parametrize("interrupt", [False, True], ids=["failed", "interrupted"])
@pytest.mark.parametrize("args", [("-j", "1"), ("-j", "2")], ids=["one", "two"])
def test_nothing_large_that_a_command_left_is_read_before_its_end_is_told(
    args: tuple[str, ...], interrupt: bool, much: Much
) -> None:
    code = much.fail(*args, interrupt=interrupt)

    lines = much.log.read_text().splitlines()
    opened = [line for line in lines if 'big"' in line or 'alone"' in line]
    assert opened
    assert [] == [line for line in opened if "O_WRONLY" not in line]
    assert LEFT == much.data()
    assert (252 if interrupt else 255) == code
    much.project.dvc("undo")
    assert {"d/old": 10} == much.data()
    much.project.dvc("undo")
    assert LEFT == much.data()


@pytest.mark.parametrize("path", ["d/big", "alone"])
@pytest.mark.parametrize("same_times", [False, True], ids=["edited", "edited and dated back"])
def test_undo_leaves_large_files_that_were_edited_since(
    same_times: bool, path: str, much: Much
) -> None:
    much.fail()
    edited = much.root / path
    before = edited.stat()
    with edited.open("r+b") as file:
        file.write(b"mine")
    if same_times:
        os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))

    said = much.project.dvc("undo", check=False)

    assert said.rc == 1
    assert f"since then '{path}' changed" in said.stderr
    assert LEFT == much.data()
    assert b"mine" == edited.read_bytes()[:4]


def test_undo_leaves_what_took_the_place_of_a_large_file(much: Much) -> None:
    much.fail()
    (much.root / "d/new").write_bytes(bytes(20 << 20))
    os.replace(much.root / "d/new", much.root / "d/big")

    said = much.project.dvc("undo", check=False)

    assert said.rc == 1
    assert "since then 'd/big' changed" in said.stderr
    assert LEFT == much.data()


def test_undo_keeps_what_was_put_beside_large_files(much: Much) -> None:
    much.fail()
    (much.root / "alone").unlink()
    much.project.write("d/mine", "new\n")

    much.project.dvc("undo")

    assert {"d/old": 10, "d/mine": 4} == much.data()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_undo_takes_back_what_an_interrupted_stage_had_made_by_half(jobs: str, slow: Slow) -> None:
    slow.project.write("dvc.yaml", SLOW.replace("read line", "echo half > slow; read line"))
    slow.project.write("slow", "only here\n")
    process = slow.start("repro", "-j", jobs)
    until((slow.root / "slow").exists)

    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_S)
    assert (slow.root / "slow").read_text() == "half\n"
    slow.project.dvc("undo")

    assert (slow.root / "slow").read_text() == "only here\n"
    assert not (slow.root / "first").exists()
