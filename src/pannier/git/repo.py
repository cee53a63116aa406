"""GitRepo: what the rest of the program asks Git for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pannier.core.errors import GitError
from pannier.git import refs
from pannier.git.command import READ_ONLY, environment, run
from pannier.git.locate import Location, locate
from pannier.git.objects import SUBMODULE, ObjectReader, Objects

_MAX_ARGS_BYTES = 100_000


class GitRepo:
    """One work tree and its repository.

    root: absolute real path of the work tree. git_dir: of this work tree; common_dir: shared by
    all work trees of the repository. env: what git runs in. Paths given to methods are absolute, or
    relative to root, and always names: no character in them is special. Answers repeat them as they
    were given.

    Nothing here runs a program that the repository's config names, but for the filters of `add`.
    lazy_fetch: see `command.environment`; only for clones that we made ourselves.
    """

    def __init__(
        self, location: Location, environ: Mapping[str, str], *, lazy_fetch: bool = False
    ) -> None:
        self.root = location.root
        self.git_dir = location.git_dir
        self.common_dir = location.common_dir
        self.env = environment(environ, location.places, lazy_fetch=lazy_fetch)
        self._reader = ObjectReader(self.root, self.env)
        self.objects = Objects(self._reader, self.is_shallow())

    @classmethod
    def find(cls, path: str, *, lazy_fetch: bool = False) -> GitRepo | None:
        """The repository whose work tree path lies in; None outside of any, and in a bare one.

        Starts no process in the plain cases. Raises GitError for a `.git` that points nowhere.
        """
        location = locate(path, os.environ)
        return cls(location, os.environ, lazy_fetch=lazy_fetch) if location else None

    @classmethod
    def bare(cls, git_dir: str, *, lazy_fetch: bool = False) -> GitRepo:
        """A repository without a work tree; its root is the repository itself."""
        location = Location(git_dir, git_dir, git_dir, {"GIT_DIR": git_dir})
        return cls(location, os.environ, lazy_fetch=lazy_fetch)

    def close(self) -> None:
        """Ends the process that reads objects; the next question starts another."""
        self._reader.close()

    # Revisions

    def head(self) -> str | None:
        """The commit checked out; None before the first."""
        try:
            return refs.read_head(self.git_dir, self.common_dir)
        except refs.Unclear:
            status, answer = self._run("rev-parse", "--verify", "--quiet", "HEAD", allowed=(0, 1))
            if status == 0:
                return answer.decode().strip()
            _, name = self._run("symbolic-ref", "HEAD")
            self._refs(name.decode().strip())  # damaged is not the same as not there yet
            return None

    def branch(self) -> str | None:
        """The name of the branch checked out, with or without commits; None for a commit alone."""
        status, answer = self._run("symbolic-ref", "--quiet", "--short", "HEAD", allowed=(0, 1))
        return os.fsdecode(answer).strip() if status == 0 else None

    def resolve(self, rev: str) -> str:
        """The full name of the commit that rev means. Raises GitError for an unknown one."""
        unknown = f"unknown Git revision '{rev}'"
        if rev == "HEAD":
            head = self.head()
            if head is None:
                raise GitError(unknown, hint="there is no commit yet")
            return head
        if not rev or rev.startswith("-") or "\0" in rev:
            raise GitError(unknown)
        status, answer = self._run(
            "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", allowed=(0, 1)
        )
        if status != 0:
            shallow = "this clone is shallow; to bring the rest: git fetch --unshallow"
            raise GitError(unknown, hint=shallow if self.is_shallow() else None)
        return answer.decode().strip()

    def resolve_all(self, revs: Sequence[str]) -> list[str]:
        """The same of many, by one process. Raises GitError for the first unknown one."""
        found = self.objects.commits(revs)
        return [sha or self.resolve(rev) for rev, sha in zip(revs, found, strict=True)]

    def branches(self) -> list[tuple[str, str]]:
        """(name, commit) of the local branches, by name."""
        return self._refs("refs/heads/")

    def tags(self) -> list[tuple[str, str]]:
        """(name, commit) of the tags, by name. Tags of other things than commits are left out."""
        return self._refs("refs/tags/")

    def all_commits(self) -> list[str]:
        """Every commit of the branches, remote branches, tags and HEAD, newest first."""
        head = ["HEAD"] if self.head() else []
        _, answer = self._run("rev-list", "--branches", "--remotes", "--tags", *head, "--")
        return answer.decode().split()

    def commits_since(self, timestamp_s: int) -> list[str]:
        """Those of all_commits that were committed at or after a time, newest first.

        Every date is looked at: a clock that was wrong once must not end the walk early.
        """
        head = ["HEAD"] if self.head() else []
        sources = ("--branches", "--remotes", "--tags", *head, "--")
        _, answer = self._run("rev-list", "--timestamp", *sources)
        rows = (line.split() for line in answer.decode().splitlines())
        return [sha for stamp, sha in rows if int(stamp) >= timestamp_s]

    def stashed(self) -> list[str]:
        """The commits of the stash and those they are made of: what was staged, and untracked."""
        return self._run("stash", "list", "--format=%H %P")[1].decode().split()

    def first_parents(self, rev: str, count: int) -> list[str]:
        """A commit and its first parents, count of them in all; below zero: to the root."""
        limit = [f"--max-count={count}"] if count >= 0 else []
        _, answer = self._run("rev-list", "--first-parent", *limit, self.resolve(rev), "--")
        return answer.decode().split()

    def experiments(self) -> list[tuple[str, list[str]]]:
        """(ref, its commits that no branch, tag or HEAD has) of everything below refs/exps."""
        found = []
        known = ["HEAD"] if self.head() else []
        for name, sha in self._refs("refs/exps/"):
            _, answer = self._run("rev-list", sha, "--not", "--branches", "--tags", *known, "--")
            found.append((name, [sha, *(c for c in answer.decode().split() if c != sha)]))
        return found

    def is_shallow(self) -> bool:
        try:
            return os.path.getsize(self.common_dir + "/shallow") > 0
        except OSError:
            return False

    # Content of revisions

    def ls_tree(self, rev: str, paths: Sequence[str] = ("",)) -> list[tuple[str, int, str]]:
        """(path, mode, object) of every file at or below paths in a revision, path by path.

        mode: Git's: regular files, symbolic links (0o120000) and submodules (0o160000). A path
        that is not there adds nothing.
        """
        root = self._tree(rev)
        listed: list[tuple[str, int, str]] = []
        for path in paths:
            path = self._relative(path)
            found = self.objects.find(root, path, follow=False)
            if found is None:
                continue
            mode, oid = found
            if mode != 0o040000:
                listed.append((path, mode, oid))
                continue
            prefix = path + "/" if path else ""
            listed += [(prefix + name, mode, oid) for name, mode, oid in self.objects.below(oid)]
        return listed

    def read_blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(object, bytes) in order. Raises GitError for one that is missing or no blob."""
        return self.objects.blobs(oids)

    def read_files(self, rev: str, paths: Iterable[str]) -> dict[str, bytes]:
        """The bytes of files in a revision; what is no file there is left out.

        Symbolic links are followed inside the repository.
        """
        root = self._tree(rev)
        named: dict[str, str] = {}
        for path in paths:
            found = self.objects.find(root, self._relative(path), follow=True)
            if found is not None and found[0] not in (0o040000, SUBMODULE):
                named[path] = found[1]
        read = dict(self.objects.blobs(dict.fromkeys(named.values())))
        return {path: read[oid] for path, oid in named.items()}

    # Index and ignore rules

    def tracked(self, paths: Sequence[str]) -> set[str]:
        """Those of paths that the index holds, or that hold something that it holds."""
        named = {path: self._relative(path) for path in paths}
        held: set[str] = set()
        for batch in _batches(sorted(set(named.values()))):
            words = [path or "." for path in batch]
            _, answer = self._run("--literal-pathspecs", "ls-files", "-z", "--", *words)
            for entry in answer.split(b"\0")[:-1]:
                path = entry.decode("utf-8", "surrogateescape")
                while path and path not in held:
                    held.add(path)
                    path = path.rpartition("/")[0]
                held.add("")
        return {path for path, relative in named.items() if relative in held}

    def not_held(self, files: Sequence[str]) -> list[str]:
        """Those of files (absolute) whose bytes, as they are now, are not what the index holds.

        No filter is run: a file that filters change on its way counts as not held.
        """
        named = {file: self._relative(file, outside="") for file in files}
        wanted = sorted({path for path in named.values() if path and "\n" not in path})
        blobs: dict[str, str] = {}
        for batch in _batches(wanted):
            _, answer = self._run("--literal-pathspecs", "ls-files", "-s", "-z", "--", *batch)
            for entry in answer.split(b"\0")[:-1]:
                head, _, path = entry.decode("utf-8", "surrogateescape").partition("\t")
                mode, blob, stage = head.split(" ")
                if stage == "0" and mode.startswith("100"):
                    blobs[path] = blob
        known = [path for path in wanted if path in blobs]
        if not known:
            return list(files)
        _, answer = self._run(
            *("hash-object", "--no-filters", "--stdin-paths"),
            stdin=b"\n".join(map(os.fsencode, known)) + b"\n",
        )
        now = dict(zip(known, answer.decode("ascii").split(), strict=True))
        held = {path for path in known if now[path] == blobs[path]}
        return [file for file, path in named.items() if path not in held]

    def is_tracked(self, path: str) -> bool:
        return path in self.tracked([path])

    def check_ignore(self, paths: Sequence[str]) -> dict[str, bool]:
        """Tells for each path whether the ignore rules match it, tracked or not.

        A rule for folders only ("x/") matches a path that is a folder on disk or that ends in "/".
        What lies outside the work tree or behind a symbolic link is never ignored.
        """
        answers = dict.fromkeys(paths, False)
        asked: dict[bytes, list[str]] = {}
        links: dict[str, bool] = {"": False}
        for path in answers:
            relative = self._relative(path, outside="")
            if relative and not self._is_link(os.path.dirname(relative), links):
                slash = "/" if path.endswith("/") else ""
                # "./" keeps ":x" from being read as magic: check-ignore knows no literal mode.
                asked.setdefault(os.fsencode(f"./{relative}{slash}"), []).append(path)
        if asked:
            _, output = self._run(
                *("check-ignore", "--no-index", "--stdin", "-z"),
                stdin=b"\0".join(asked) + b"\0",
                allowed=(0, 1),
            )
            for entry in output.split(b"\0")[:-1]:
                answers |= dict.fromkeys(asked[entry], True)
        return answers

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Those of paths that `check_ignore` finds ignored."""
        return {path for path, ignored in self.check_ignore(paths).items() if ignored}

    def is_ignored(self, path: str) -> bool:
        return self.check_ignore([path])[path]

    def files(self) -> list[str]:
        """All files that the index names or that no ignore rule hides, as seen from the root."""
        options = ("--cached", "--others", "--exclude-standard", "-z")
        _, answer = self._run("ls-files", *options)
        return sorted({os.fsdecode(entry) for entry in answer.split(b"\0")[:-1]})

    def untracked(self, folder: str) -> list[str]:
        """The files below a folder that neither the index nor an ignore rule names, as seen from
        there, sorted. Of another repository inside, only its folder is named.
        """
        _, answer = self._run(
            *("--literal-pathspecs", "-C", self._relative(folder) or "."),
            *("ls-files", "--others", "--exclude-standard", "-z"),
        )
        return sorted(os.fsdecode(entry) for entry in answer.split(b"\0")[:-1])

    def add(self, paths: Sequence[str], *, force: bool = False) -> None:
        """Stages paths as they are on disk; deleted ones too. force: ignored ones too.

        Runs the filters (Git LFS, ...) that attributes ask for, as git itself.
        """
        words = [self._relative(path) or "." for path in paths]
        if not words:
            return
        options = ["--force"] if force else []
        # --sparse: what was just written is there to be added, sparse checkout or not.
        self._run(
            *("--literal-pathspecs", "add", "--sparse", *options),
            *("--pathspec-from-file=-", "--pathspec-file-nul"),
            stdin=b"\0".join(map(os.fsencode, words)),
        )

    def merge_text(self, ancestor: str, our: str, their: str) -> bytes:
        """The line by line merge of three files, with Git's marks where they conflict."""
        _, answer = self._run(
            *("merge-file", "-p", "-L", "ours", "-L", "ancestor", "-L", "theirs"),
            *(our, ancestor, their),
            allowed=range(128),
        )
        return answer

    # Config and places

    def config_get(self, key: str) -> str | None:
        """The value that counts for a key, whatever level it comes from."""
        status, answer = self._run("config", "-z", "--get", key, allowed=(0, 1), overrides=())
        return os.fsdecode(answer.removesuffix(b"\0")) if status == 0 else None

    def config_set(self, key: str, value: str) -> None:
        """Writes a key in the repository's own config."""
        self._run("config", "--local", "--replace-all", key, value, overrides=())

    def hooks_dir(self) -> str:
        """Absolute folder that git runs hooks from (core.hooksPath counts)."""
        _, answer = self._run("rev-parse", "--git-path", "hooks", overrides=())
        return os.path.normpath(os.path.join(self.root, os.fsdecode(answer.removesuffix(b"\n"))))

    def info_exclude_path(self) -> str:
        """The file of ignore rules that is never committed; it need not exist."""
        return self.common_dir + "/info/exclude"

    def _run(
        self,
        *args: str,
        stdin: bytes | None = None,
        allowed: Sequence[int] = (0,),
        overrides: Sequence[str] = READ_ONLY,
    ) -> tuple[int, bytes]:
        return run(
            args, cwd=self.root, env=self.env, stdin=stdin, allowed=allowed, overrides=overrides
        )

    def _tree(self, rev: str) -> str:
        return self.objects.root(rev if refs.is_oid(rev) else self.resolve(rev))

    def _refs(self, prefix: str) -> list[tuple[str, str]]:
        fields = "%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)"
        _, answer = self._run("for-each-ref", f"--format={fields}", prefix)
        found = []
        for line in answer.decode("utf-8", "surrogateescape").split("\n")[:-1]:
            name, kind, oid, peeled_kind, peeled = line.split("\0")
            if peeled_kind == "tag":  # a tag of a tag: older gits peel one layer only
                try:
                    kind, oid = "commit", self.resolve(oid)
                except GitError:
                    continue
            elif peeled:
                kind, oid = peeled_kind, peeled
            if kind == "commit":
                found.append((name.removeprefix(prefix), oid))
        return found

    def _relative(self, path: str, outside: str | None = None) -> str:
        """path as seen from root, normalised; '' is root. outside: the answer for one beyond it.

        Raises GitError for a path outside when no answer is given.
        """
        if os.path.isabs(path):
            found = os.path.relpath(path, self.root)
            if found == ".." or found.startswith("../"):
                parent, name = os.path.split(os.path.abspath(path))
                found = os.path.relpath(os.path.join(os.path.realpath(parent), name), self.root)
        else:
            found = os.path.normpath(path or ".")
        if found == ".." or found.startswith("../"):
            if outside is None:
                raise GitError(f"'{path}' lies outside the Git repository '{self.root}'")
            return outside
        return "" if found == "." else found

    def _is_link(self, folder: str, known: dict[str, bool]) -> bool:
        """True for a folder (relative to root) that is a symbolic link, or is reached over one."""
        if folder not in known:
            known[folder] = os.path.islink(os.path.join(self.root, folder)) or self._is_link(
                os.path.dirname(folder), known
            )
        return known[folder]


def _batches(paths: Sequence[str]) -> Iterator[list[str]]:
    """paths in groups that fit on a command line."""
    batch: list[str] = []
    size_bytes = 0
    for path in paths:
        size_bytes += len(path) + 1
        if batch and size_bytes > _MAX_ARGS_BYTES:
            yield batch
            batch, size_bytes = [], len(path)
        batch.append(path)
    if batch:
        yield batch
