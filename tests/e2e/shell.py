"""A person at a shell: commands as they are typed, in bash, one folder at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import Completed, run


@dataclass(slots=True)
class Shell:
    """folder: where the commands run. Nothing but files stays from one line to the next."""

    folder: Path

    def __call__(self, line: str, *, rc: int = 0) -> Completed:
        done = run(["bash", "-c", line], cwd=self.folder)
        assert done.rc == rc, str(done)
        return done

    def printed_git_line(self, said: str) -> str:
        """The `git add` line that the program told the user to type."""
        lines = [line for line in said.splitlines() if line.startswith("\tgit add ")]
        assert len(lines) == 1, said
        return lines[0].strip()
