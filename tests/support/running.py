"""Two projects with the same pipelines: real DVC runs them in one, our program in the other.

Beside what tests.support.twins compares: standard error, the order of what is told, the run cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.programs import Completed, Runner, git
from tests.support.project import Entry, differences
from tests.support.twins import EXCUSES, Parted, Parting, Side, Twins
from tests.support.wanted import is_wanted

_HINT = re.compile(
    r"\nTo track the changes with git, run:\n\n\tgit add ?(.*)\n\n"
    r"To enable auto staging, run:\n\n\tdvc config core.autostage true\n"
)
_BEGIN = re.compile(
    r"(Running stage|Stage|Verifying .*|Pulling .*|Importing) ?'|'.*' didn't change"
)
_UNEQUAL = re.compile(r"Hint: |WARNING: '.*' is empty\.$")
_USAGE = re.compile(r"^usage: ", re.MULTILINE)


class RunSide(Side):
    """A side whose `.gitignore` files are sets of lines: DVC takes a line out while a stage runs
    and puts it back at the end."""

    def workspace(self) -> dict[str, Entry]:
        found = super().workspace()
        for path, entry in found.items():
            if path.rpartition("/")[2] == ".gitignore":
                lines = b"\n".join(sorted(entry.data.split()))
                found[path] = Entry(entry.kind, lines, entry.mode)
        return found

    def records(self) -> dict[str, Entry]:
        """The run cache, here and at the remote."""
        return {
            f"{name}: {path.relative_to(store)}": Entry("file", path.read_bytes())
            for name, store in (("cache", self.repo / ".dvc/cache"), ("remote", self.remote))
            for path in store.glob("runs/*/*/*")
        }


def told(text: str) -> list[tuple[str, ...]]:
    """Standard output stage by stage, sorted: the order of stages that do not need each other is
    nobody's promise. Of the hint for Git lock files count: what else is new there differs."""

    def of_locks(match: re.Match[str]) -> str:
        names = sorted(name for name in match[1].split() if name.endswith("dvc.lock"))
        return f"\ngit add {' '.join(names)}\n" if names else ""

    blocks: list[list[str]] = [[]]
    for line in filter(None, _HINT.sub(of_locks, _USAGE.split(text)[0]).splitlines()):
        if _BEGIN.match(line) or line.startswith(("git add ", "Use `dvc push`")):
            blocks.append([])
        blocks[-1].append(line)
    return sorted(map(tuple, blocks))


def warned(text: str) -> list[str]:
    """Standard error without our hints, and without warnings of what is empty: DVC warns of
    dependencies, too, once for each time that it looks at them."""
    return [line for line in text.splitlines() if line and not _UNEQUAL.match(line)]


def differing(
    name: str, lines: Callable[[str], Sequence[object]], left: str, right: str
) -> list[str]:
    said, answered = lines(left), lines(right)
    return [] if said == answered else [f"{name}: {said}\n{' ' * 16}| {answered}"]


class RunTwins(Twins):
    def dvc(self, *args: str, cwd: str = "") -> Completed:
        """Runs one command on both sides and compares all that can be seen. Returns our run.

        Raises Parted when they differ and a row of docs/compat.md explains it.
        """
        self.history.append((f"(in {cwd}) " if cwd else "") + "dvc " + " ".join(args))
        left, right = self.theirs.run(*args, cwd=cwd), self.ours.run(*args, cwd=cwd)
        found = [] if left.rc == right.rc else [f"exit code: {left.rc} | {right.rc}"]
        found += differing("standard output", told, *self._plain(left.stdout, right.stdout))
        found += differing("standard error", warned, *self._plain(left.stderr, right.stderr))
        if "failed to " in left.stderr:
            self._forgive()
        found += self.compare()
        if found:
            for id_, explains in EXCUSES.items():
                if is_wanted(id_) and explains(Parting(args, left, right, found, self.history)):
                    raise Parted(id_)
        assert not found, self.story([*found, f"DVC: {left}", f"ours: {right}"])
        return right

    def _plain(self, left: str, right: str) -> tuple[str, str]:
        return self.theirs.plain(left), self.ours.plain(right)

    def compare(self) -> list[str]:
        assert isinstance(self.theirs, RunSide)
        assert isinstance(self.ours, RunSide)
        found = super().compare()
        return found + differences(self.theirs.records(), self.ours.records())

    def write(self, files: Mapping[str, str | None]) -> None:
        """Writes files into both projects; None removes one."""

        def change(base: Path) -> None:
            for path, text in files.items():
                target = base / "repo" / path
                target.unlink(missing_ok=True)
                if text is not None:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(text)

        self.touch(f"write {dict(files)}", change)

    def each(self, said: str, change: Callable[[Path], None]) -> None:
        """Changes something in both projects, whose folder change gets."""
        self.touch(said, lambda base: change(base / "repo"))

    def _forgive(self) -> None:
        """After a stage that failed DVC has not written `.gitignore`: docs/compat.md."""
        assert is_wanted("repro-failed-ignore")
        for ours in self.ours.repo.rglob(".gitignore"):
            if ".dvc" not in ours.parts:
                theirs = self.theirs.repo / ours.relative_to(self.ours.repo)
                theirs.write_bytes(ours.read_bytes())


def make_run_twins(base: Path, oracle: Runner, dvc: Runner, files: Mapping[str, str]) -> RunTwins:
    """Both sides with a Git repository, an empty default remote and some files."""
    twins = RunTwins(RunSide(base / "dvc", oracle), RunSide(base / "our", dvc))
    for side in (twins.theirs, twins.ours):
        side.repo.mkdir(parents=True)
        side.remote.mkdir()
        git("init", "-q", cwd=side.repo)
        (side.repo / ".dvc").mkdir()
        (side.repo / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
        (side.repo / ".dvcignore").write_text("")
        (side.repo / ".dvc/config").write_text(
            "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../remote\n"
        )
    twins.write(files)
    return twins
