"""A clean machine for every test: own home, own caches, known Git identity, no foreign settings."""

from __future__ import annotations

import compileall
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pannier import __file__ as PROGRAM
from tests.servers.s3 import S3Server
from tests.support.buckets import Bucket
from tests.support.oracle import Oracle
from tests.support.programs import Program, our_program
from tests.support.project import Project, make_project
from tests.support.warm import Warm, warm_program

sys.dont_write_bytecode = False  # the tests themselves are compiled once, too
pytest_plugins = ["tests.servers.plugin", "tests.support.spread", "tests.support.watchdog"]

# How long an example takes is the machine's doing, and no test's question. `make test` draws the
# same examples each time, so that it judges a change by what was changed; `make test-long` others.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("PANNIER_EXAMPLES") != "new",
)
settings.load_profile("any machine")

# A shell starts background jobs with interrupts ignored, and children inherit that; what is
# tested here must hear them.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

GIT_CONFIG = """\
[user]
\tname = A Tester
\temail = tester@example.com
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
[protocol "file"]
\tallow = always
[gc]
\tauto = 0
"""
_homes = itertools.count(1)
# What a developer's shell may hold and a test must not see. Our own switches stay.
FOREIGN = ("DVC_", "GIT_", "AWS_", "AZURE_", "GOOGLE_", "OSS_", "XDG_", "PANNIER_FAULT", "CI")


@pytest.fixture(autouse=True)
def clean_machine(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The test's home folder. Nothing of the real one is read or written."""
    homes = tmp_path_factory.getbasetemp() / "homes"
    homes.mkdir(exist_ok=True)
    home = homes / str(next(_homes))  # mktemp() would look at all those of the tests before
    home.mkdir()
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    (home / ".gitconfig").write_text(GIT_CONFIG)
    settings = {
        "HOME": home,
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_STATE_HOME": home / ".local/state",
        "XDG_CONFIG_DIRS": home / "etc/xdg",
        "GIT_CONFIG_GLOBAL": home / ".gitconfig",
        "GIT_CONFIG_NOSYSTEM": 1,
        "GIT_TERMINAL_PROMPT": 0,
        "DVC_GLOBAL_CONFIG_DIR": home / ".config/dvc",
        "DVC_SYSTEM_CONFIG_DIR": home / "etc/xdg/dvc",
        "DVC_SITE_CACHE_DIR": home / "site-cache",
        "DVC_NO_ANALYTICS": 1,
        "CI": 1,  # real DVC asks nobody for news of new versions then
        "LC_ALL": "C.UTF-8",
        "COLUMNS": 200,  # tables are folded at the width of the terminal, also when there is none
        "TZ": "UTC",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    # Hooks call `dvc` by name: ours comes first, and no other is found.
    ours = str(Path(our_program().path).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([ours, os.environ["PATH"]]))
    return home


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """Real DVC 3.67.1: `oracle("add", "x", cwd=folder, check=True)`."""
    server = Oracle()
    yield server
    server.close()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """The process that the runs of our program are forks of."""
    with closing(Warm()) as started:
        yield started


@pytest.fixture(scope="session")
def dvc(warm: Warm) -> Program:
    """Our program under the name `dvc`: `dvc("add", "x", cwd=folder, check=True)`."""
    return warm_program("dvc", warm)


@pytest.fixture(scope="session")
def pannier(warm: Warm) -> Program:
    """Our program under its own name."""
    return warm_program("pannier", warm)


@pytest.fixture
def new_project(tmp_path: Path, dvc: Program) -> Callable[[str], Project]:
    """Makes a Git repository with `dvc init` done and committed: `new_project("name")`."""
    return lambda name: make_project(tmp_path / name, dvc)


@pytest.fixture
def project(new_project: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh project; it is the current folder."""
    made = new_project("project")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Bucket:
    """An empty bucket of the test's own on a real S3 server (tests/servers)."""
    return Bucket(s3_server.make_bucket(), s3_server)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compiles the program, as an installer does. Where the environment forbids Python to keep what
    it has compiled, each run would do it anew: most of a short run's time."""
    if not hasattr(session.config, "workerinput"):
        compileall.compile_dir(os.path.dirname(PROGRAM), quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a server run in one worker: a server takes seconds to start."""
    for item in items:
        servers = [name for name in getattr(item, "fixturenames", ()) if name.endswith("_server")]
        if servers:
            item.add_marker(pytest.mark.xdist_group(min(servers).removesuffix("_server")))
