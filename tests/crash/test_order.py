"""The order of writes of the program as it is run, workers and all, seen by strace (section 3).

Crash points are counted in one process; here nothing counts, hundreds of files make it work in
batches, and what the operating system is told is held against the rules.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.project import Project

FILES = 700
"""More than one batch, and more than are flushed one by one."""
CALLS = (
    "openat,write,pwrite64,copy_file_range,sendfile,ioctl,ftruncate,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,fsync,fdatasync,syncfs"
)
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_OBJECT = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?$")
FLUSHES = ("fsync", "fdatasync", "syncfs")
NAMINGS = ("rename", "renameat", "renameat2", "link", "linkat")
WRITINGS = ("write", "pwrite64", "copy_file_range", "sendfile", "ioctl", "ftruncate")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call. paths: those that it names, in order, absolute. text: its arguments."""

    name: str
    paths: list[str]
    text: str


def _paths(name: str, text: str) -> list[str]:
    """Names in arguments; one that is looked up in an open folder is joined with that one's."""
    if name in WRITINGS or name in FLUSHES:
        return re.findall(r"\d+<([^>]*)>", text)
    return list(_looked_up(text))


def _looked_up(text: str) -> Iterator[str]:
    for found in re.finditer(r'(?:AT_FDCWD|\d+)<([^>]*)>(?:, "([^"]*)")?|"([^"]*)"', text):
        folder, name, alone = found.groups()
        if folder is None:
            yield alone
        else:
            yield name if name and name.startswith("/") else f"{folder}/{name}" if name else folder


def calls_of(log: str) -> Iterator[Call]:
    """A flush counts from its end, everything else from its beginning; what failed, not at all."""
    begun: dict[str, tuple[str, str]] = {}
    for line in log.splitlines():
        if (match := _RESUMED.match(line)) is not None:
            pid, name, rest = match.groups()
            name, text = begun.pop(pid, (name, ""))
            if name in FLUSHES and " = 0" in rest:
                yield Call(name, _paths(name, text), text)
        elif (match := _BEGUN.match(line)) is not None:
            pid, name, text = match.groups()
            unfinished = "<unfinished ...>" in text
            if unfinished:
                begun[pid] = (name, text)
            if not (unfinished and name in FLUSHES) and " = -1 " not in text:
                yield Call(name, _paths(name, text), text)


@dataclass(slots=True)
class Order:
    """Follows the calls, and writes down what breaks a rule.

    unflushed: files that were written since they were flushed. unnamed: objects whose names were
    not flushed since. users: where nothing may be removed or emptied.
    """

    users: str
    broken: list[str] = field(default_factory=list)
    unflushed: set[str] = field(default_factory=set)
    unnamed: set[str] = field(default_factory=set)
    named: list[str] = field(default_factory=list)
    published: int = 0

    def follow(self, call: Call) -> None:
        if call.name in WRITINGS:
            self._written(call)
        elif call.name == "openat":
            self._opened(call)
        elif call.name == "syncfs":
            self.unflushed.clear()
            self.unnamed.clear()
        elif call.name in FLUSHES:
            self._flushed(call.paths[0])
        elif call.name in NAMINGS:
            self._given(call.paths[0], call.paths[-1], moved=call.name.startswith("rename"))
        elif call.name.startswith("unlink") and call.paths[-1].startswith(self.users):
            self.broken.append(f"removed: {call.paths[-1]}")

    def _written(self, call: Call) -> None:
        target = call.paths[1] if call.name == "copy_file_range" else call.paths[0]
        if call.name != "ioctl" or "FICLONE" in call.text:
            self.unflushed.add(target)
        if _OBJECT.search(target) or target.startswith(self.users):
            self.broken.append(f"written in place: {target}")

    def _opened(self, call: Call) -> None:
        target = call.paths[-1]
        if "O_TRUNC" in call.text and (_OBJECT.search(target) or target.startswith(self.users)):
            self.broken.append(f"emptied: {target}")

    def _flushed(self, path: str) -> None:
        self.unflushed.discard(path)
        self.unnamed = {name for name in self.unnamed if name.rpartition("/")[0] != path}

    def _given(self, source: str, target: str, *, moved: bool) -> None:
        is_object = _OBJECT.search(target)
        is_metadata = target.endswith((".dvc", "dvc.lock", ".gitignore"))
        if (is_object or is_metadata) and source in self.unflushed:
            self.broken.append(f"named before its bytes were flushed: {target}")
        if is_object:
            self.published += 1
            if target.endswith(".dir") and self.unnamed:
                self.broken.append(f"{target} while names of {len(self.unnamed)} objects may go")
            self.unnamed.add(target)
        elif target.endswith((".dvc", "dvc.lock")):
            self.named.append(target)
            if self.unnamed:
                self.broken.append(f"{target} while names of {len(self.unnamed)} objects may go")
        if moved and source in self.unflushed:
            self.unflushed.discard(source)
            self.unflushed.add(target)


def traced(project: Project, *words: str) -> Order:
    log = project.root.parent / "strace.log"
    trace = ["strace", "-f", "-qq", "-y", "-s", "8", "-e", "signal=none", "-e", f"trace={CALLS}"]
    done = subprocess.run(
        [*trace, "-o", str(log), sys.executable, "-m", "pannier", *words],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    order = Order(str(project.root / "data") + "/")
    for call in calls_of(log.read_text(errors="replace")):
        order.follow(call)
    return order


def _data(project: Project) -> None:
    for number in range(FILES):
        project.write(f"data/{number % 7}/{number}", f"datum {number}\n".encode())


def _added(project: Project) -> None:
    _data(project)
    project.dvc("add", "-q", "data")


def _edited(project: Project) -> None:
    """The second state is here, saved; the pointer asks for the first."""
    _added(project)
    pointer = (project.root / "data.dvc").read_bytes()
    for number in range(0, FILES, 2):
        project.write(f"data/{number % 7}/{number}", f"another {number}\n".encode())
    project.dvc("add", "-q", "data")
    project.write("data.dvc", pointer)


def _pushed(project: Project) -> None:
    _added(project)
    project.dvc("push", "-q")
    subprocess.run(["rm", "-rf", ".dvc/cache", "data"], cwd=project.root, check=True)


def _stage(project: Project) -> None:
    (project.root / "make.py").write_text(
        "import os\nfor n in range(700):\n"
        "    os.makedirs(f'made/{n % 7}', exist_ok=True)\n"
        "    open(f'made/{n % 7}/{n}', 'w').write(f'made {n}')\n"
    )
    text = f"stages:\n  s:\n    cmd: {sys.executable} make.py\n    outs: [made]\n"
    (project.root / "dvc.yaml").write_text(text)


SCENES: dict[str, tuple[Callable[[Project], None], tuple[str, ...], int]] = {
    "add": (_data, ("add", "-q", "data"), FILES + 1),
    "push": (_added, ("push", "-q"), FILES + 1),
    "pull": (_pushed, ("pull", "-q"), FILES + 1),
    "checkout": (_edited, ("checkout", "-q"), 0),
    "repro": (_stage, ("repro", "-q"), FILES + 1),
}


@pytest.mark.parametrize("scene", SCENES)
def test_bytes_are_flushed_before_names_and_names_before_what_tells_of_them(
    scene: str, project: Project
) -> None:
    """Nothing of the user's is removed, emptied or written in place on the way."""
    prepare, words, count = SCENES[scene]
    project.dvc("remote", "add", "-q", "-d", "there", str(project.root.parent / "remote"))
    prepare(project)

    order = traced(project, *words)

    assert [] == order.broken[:10]
    assert count == order.published
    assert {"add": ["data.dvc"], "repro": ["dvc.lock"]}.get(scene, []) == [
        path.rpartition("/")[2] for path in order.named
    ]


@pytest.mark.parametrize("scene", ["add", "push", "pull"])
def test_without_its_flushes_a_run_breaks_the_rules(scene: str, project: Project) -> None:
    """Else nothing would be seen above."""
    prepare, words, _ = SCENES[scene]
    project.dvc("remote", "add", "-q", "-d", "there", str(project.root.parent / "remote"))
    project.dvc("config", "pannier.fsync", "none")
    prepare(project)

    order = traced(project, *words)

    assert any("before its bytes were flushed" in line for line in order.broken)
