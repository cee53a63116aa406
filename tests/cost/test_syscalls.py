"""What a command asks of the operating system, counted by strace.

The cost of an operation is the cost of the system calls that it cannot avoid: one stat a file
that is looked at, one opening a file that is read, and a few flushes a command.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pannier.store.sources import racy_ns
from tests.unit.test_proc import until

FILES, FOLDERS = 1000, 10
STATS = "stat,lstat,newfstatat,statx"
OPENS = "open,openat,openat2"
FLUSHES = "fsync,fdatasync,sync,syncfs"
_DATA = re.compile(r"datum-\d+")
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"\d+ +<\.\.\. \w+ resumed>(.*)")


@dataclass(frozen=True, slots=True)
class Traced:
    """A project whose runs are counted. env: of the runs; nothing of the machine is in it."""

    root: Path
    env: dict[str, str]

    def run(self, *args: str) -> None:
        self._run([sys.executable, "-m", "pannier", *args])

    def calls(self, calls: str, *args: str) -> list[str]:
        """The system calls of these kinds that a command makes, workers included, as text."""
        log = self.root.parent / "strace.log"
        trace = [
            "strace",
            "-f",
            "-qq",
            "-y",
            "-s",
            "300",
            "-e",
            "signal=none",
            "-e",
            f"trace={calls}",
            "-o",
            str(log),
        ]
        self._run([*trace, sys.executable, "-m", "pannier", *args])
        return in_one_line_each(log.read_text(errors="replace").splitlines())

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def write(self, count: int, start: int = 0) -> None:
        for number in range(start, start + count):
            folder = self.root / "data" / str(number % FOLDERS)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"datum-{number}").write_text(f"{self.root.name} {number}")

    def let_it_settle(self) -> None:
        """What changed just now may change again unseen, and is read anew: how long that is so
        depends on the time stamps of the file system."""
        now_ns = self._now_ns()
        later_ns = now_ns + racy_ns(now_ns) * 11 // 10
        until(lambda: self._now_ns() > later_ns)

    def _now_ns(self) -> int:
        """By the clock of the file system."""
        probe = self.root.parent / "probe"
        probe.write_bytes(b"")
        return probe.stat().st_ctime_ns


def in_one_line_each(lines: list[str]) -> list[str]:
    """strace's calls. One during which it had to tell of another process stands in two lines."""
    found: list[str] = []
    begun: dict[str, int] = {}
    for line in lines:
        process = line.partition(" ")[0]
        if (rest := _RESUMED.match(line)) and process in begun:
            found[begun.pop(process)] += rest[1]
            continue
        if line.endswith(_UNFINISHED):
            begun[process] = len(found)
        found.append(line.removesuffix(_UNFINISHED))
    return found


def about_data(calls: list[str]) -> list[str]:
    return [call for call in calls if _DATA.search(call)]


def about_objects(calls: list[str]) -> list[str]:
    return [call for call in calls if re.search(r"files/md5/[0-9a-f]{2}/[0-9a-f]{30}", call)]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Traced]:
    """Makes an empty project with a remote."""

    def new(name: str) -> Traced:
        base = tmp_path_factory.mktemp(name)
        home = base / "home"
        home.mkdir()
        root = base / name
        root.mkdir()
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "LD_PRELOAD")}
        traced = Traced(root, {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8"})
        subprocess.run(["git", "init", "-q", str(root)], check=True, env=traced.env)
        traced.run("init", "-q")
        traced.run("remote", "add", "-q", "-d", "store", str(base / "remote"))
        return traced

    return new


@pytest.fixture(scope="module")
def unchanged(make: Callable[[str], Traced]) -> Traced:
    """1,000 files, added, pushed, settled and looked at once since."""
    project = make("unchanged")
    project.write(FILES)
    project.run("add", "-q", "data")
    project.run("push", "-q")
    project.let_it_settle()
    project.run("status", "-q")
    return project


def test_the_counting_counts(unchanged: Traced) -> None:
    """Else the tests below would find nothing, and be content."""
    command = "import os; os.stat('data/0/datum-0'); os.close(os.open('data/0/datum-10', 0))"
    log = unchanged.root.parent / "log"
    trace = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={STATS},{OPENS}"]
    subprocess.run([*trace, sys.executable, "-c", command], cwd=unchanged.root, check=True)

    assert 2 == len(about_data(log.read_text().splitlines()))


def test_a_call_that_is_told_of_in_two_lines_counts_once() -> None:
    lines = [
        "7     fsync(3</x/a> <unfinished ...>",
        '8     openat(AT_FDCWD</x>, "b", O_RDONLY <unfinished ...>',
        "7     <... fsync resumed>)          = 0",
        '9     stat("c", {st_mode=S_IFREG|0644, st_size=1, ...}) = 0',
        "8     <... openat resumed>)         = 4</x/b>",
    ]

    assert [
        "7     fsync(3</x/a>)          = 0",
        '8     openat(AT_FDCWD</x>, "b", O_RDONLY)         = 4</x/b>',
        lines[3],
    ] == in_one_line_each(lines)


@pytest.mark.parametrize(
    "command",
    ["status", "data status --json --granular", "add data", "checkout", "commit", "push", "fetch"],
)
def test_a_command_with_nothing_to_do_opens_no_data_and_stats_each_file_once(
    unchanged: Traced, command: str
) -> None:
    calls = unchanged.calls(f"{STATS},{OPENS}", *command.split())

    opened = [call for call in about_data(calls) if " open" in call]
    looked = [call for call in about_data(calls) if " open" not in call]
    assert [] == opened
    assert len(looked) <= (0 if command in ("push", "fetch") else FILES)


@pytest.mark.parametrize(
    "command", ["status", "data status --json --granular", "add data", "checkout", "commit"]
)
def test_a_command_with_nothing_to_do_reads_no_object(unchanged: Traced, command: str) -> None:
    calls = unchanged.calls(OPENS, *command.split())

    assert len([call for call in about_objects(calls) if ".dir" not in call]) == 0


@pytest.mark.parametrize(("command", "looks"), [("list . -R --json", FILES), ("list . -R", 0)])
def test_a_listing_opens_no_data_and_looks_at_no_file_twice(
    unchanged: Traced, command: str, looks: int
) -> None:
    calls = unchanged.calls(f"{STATS},{OPENS}", *command.split())

    assert [] == [call for call in about_data(calls) if " open" in call]
    assert looks == len(about_data(calls))
    assert 1 == len([call for call in about_objects(calls) if " open" in call])


@pytest.mark.parametrize("command", ["add data", "checkout"])
def test_the_first_status_afterwards_asks_the_cache_for_no_object(
    make: Callable[[str], Traced], command: str
) -> None:
    """What the command saw of the cache holds, though its folders changed a moment ago."""
    project = make("first-" + command[:3])
    project.write(FILES + 100)
    project.let_it_settle()
    project.run("add", "-q", "data")
    if command == "checkout":
        os.rename(project.root / "data", project.root.parent / "away")
        project.run("checkout", "-q")

    calls = project.calls(f"{STATS},{OPENS}", "status", "-q")

    assert 256 == len([c for c in calls if re.search(r'files/md5/[0-9a-f]{2}"', c)])
    assert [] == [call for call in about_objects(calls) if ".dir" not in call]


def test_status_costs_little_beyond_the_files(unchanged: Traced) -> None:
    """A fixed number: one a folder of the cache, the settings, the pointers."""
    calls = unchanged.calls(STATS, "status")

    others = set(calls) - set(about_data(calls))
    assert len([call for call in others if f'"{unchanged.root}' in call]) < 256 + 100


def test_status_starts_no_process_but_git(unchanged: Traced) -> None:
    calls = unchanged.calls("execve", "status")

    assert [] == [c for c in calls[1:] if " = 0" in c and "/git" not in c], calls


@pytest.mark.parametrize("command", ["status", "data status", "push", "fetch", "checkout"])
def test_a_command_with_nothing_to_do_flushes_nothing(unchanged: Traced, command: str) -> None:
    assert [] == unchanged.calls(FLUSHES, *command.split())


def test_push_with_nothing_to_do_looks_at_the_remote_without_reading_it(unchanged: Traced) -> None:
    calls = unchanged.calls(OPENS, "push")

    assert [] == [c for c in about_objects(calls) if "/remote/" in c]


POINTERS = 150


@pytest.fixture(scope="module")
def pointers(make: Callable[[str], Traced]) -> Traced:
    """150 files with a pointer each, added, pushed, settled and looked at since."""
    project = make("pointers")
    project.write(POINTERS)
    names = [f"data/{number % FOLDERS}/datum-{number}" for number in range(POINTERS)]
    project.run("add", "-q", *names)
    project.run("push", "-q")
    project.let_it_settle()
    project.run("status", "-q")
    project.run("checkout", "-q")
    return project


@pytest.mark.parametrize("command", ["status", "checkout"])
def test_many_pointers_cost_one_reading_each_and_little_else(
    pointers: Traced, command: str
) -> None:
    """Nothing is asked of the StatCache, or of the clock of the file system, for each of them."""
    calls = pointers.calls(f"{STATS},{OPENS},unlink,pread64,pwrite64,fcntl", command)

    opened = [call for call in about_data(calls) if " open" in call]
    assert POINTERS == len([call for call in opened if ".dvc" in call])
    assert [] == [call for call in opened if ".dvc" not in call]
    looked = [call for call in about_data(calls) if call not in opened]
    assert len(looked) <= 2 * POINTERS + 20
    assert len([call for call in calls if "state.db" in call]) < POINTERS
    assert len([call for call in calls if " unlink(" in call]) < 10


def test_a_pull_of_one_pointer_reads_one_pointer(pointers: Traced) -> None:
    calls = pointers.calls(OPENS, "pull", "data/3/datum-3.dvc")

    assert {"datum-3"} == {found[0] for call in about_data(calls) if (found := _DATA.search(call))}


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_after_one_change_of_a_thousand_one_file_is_read(
    make: Callable[[str], Traced], kind: str
) -> None:
    project = make(f"changed-{kind}")
    project.run("config", "cache.type", kind)
    project.write(FILES)
    project.run("add", "-q", "data")
    project.let_it_settle()
    project.run("status", "-q")
    changed = project.root / "data" / "7" / "datum-7"
    changed.unlink()
    changed.write_text("changed")

    calls = project.calls(OPENS, "add", "data")

    opened = {found[0] for call in about_data(calls) if (found := _DATA.search(call))}
    assert {"datum-7"} == opened


@pytest.fixture(scope="module")
def flushes(make: Callable[[str], Traced]) -> dict[tuple[str, int], int]:
    """(command, number of files) -> how often it flushed."""
    found = {}
    for count in (100, 1000):
        project = make(f"flushes-{count}")
        project.write(count)
        for command in ("add data", "push", "fetch", "checkout", "commit -f data.dvc"):
            if command == "fetch":
                subprocess.run(["rm", "-rf", ".dvc/cache"], cwd=project.root, check=True)
            if command == "checkout":
                subprocess.run(["rm", "-rf", "data"], cwd=project.root, check=True)
            if command.startswith("commit"):
                project.write(count, start=count)
            found[command, count] = len(project.calls(FLUSHES, *command.split()))
    return found


LIMITS = {"add data": 18, "push": 10, "fetch": 12, "checkout": 2, "commit -f data.dvc": 12}


@pytest.mark.parametrize("command", LIMITS)
def test_a_command_flushes_a_few_times_however_many_files_there_are(
    flushes: dict[tuple[str, int], int], command: str
) -> None:
    # Among 100 objects' folders the manifest's own may be new, and one flush more.
    assert flushes[command, 1000] in (flushes[command, 100], flushes[command, 100] - 1)
    assert flushes[command, 1000] <= LIMITS[command]
    assert LIMITS[command] == 0 or flushes[command, 1000] > 0


CHANGES = "rename,renameat,renameat2,unlink,unlinkat,utimensat,chmod,fchmodat,link,linkat"


def test_gc_looks_at_no_object_that_is_in_use_and_moves_the_others_once(
    make: Callable[[str], Traced],
) -> None:
    project = make("collected")
    project.write(FILES)
    project.run("add", "-q", "data")
    project.write(100)
    for number in range(100):
        (project.root / f"data/{number % FOLDERS}/datum-{number}").write_text(f"again {number}")
    project.run("add", "-q", "data")

    calls = project.calls(f"{STATS},{OPENS},{CHANGES}", "gc", "-w", "-f")

    moved = [call for call in about_objects(calls) if " rename" in call]
    others = [call for call in about_objects(calls) if " rename" not in call]
    assert 101 == len(moved)
    assert len(others) <= 4, others[:10]


def test_an_unchanged_add_to_a_common_cache_touches_no_object(
    make: Callable[[str], Traced],
) -> None:
    project = make("common")
    project.run("cache", "dir", "../shared")
    project.write(FILES)
    project.run("add", "-q", "data")
    project.let_it_settle()
    project.run("add", "-q", "data")

    calls = project.calls(f"{STATS},{OPENS},{CHANGES}", "add", "data")

    assert len(about_objects(calls)) <= 4
    assert 1 == len([call for call in calls if " open" in call and "/reused/" in call])


def test_cache_verify_opens_each_object_once(unchanged: Traced) -> None:
    calls = unchanged.calls(f"{STATS},{OPENS}", "cache", "verify")

    opened = [c for c in about_objects(calls) if " open" in c]
    assert FILES + 1 <= len(opened) <= FILES + 3


# -- the operation log ----

ABOUT_FILES = "openat,mkdir,unlink,link,rename,renameat2,write,getdents64,stat,newfstatat,lstat,"
LOG_LIMIT = 28


@pytest.fixture(scope="module")
def logged(make: Callable[[str], Traced]) -> dict[tuple[str, int], list[str]]:
    """(command, number of files) -> its system calls about the operation log."""
    found = {}
    for count in (100, 1000):
        project = make(f"logged-{count}")
        project.write(count)
        for command in ("add data", "status", "checkout data", "checkout", "undo"):
            if command == "checkout":
                subprocess.run(["rm", "-rf", "data"], cwd=project.root, check=True)
            calls = project.calls(ABOUT_FILES + FLUSHES, *command.split())
            found[command, count] = [call for call in calls if ".dvc/tmp/pannier/ops" in call]
    return found


@pytest.mark.parametrize("command", ["add data", "checkout", "undo"])
def test_the_operation_log_costs_a_few_calls_however_many_files_there_are(
    logged: dict[tuple[str, int], list[str]], command: str
) -> None:
    few, many = logged[command, 100], logged[command, 1000]

    assert 0 < len(many) == len(few)
    assert len(many) <= LOG_LIMIT, many


@pytest.mark.parametrize("command", ["status", "checkout data"])
def test_a_command_that_changes_nothing_does_not_look_at_the_operation_log(
    logged: dict[tuple[str, int], list[str]], command: str
) -> None:
    assert logged["add data", 1000]
    assert [] == logged[command, 1000]


@pytest.mark.parametrize(("jobs", "workers"), [("1", 0), ("2", 2), ("3", 3)])
def test_core_checksum_jobs_says_how_many_workers_hash(
    make: Callable[[str], Traced], jobs: str, workers: int
) -> None:
    project = make(f"jobs{jobs}")
    project.write(4000)
    project.run("config", "core.checksum_jobs", jobs)

    started = project.calls("execve", "add", "-q", "data")

    assert sum("worker.serve" in call and "= -1" not in call for call in started) == workers
