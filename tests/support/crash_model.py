"""What a disk may hold after a power loss, worked out from the log of a run.

POSIX promises little: bytes count from `fsync` of their file on, a name from `fsync` of its folder
on, and `syncfs` covers all before it. Everything younger may be there or not, in any mixture. One
rename is one step: all file systems in use keep that. A `Disk` follows a log and yields such
mixtures as pictures that the checker of tests/support/crash.py judges.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.crash import Picture, Thing

_ESCAPE = re.compile(r"\\(.)")
_MEANS = {"t": "\t", "n": "\n", "\\": "\\"}
SUBSETS_MAX = 6
MIXTURES = 6


@dataclass(slots=True)
class Node:
    """A file, link or folder. data, names: now. flushed_data, flushed_names: on the platter."""

    kind: str
    data: bytes = b""
    flushed_data: bytes = b""
    names: dict[str, int] = field(default_factory=dict)
    flushed_names: dict[str, int] = field(default_factory=dict)


Edit = tuple[int, str, int | None]
"""(folder, name, what it stands for from now on; None when it is gone)."""


class Disk:
    """All below one folder; only changes logged by the program are seen."""

    def __init__(self, root: Path) -> None:
        self.nodes: list[Node] = [Node("dir")]
        self.pending: list[list[Edit]] = []
        self._known: dict[int, int] = {}
        self._load(root, 0)
        self.flush_all()

    def _load(self, folder: Path, at: int) -> None:
        for entry in os.scandir(folder):
            info = entry.stat(follow_symlinks=False)
            number = self._known.get(info.st_ino)
            if number is None:
                kind = "link" if entry.is_symlink() else "dir" if entry.is_dir() else "file"
                data = os.fsencode(os.readlink(entry.path)) if kind == "link" else b""
                data = Path(entry.path).read_bytes() if kind == "file" else data
                number = self._new(kind, data)
                self._known[info.st_ino] = number
            self.nodes[at].names[entry.name] = number
            if self.nodes[number].kind == "dir":
                self._load(Path(entry.path), number)

    def _new(self, kind: str, data: bytes = b"") -> int:
        self.nodes.append(Node(kind, data))
        return len(self.nodes) - 1

    # -- following the log ----

    def apply(self, step: list[str], base: str) -> None:
        """base: the folder's absolute path in the log. Changes elsewhere are not looked at."""
        name, *args = (_ESCAPE.sub(lambda m: _MEANS[m[1]], text) for text in step)
        if name == "symlink":
            args.reverse()  # the log has the content first
        paths = [self._inner(arg, base) for arg in args]
        if name in ("syncfs",):
            self.flush_all()
        elif paths and paths[0] is not None:
            getattr(self, f"_{name}")(paths[0], *args[1:], *[p for p in paths[1:2] if p])

    @staticmethod
    def _inner(path: str, base: str) -> str | None:
        return path[len(base) :].strip("/") if path.startswith(base) else None

    def _find(self, path: str) -> int | None:
        at = 0
        for part in path.split("/") if path else []:
            found = self.nodes[at].names.get(part)
            if found is None:
                return None
            at = found
        return at

    def _place(self, path: str) -> tuple[int, str]:
        parent, _, name = path.rpartition("/")
        folder = self._find(parent)
        assert folder is not None, f"{parent} is not in the model"
        return folder, name

    def _change(self, *edits: Edit) -> None:
        for folder, name, number in edits:
            if number is None:
                self.nodes[folder].names.pop(name, None)
            else:
                self.nodes[folder].names[name] = number
        self.pending.append(list(edits))

    def _source(self, path: str) -> int:
        """What is to be moved or linked; an unlogged empty file is made up."""
        found = self._find(path)
        return self._new("file") if found is None else found

    def _mkdir(self, path: str) -> None:
        if self._find(path) is None:
            self._change((*self._place(path), self._new("dir")))

    def _create(self, path: str) -> None:
        self._change((*self._place(path), self._new("file")))

    def _write(self, path: str, data: str) -> None:
        self.nodes[self._source(path)].data += bytes.fromhex(data)

    def _chmod(self, path: str, *_: str) -> None:
        pass

    def _touch(self, path: str) -> None:
        pass

    def _clone(self, path: str) -> None:
        pass

    def _symlink(self, path: str, content: str, *_: str) -> None:
        number = self._new("link", os.fsencode(content))
        self.nodes[number].flushed_data = self.nodes[number].data
        self._change((*self._place(path), number))

    def _link(self, path: str, _shown: str, target: str) -> None:
        if self._find(target) is None:
            self._change((*self._place(target), self._source(path)))

    def _publish(self, path: str, _shown: str, target: str) -> None:
        if self._find(target) is None:
            self._rename(path, _shown, target)

    def _rename(self, path: str, _shown: str, target: str) -> None:
        number = self._source(path)
        self._change((*self._place(path), None), (*self._place(target), number))

    def _exchange(self, path: str, _shown: str, target: str) -> None:
        first, second = self._source(path), self._source(target)
        self._change((*self._place(path), second), (*self._place(target), first))

    def _unlink(self, path: str) -> None:
        if self._find(path) is not None:
            self._change((*self._place(path), None))

    def _rmdir(self, path: str) -> None:
        number = self._find(path)
        if number is not None and not self.nodes[number].names:
            self._change((*self._place(path), None))

    def _fsync(self, path: str) -> None:
        node = self.nodes[self._source(path)]
        node.flushed_data = node.data

    def _fsyncdir(self, path: str) -> None:
        folder = self._find(path)
        done = [edits for edits in self.pending if any(edit[0] == folder for edit in edits)]
        self.pending = [edits for edits in self.pending if edits not in done]
        for edits in done:
            self._settle(edits)

    def _settle(self, edits: list[Edit]) -> None:
        for folder, name, number in edits:
            if number is None:
                self.nodes[folder].flushed_names.pop(name, None)
            else:
                self.nodes[folder].flushed_names[name] = number

    def flush_all(self) -> None:
        for node in self.nodes:
            node.flushed_data = node.data
            node.flushed_names = dict(node.names)
        self.pending = []

    # -- after the power loss ----

    def after_power_loss(self, chance: random.Random) -> Iterator[Picture]:
        """What may be there if the power failed now: some of all the possibilities."""
        for kept in self._subsets(chance):
            names = [dict(node.flushed_names) for node in self.nodes]
            for edits in kept:
                for folder, name, number in edits:
                    if number is None:
                        names[folder].pop(name, None)
                    else:
                        names[folder][name] = number
            for unflushed in ("whole", "empty", "zeros"):
                yield Picture(dict(self._walk(0, "", names, unflushed)))

    def _subsets(self, chance: random.Random) -> Iterator[list[list[Edit]]]:
        pending = self.pending
        yield []
        yield pending
        count = len(pending)
        some = range(count) if count <= SUBSETS_MAX else chance.sample(range(count), SUBSETS_MAX)
        for at in some:
            yield [pending[at]]
            yield pending[:at] + pending[at + 1 :]
            yield pending[:at]
        for _ in range(min(count, MIXTURES)):
            yield [edits for edits in pending if chance.random() < 0.5]

    def _walk(
        self, at: int, prefix: str, names: list[dict[str, int]], unflushed: str, depth: int = 0
    ) -> Iterator[tuple[str, Thing]]:
        for name, number in names[at].items():
            node = self.nodes[number]
            path = prefix + name
            if node.kind == "dir":
                yield path, Thing("dir")
                if depth < 40:
                    yield from self._walk(number, path + "/", names, unflushed, depth + 1)
                continue
            data = node.data
            if node.data != node.flushed_data and unflushed != "whole":
                data = node.flushed_data if unflushed == "empty" else bytes(len(node.data))
            yield path, Thing(node.kind, data)
