"""The commands that every hostile thing is tried on: one line each, and a new one joins all tests.

What lies in a cloned repository, in its cache or at its remote comes from strangers; so each test
of this folder makes one such thing and runs the commands below on it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """words: as typed. puts: it makes files in the workspace. sends: it hands objects to a remote.
    takes: it makes objects of files. brings: it takes objects from a remote. edits: it changes
    settings, or what Git reads, and looks at no data.
    """

    words: tuple[str, ...]
    puts: bool = False
    sends: bool = False
    takes: bool = False
    brings: bool = False
    edits: bool = False

    def __str__(self) -> str:
        return " ".join(self.words)


def _command(line: str, **does: bool) -> Command:
    return Command(tuple(line.split()), **does)


ON_DATA = (
    _command("status"),
    _command("checkout --force", puts=True),
    _command("fetch", brings=True),
    _command("pull --force", puts=True, brings=True),
    _command("push", sends=True),
    _command("commit --force", takes=True),
    _command("status -c"),
)
"""Commands on all data of a project, in an order in which each finds something to do."""

ON_IMPORTS = (
    _command("get -f ../source data -o data", puts=True, brings=True),
    _command("get --show-url ../source data"),
    _command("import -f ../source data", puts=True, brings=True, takes=True),
    _command("import -f --rev HEAD ../source data", puts=True, brings=True, takes=True),
    _command("import -f --no-download ../source data"),
    _command("update -R .", puts=True, brings=True, takes=True),
    _command("status"),
    _command("pull --force", puts=True, brings=True),
)
"""Commands that bring data from a project beside ours; each may fail, and none may do harm."""

ON_SETTINGS = (
    _command("config core.autostage false", edits=True),
    _command("config --local core.autostage false", edits=True),
    _command("config pannier.jobs 3", edits=True),
    _command("remote add -f more ../elsewhere", edits=True),
    _command("remote modify --local there jobs 3", edits=True),
    _command("remote list"),
    _command("config --list"),
    _command("cache dir"),
    _command("root"),
    _command("version"),
)
"""Commands that change or show settings."""


ON_TRACKED = (
    _command("freeze x.dvc"),
    _command("unfreeze x.dvc"),
    _command("unprotect data", puts=True),
    _command("unprotect .", puts=True),
    _command("move data other", puts=True),
    _command("remove x.dvc"),
    _command("remove --outs x.dvc", puts=True),
    _command("remove --outs dvc.yaml", puts=True),
    _command("cache migrate --dvc-files", takes=True),
    _command("destroy --force", puts=True),
)
"""Commands that edit what is tracked: the pointer `x.dvc` of an output `data`, or a `dvc.yaml`."""


def one(line: str) -> Command:
    """The command that is typed so."""
    return next(
        command
        for command in (*ON_DATA, *ON_IMPORTS, *ON_SETTINGS, *ON_TRACKED)
        if str(command) == line
    )
