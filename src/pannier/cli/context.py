"""What a command is given to work with."""

from __future__ import annotations

import os
from argparse import Namespace

from pannier.cli.ui import Ui
from pannier.core.record import dataclass, field
from pannier.core.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pannier.project.project import Project
    from pannier.project.recording import Recording

Options = Namespace
"""The parsed command line of one command."""


@dataclass(slots=True)
class Context:
    """cwd: where the command was given, absolute; after --cd, there. program: the name by which
    it was called. wait_for_lock: as long as it takes. recording: the command's entry in the
    operation log, None when it is not logged.
    """

    ui: Ui
    cwd: str
    program: str
    wait_for_lock: bool = False
    opened: Project | None = field(default=None)
    recording: Recording | None = field(default=None)

    @property
    def project(self) -> Project:
        """The project, for commands whose line in the table says that they need one."""
        if self.opened is None:
            raise LookupError("this command's line in cli/table.py does not ask for a project")
        return self.opened

    def shown(self, path: str) -> str:
        """A root-relative path as it is typed from the current directory."""
        return os.path.relpath(self.project.absolute(path), os.path.realpath(self.cwd))

    def confirm(self, question: str) -> bool:
        return self.ui.confirm(question)
