"""Two projects that start the same: real DVC works in one, our program in the other.

Every step is done on both sides; then everything that DVC defines is compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.programs import Completed, Runner, git
from tests.support.project import Entry, differences, objects, picture
from tests.support.wanted import is_wanted

OWN_STATE = (".git", ".dvc/tmp", ".dvc/cache", ".dvc/pannier.toml", ".dvc/pannier.local.toml")


@dataclass(frozen=True, slots=True)
class Side:
    """One program with its own repository, remote and settings below `base`."""

    base: Path
    program: Runner

    @property
    def repo(self) -> Path:
        return self.base / "repo"

    @property
    def remote(self) -> Path:
        return self.base / "remote"

    def run(self, *args: str, cwd: str = "") -> Completed:
        env = {
            "DVC_SITE_CACHE_DIR": str(self.base / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.base / "global"),
        }
        shown = [arg.replace("{base}", str(self.base)) for arg in args]
        return self.program(*shown, cwd=self.repo / cwd, env=env)

    def plain(self, text: str) -> str:
        """text without what differs between the two sides by its nature."""
        return text.replace(str(self.base), "{base}")

    def workspace(self) -> dict[str, Entry]:
        """The work tree. Of modes only the owner's bits count: DVC leaves the others to chance."""
        return {
            path: Entry(
                entry.kind,
                self.plain(entry.data.decode("latin-1")).encode("latin-1"),
                entry.mode & 0o700,
            )
            for path, entry in picture(self.repo, leave_out=OWN_STATE).items()
        }

    def stored(self) -> dict[str, Entry]:
        return {
            f"{name}: {path}": Entry("file", data)
            for name, store in (("cache", self.repo / ".dvc/cache"), ("remote", self.remote))
            for path, data in objects(store).items()
        }

    def index(self) -> dict[str, Entry]:
        changed = git("status", "--porcelain", "-uall", cwd=self.repo).lines
        return {f"git status: {line}": Entry("file") for line in changed}


def normal(text: str) -> Any:
    """A program's standard output with what has no fixed order sorted: JSON, or sorted lines."""
    if text.startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError:
            pass
    text = re.sub(
        r"(?m)^\tgit add (.*)$", lambda m: "\tgit add " + " ".join(sorted(m[1].split(" "))), text
    )
    return sorted(text.splitlines())


class Parted(Exception):
    """The two sides differ as docs/compat.md says they shall; from here on they cannot be compared.

    id: of the row.
    """

    def __init__(self, id_: str) -> None:
        super().__init__(id_)
        self.id = id_


@dataclass(frozen=True, slots=True)
class Parting:
    """One command that led to different things. found: what differs, line by line."""

    args: tuple[str, ...]
    left: Completed
    right: Completed
    found: list[str]
    history: list[str]

    @property
    def beside_output(self) -> list[str]:
        return [line for line in self.found if not line.startswith("standard output: ")]


def _tells_a_deletion_more(args: tuple[str, ...], left: str, right: str) -> bool:
    """Whether `left` says all that `right` says, and of something more that it is deleted."""
    if "--summary" in args:
        counts = [re.search(r"(\d+) files? deleted", text) for text in (left, right)]
        return counts[0] is not None and int(counts[0][1]) > int(counts[1][1] if counts[1] else 0)
    sums = re.compile(r"\d+ files? (added|modified|deleted|fetched)|Everything is up to date\.")
    said, answered = (
        [line for line in text.splitlines() if not sums.match(line)] for text in (left, right)
    )
    more = [line for line in said if line not in answered]
    kept = [line.replace(" deleted", "") for line in said]
    deletion = any(re.search(r"^D\s| deleted", line) for line in more)
    return deletion and all(line.replace(" deleted", "") in kept for line in answered)


def _counts_more_deleted(left: str, right: str) -> bool:
    """Whether two answers are the same but for how many files are deleted: more at the left."""
    sums = re.compile(r",? ?(and )?\b(\d+) files? deleted")
    told, counted = (sums.search(text) for text in (left, right))
    return (
        told is not None
        and int(told[2]) > int(counted[2] if counted else 0)
        and normal(sums.sub("", left)) == normal(sums.sub("", right))
    )


def _tells_more(word: str, left: str, right: str) -> bool:
    """Whether an answer to `status -c` is the other one and more of what is new, or missing."""
    said, answered = normal(left), normal(right)
    if isinstance(said, dict) and isinstance(answered, dict):
        more = {key: state for key, state in answered.items() if key not in said}
        return bool(more) and set(more.values()) == {word} and said.items() <= answered.items()
    lines = [line for line in answered if line not in said]
    return (
        bool(lines)
        and all(line.startswith(f"\t{word}: ") for line in lines)
        and not [line for line in said if line.startswith("\t") and line not in answered]
    )


def _states(answer: str) -> list[str]:
    """The words of an answer to `status -c`, without the names that they are about."""
    said = normal(answer)
    return sorted(said.values() if isinstance(said, dict) else [s.partition(":")[0] for s in said])


def _has_other_mode(line: str) -> bool:
    """A file of the work tree with the same bytes on both sides."""
    return re.match(r"[^:]*: file \d+ (b.*) \| file \d+ \1\Z", line) is not None


def _is_other_kind(line: str) -> bool:
    """A file of the work tree that is a link into the cache on one side only."""
    file, link = r"file \d+ .*", r"link 0 b'\{base\}/repo/\.dvc/cache/.*"
    return re.match(rf".*: (?:{file} \| {link}|{link} \| {file})\Z", line) is not None


def _tells_as_deleted(it: Parting, line: str) -> bool:
    """Whether DVC told a file as deleted, which it has made anew then."""
    path = line.partition(": ")[0]
    return re.search(rf"(?m)^D\s+{re.escape(path)}$", it.left.stdout) is not None


def _has_lost(it: Parting, what: str) -> bool:
    """Whether an earlier step took what (a pattern) out of the cache, and none brought all back."""
    for step in reversed(it.history[:-1]):
        if re.match(r"dvc (fetch|pull)( -f)?\Z", step):
            return False
        if re.match(rf"rm (-r )?\.dvc/cache{what}\Z", step):
            return True
    return False


def _is_old_list(line: str) -> bool:
    """Of a directory's list of files, which DVC alone has written into its cache."""
    return line.startswith("cache: ") and ".dir: " in line and line.endswith("| absent")


Excuse = Callable[[Parting], bool]
EXCUSES: dict[str, Excuse] = {
    "failed-checkout": lambda it: (
        it.args[0] in ("checkout", "pull") and it.left.rc == it.right.rc != 0
    ),
    "executable-copied": lambda it: (
        (
            it.args[0] in ("checkout", "pull")
            and all(_has_other_mode(line) for line in it.beside_output)
            and any(step.endswith(" +x") for step in it.history)
        )
        or (
            it.args[0] in ("add", "commit")
            and any("isexec: true" in line for line in it.found)
            and all(
                "isexec: true" in line or re.match(r"git status: .*\.dvc: ", line)
                for line in it.found
            )
        )
    ),
    "file-mode": lambda it: (
        it.args[0] in ("add", "commit") and all(_has_other_mode(line) for line in it.found)
    ),
    "status-cloud-name": lambda it: (
        it.args[:2] == ("status", "-c")
        and not it.beside_output
        and _states(it.left.stdout) == _states(it.right.stdout)
    ),
    "checkout-untrue": lambda it: (
        it.args[0] in ("checkout", "pull")
        and all(
            _has_other_mode(line)
            or ("--relink" in it.args and line == "exit code: 0 | 255")
            or (_is_other_kind(line) and _tells_as_deleted(it, line))
            for line in it.beside_output
        )
        and any(re.match(r"(\(.*\) )?dvc (add|commit) .*/", step) for step in it.history)
        and _tells_a_deletion_more(it.args, it.left.stdout, it.right.stdout)
    ),
    "add-part-old": lambda it: (
        it.args[0] == "add" and it.left.rc == 1 and ".dir'" in it.left.stderr
    ),
    "empty-directories": lambda it: (
        it.args[0] in ("checkout", "pull")
        and it.beside_output != []
        and all(line.endswith(": absent | dir 0 b''") for line in it.beside_output)
    ),
    "checkout-left-out": lambda it: (
        it.args[0] in ("checkout", "pull")
        and any(step.endswith(" >> .dvcignore") for step in it.history)
        and (
            (not it.beside_output and "M  " in it.left.stdout)
            or "left out by .dvcignore" in it.right.stderr
        )
    ),
    "deleted-folders": lambda it: (
        it.args[0] in ("checkout", "pull")
        and not it.beside_output
        and _counts_more_deleted(it.left.stdout, it.right.stdout)
    ),
    "links-to-nothing": lambda it: (
        it.args[0] in ("checkout", "pull")
        and [0, 255] == [it.left.rc, it.right.rc]
        and (
            any(".dvc/cache/" in line for line in it.beside_output)
            or (_has_lost(it, ".*") and "dvc config cache.type symlink" in it.history)
        )
        and "Checkout failed for following targets" in it.right.stderr
        and all(
            line.startswith("exit code: ")
            or re.search(r": (link|dir) .*\| absent\Z", line)
            or re.search(r": absent \| (file|dir|link) ", line)
            or re.search(r": link 0 b'\{base\}/repo/\.dvc/cache/.* \| file ", line)
            for line in it.beside_output
        )
    ),
    "links-lost": lambda it: (
        it.args[0] == "commit"
        and it.left.rc in (1, 255)
        and it.right.rc == 1
        and re.search("No such file|is not a file or directory", it.left.stderr) is not None
        and "it is a link to nothing" in it.right.stderr
    ),
    "data-status-forgets": lambda it: (
        it.args[0] == "checkout"
        and [0, 255] == [it.left.rc, it.right.rc]
        and "Checkout failed for following targets" in it.right.stderr
        and _has_lost(it, r"(/.*\.dir)?")
    ),
    "last-copy": lambda it: (
        it.args[0] in ("checkout", "pull")
        and any(re.search(r": absent \| (file|link) ", line) for line in it.beside_output)
        and all(
            line.startswith("exit code: ") or re.search(r": absent \| (file|link|dir) ", line)
            for line in it.beside_output
        )
    ),
    "remote-looked-at": lambda it: (
        (it.args[:2] == ("status", "-c") and _tells_more("new", it.left.stdout, it.right.stdout))
        or (
            it.args[0] == "push"
            and any(line.startswith("remote: ") for line in it.beside_output)
            and all(re.match(r"remote: .*: absent \| file ", line) for line in it.beside_output)
        )
    ),
    "status-cloud-lists": lambda it: (
        it.args[:2] == ("status", "-c")
        and not it.beside_output
        and re.search(r"(?m)^name: None, md5: \w+\.dir$", it.left.stderr) is not None
        and _tells_more("missing", it.left.stdout, it.right.stdout)
    ),
    "push-missing": lambda it: (
        it.args[0] in ("push", "fetch")
        and [0, 1] == [it.left.rc, it.right.rc]
        and len(it.beside_output) == 1
        and "do not exist neither locally nor on remote" in it.left.stderr
    ),
    "add-all-or-nothing": lambda it: (
        it.args[0] == "add"
        and [1, 1] == [it.left.rc, it.right.rc]
        and all(
            line.endswith("| absent")
            or re.search(r": link 0 b'\{base\}/repo/\.dvc/cache/.* \| file ", line)
            for line in it.found
        )
    ),
    "own-words": lambda it: (
        [254, 254] == [it.left.rc, it.right.rc]
        and all(run.stdout.startswith("usage: ") for run in (it.left, it.right))
        and not it.beside_output
    ),
    "commit-all-or-nothing": lambda it: (
        it.args[0] == "commit"
        and [1, 1] == [it.left.rc, it.right.rc]
        and "does not exist" in it.right.stderr
    ),
    "commit-part": lambda it: (
        it.args[0] == "commit"
        and not it.left.rc
        and all(
            re.match(r"cache: .*: absent \| file ", line)
            or _is_old_list(line)
            or (_is_other_kind(line) and not line.startswith(f"{it.args[-1]}: "))
            for line in it.found
        )
    ),
    "status-writes-nothing": lambda it: (
        it.args[0] in ("status", "add", "commit") and all(_is_old_list(line) for line in it.found)
    ),
}
"""By the id of a row in docs/compat.md: does it explain what these arguments led to here and there?

An excuse without its row counts for nothing.
"""


@dataclass(slots=True)
class Twins:
    """theirs: real DVC. history: the steps so far, as they can be typed."""

    theirs: Side
    ours: Side
    history: list[str] = field(default_factory=list)

    def touch(self, said: str, change: Callable[[Path], object]) -> None:
        """Changes files on both sides. change gets the folder with repo and remote in it."""
        self.history.append(said)
        for side in (self.theirs, self.ours):
            change(side.base)

    def git(self, *args: str) -> None:
        self.history.append("git " + " ".join(args))
        left, right = (git(*args, cwd=s.repo, check=False) for s in (self.theirs, self.ours))
        assert left.rc == right.rc, self.story([str(left), str(right)])

    def dvc(self, *args: str, cwd: str = "") -> Completed:
        """Runs one command on both sides and compares all that can be seen. Returns DVC's run.

        Raises Parted when they differ and a row of docs/compat.md explains it.
        """
        self.history.append((f"(in {cwd}) " if cwd else "") + "dvc " + " ".join(args))
        left, right = self.theirs.run(*args, cwd=cwd), self.ours.run(*args, cwd=cwd)
        found = []
        if left.rc != right.rc:
            found.append(f"exit code: {left.rc} | {right.rc}")
        said, answered = (
            normal(s.plain(r.stdout)) for s, r in ((self.theirs, left), (self.ours, right))
        )
        if said != answered:
            found.append(f"standard output: {said}\n{' ' * 16}| {answered}")
        found += self.compare()
        if found:
            for id_, explains in EXCUSES.items():
                if is_wanted(id_) and explains(Parting(args, left, right, found, self.history)):
                    raise Parted(id_)
        assert not found, self.story([*found, f"DVC: {left}", f"ours: {right}"])
        return left

    def compare(self) -> list[str]:
        files = self.theirs.workspace(), self.ours.workspace()
        found = differences(_excused(*files), files[1])
        for look in (Side.stored, Side.index):
            found += differences(look(self.theirs), look(self.ours))
        return found

    def story(self, found: list[str]) -> str:
        steps = "\n".join(f"  {n}. {step}" for n, step in enumerate(self.history, 1))
        return "\n".join(["after these steps", steps, "real DVC | ours:", *found])


def _excused(theirs: dict[str, Entry], ours: dict[str, Entry]) -> dict[str, Entry]:
    """Their work tree, with our copies where they have a link to an executable object."""
    if not is_wanted("executable-copied"):
        return theirs

    def excused(path: str, entry: Entry) -> Entry:
        own = ours.get(path)
        if own is None or own.kind != "file" or not own.mode & 0o100:
            return entry
        return own if entry.kind == "link" or entry.data == own.data else entry

    return {path: excused(path, entry) for path, entry in theirs.items()}


def make_twins(base: Path, oracle: Runner, dvc: Runner) -> Twins:
    """Both sides with a Git repository and nothing in it. The two folders' names are as long."""
    twins = Twins(Side(base / "dvc", oracle), Side(base / "our", dvc))
    for side in (twins.theirs, twins.ours):
        side.repo.mkdir(parents=True)
        side.remote.mkdir()
        git("init", "-q", cwd=side.repo)
    return twins
