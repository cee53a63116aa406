"""Reading Git objects: one long-lived `git cat-file`, and the trees that it hands out.

Trees are walked here and not by `git ls-tree`: over a thousand commits nearly all folders are the
same objects, and one that was read once is not asked for again.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

from pannier.core.errors import GitError
from pannier.core.typed import TYPE_CHECKING
from pannier.git.command import READ_ONLY, failure, not_started
from pannier.git.refs import is_oid

if TYPE_CHECKING:
    import weakref
    from subprocess import Popen

SYMLINK, SUBMODULE, FOLDER = 0o120000, 0o160000, 0o040000

Tree = dict[str, tuple[int, str]]
"""One folder: name -> (mode, object). Names are UTF-8, other bytes as surrogates."""

_BATCH = 100
_REMEMBERED_ENTRIES = 100_000
_MAX_LINKS = 40


class ObjectReader:
    """A `git cat-file --batch-command` that runs until close(). Any thread may ask."""

    def __init__(self, root: str, env: Mapping[str, str]) -> None:
        self._root, self._env = root, env
        self._lock = threading.Lock()
        self._process: Popen[bytes] | None = None
        self._end: weakref.finalize[..., ObjectReader] | None = None

    def read(self, names: Sequence[str]) -> list[tuple[str, str, bytes] | None]:
        """(object, type, bytes) of each, in order; None for one that is not there.

        names: full object names, or those with `^{tree}` behind. All answers are held at once:
        callers ask for some hundred.
        """
        return self._ask("contents", names)

    def sizes(self, names: Sequence[str]) -> list[int | None]:
        """The size of each object in bytes, in order; None for one that is not there."""
        return [None if found is None else int(found[2]) for found in self._ask("info", names)]

    def commits(self, revs: Sequence[str]) -> list[str | None]:
        """The commit that each revision means, in order; None for what is unclear."""
        # A line of its own for each: a newline in one would begin a command.
        named = [rev for rev in revs if rev and not any(sign in rev for sign in "\n\r\0")]
        with self._lock:
            try:
                found = self._exchange("info", [f"{rev}^{{commit}}" for rev in named])
            except BaseException:
                self._stop()
                raise
        known = dict(zip(named, found, strict=True))
        answers = [known.get(rev) for rev in revs]
        return [None if each is None else each[0] for each in answers]

    def _ask(self, verb: str, names: Sequence[str]) -> list[tuple[str, str, bytes] | None]:
        for name in names:
            # A newline in it would begin a command of its own.
            if not is_oid(name.removesuffix("^{tree}")):
                raise GitError(f"{name!r} is not the name of a Git object")
        with self._lock:
            try:
                return self._exchange(verb, names)
            except BaseException:
                self._stop()  # its answers no longer match our questions
                raise

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _exchange(self, verb: str, names: Sequence[str]) -> list[tuple[str, str, bytes] | None]:
        """(object, type, bytes) of each; for "info" the bytes are the size in digits."""
        process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        try:
            # git answers only after `flush`, so neither side ever waits with a full pipe.
            question = "".join(f"{verb} {name}\n" for name in names) + "flush\n"
            process.stdin.write(question.encode())
            process.stdin.flush()
        except BrokenPipeError:
            raise self._died(process) from None
        found: list[tuple[str, str, bytes] | None] = []
        for _ in names:
            header = process.stdout.readline()
            words = header.decode().split()
            if header.endswith((b" missing\n", b" ambiguous\n")):
                found.append(None)
                continue
            if not header.endswith(b"\n") or len(words) != 3:
                raise self._died(process)
            if verb == "info":
                found.append((words[0], words[1], words[2].encode()))
                continue
            size = int(words[2])
            data = process.stdout.read(size + 1)
            if len(data) != size + 1:
                raise self._died(process)
            found.append((words[0], words[1], data[:-1]))
        return found

    def _start(self) -> Popen[bytes]:
        import subprocess

        try:
            self._process = subprocess.Popen(
                ["git", *READ_ONLY, "cat-file", "--batch-command", "--buffer"],
                cwd=self._root,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,  # Ctrl-C is ours to answer; we may still need it for that
            )
        except OSError as error:
            raise not_started(error, self._root) from None
        import weakref  # with the first object that is read

        self._end = weakref.finalize(self, _end, self._process)
        return self._process

    def _stop(self) -> None:
        if self._end is not None:
            self._end()
        self._process = self._end = None

    def _died(self, process: Popen[bytes]) -> GitError:
        assert process.stdin
        assert process.stderr
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        return failure("cat-file", process.stderr.read())


def _end(process: Popen[bytes]) -> None:
    process.kill()  # it only reads
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        try:
            if stream:
                stream.close()
        except BrokenPipeError:
            pass


class Objects:
    """Blobs and trees by name. Remembers trees: content-addressed, so never out of date."""

    def __init__(self, reader: ObjectReader, shallow: bool) -> None:
        self._reader, self._shallow = reader, shallow
        self._trees: dict[str, Tree] = {}
        self._roots: dict[str, str] = {}
        self._entries = 0

    def commits(self, revs: Sequence[str]) -> list[str | None]:
        """The commit that each revision means, in order; None for an unknown or unclear one."""
        rest = iter(revs)
        found: list[str | None] = []
        while batch := list(islice(rest, _BATCH)):
            found += self._reader.commits(batch)
        return found

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of each, in order. Raises GitError for one that is missing or no blob."""
        for _, oid, data in self._all(oids, "blob"):
            yield oid, data

    def sizes(self, oids: Iterable[str]) -> dict[str, int | None]:
        """The size of each object in bytes (a folder's: of its list); None: it is not there."""
        rest = iter(dict.fromkeys(oids))
        found: dict[str, int | None] = {}
        while batch := list(islice(rest, _BATCH)):
            found.update(zip(batch, self._reader.sizes(batch), strict=True))
        return found

    def root(self, commit: str) -> str:
        """The tree of a commit."""
        if commit not in self._roots:
            self.foresee([commit])
        return self._roots[commit]

    def foresee(self, commits: Iterable[str]) -> None:
        """Reads the trees of commits that will be asked for, in one exchange."""
        names = {f"{commit}^{{tree}}": commit for commit in commits if commit not in self._roots}
        for name, oid, data in self._all(names, "tree"):
            self._roots[names[name]] = oid
            self._remember(oid, _parse_tree(oid, data))

    def committed_s(self, commit: str) -> int:
        """When a commit was made, in seconds since 1970; 0 where it does not say."""
        ((_, _, data),) = self._all([commit], "commit")
        for line in data.split(b"\n\n", 1)[0].splitlines():
            if line.startswith(b"committer "):
                stamp = line.split()[-2]
                return int(stamp) if stamp.isdigit() else 0
        return 0

    def trees(self, oids: Iterable[str]) -> dict[str, Tree]:
        known, missing = {}, []
        for oid in dict.fromkeys(oids):
            if oid in self._trees:
                known[oid] = self._trees[oid]
            else:
                missing.append(oid)
        for _, oid, data in self._all(missing, "tree"):
            tree = known[oid] = _parse_tree(oid, data)
            self._remember(oid, tree)
        return known

    def below(self, root: str) -> Iterator[tuple[str, int, str]]:
        """(path, mode, object) of everything below a tree but the folders, in Git's order."""
        loaded: dict[str, Tree] = {}
        level = {root}
        while level:
            trees = self.trees(level)
            loaded |= trees
            level = {
                oid for tree in trees.values() for mode, oid in tree.values() if mode == FOLDER
            } - loaded.keys()
        stack = [("", iter(loaded[root].items()))]
        while stack:
            prefix, rows = stack[-1]
            for name, (mode, oid) in rows:
                if mode == FOLDER:
                    stack.append((f"{prefix}{name}/", iter(loaded[oid].items())))
                    break
                yield prefix + name, mode, oid
            else:
                stack.pop()

    def find(self, root: str, path: str, *, follow: bool) -> tuple[int, str] | None:
        """(mode, object) of a path below a tree, or None.

        follow: symbolic links are followed as on disk, as long as they stay in the tree.
        """
        parts = deque(path.split("/"))
        folders = [root]
        links = 0
        while parts:
            name = parts.popleft()
            if name in ("", "."):
                continue
            if name == "..":
                folders.pop()
                if not folders:
                    return None
                continue
            entry = self.trees(folders[-1:])[folders[-1]].get(name)
            if entry is None:
                return None
            mode, oid = entry
            if mode == FOLDER:
                folders.append(oid)
            elif mode == SYMLINK and follow:
                links += 1
                target = next(self.blobs([oid]))[1].decode("utf-8", "surrogateescape")
                if links > _MAX_LINKS or target.startswith("/"):
                    return None
                parts.extendleft(reversed(target.split("/")))
            else:
                return None if parts else entry
        return FOLDER, folders[-1]

    def _remember(self, oid: str, tree: Tree) -> None:
        self._entries += len(tree)
        if self._entries > _REMEMBERED_ENTRIES:
            self._trees.clear()
            self._entries = len(tree)
        self._trees[oid] = tree

    def _all(self, names: Iterable[str], kind: str) -> Iterator[tuple[str, str, bytes]]:
        """(name asked for, object, bytes) of each, a batch at a time."""
        rest = iter(names)
        while batch := list(islice(rest, _BATCH)):
            for name, answer in zip(batch, self._reader.read(batch), strict=True):
                if answer is None:
                    raise self._missing(name)
                oid, found, data = answer
                if found != kind:
                    raise GitError(f"the Git object {name} is a {found}, not a {kind}")
                yield name, oid, data

    def _missing(self, name: str) -> GitError:
        return GitError(
            f"the Git object {name.removesuffix('^{tree}')} is missing from the repository",
            hint="the clone is shallow; to bring the rest: git fetch --unshallow"
            if self._shallow
            else "to see what else is missing: git fsck",
        )


@cache
def _row(oid_bytes: int) -> re.Pattern[bytes]:
    """One entry of a tree. Compiled on first use: that costs more than the rest of an import."""
    return re.compile(rb"([0-7]+) ([^\0]+)\0(.{%d})" % oid_bytes, re.DOTALL)


def _parse_tree(oid: str, data: bytes) -> Tree:
    rows = _row(len(oid) // 2).findall(data)
    tree: Tree = {}
    size_bytes = 0
    for mode, name, target in rows:
        size_bytes += len(mode) + len(name) + len(target) + 2
        tree[name.decode("utf-8", "surrogateescape")] = (int(mode, 8), target.hex())
    if size_bytes != len(data):
        raise GitError(f"the Git tree {oid} is damaged")
    return tree
