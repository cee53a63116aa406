"""The frame of the command line: what runs before, around and after a command."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.cli import table
from pannier.cli.masking import Mask
from tests.support.oracle import Oracle
from tests.support.programs import Program, started
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

# -- start-up ------------------------------------------------------------------------------------


def modules_of(*argv: str, cwd: Path | None = None) -> set[str]:
    """The modules that one run of our program imports beyond those of a bare interpreter."""
    code = (
        f"import sys; bare = set(sys.modules); sys.argv = ['dvc', *{argv!r}]\n"
        "from pannier.cli.main import main; main()\n"
        "print(*sorted(set(sys.modules) - bare), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_the_version_costs_nothing_but_its_own_modules() -> None:
    ours = {"pannier", "pannier.cli", "pannier.cli.main"}

    assert ours == modules_of("--version") - {"__future__", "atexit", "gc"}


HEAVY = {
    *("rich", "ruamel", "ruamel.yaml", "tomlkit", "tomllib", "pathspec", "obstore", "botocore"),
    *("asyncio", "logging", "http", "email", "ssl", "socket", "urllib.request", "tempfile"),
    *("multiprocessing", "concurrent.futures.process", "pydoc", "unittest", "importlib.metadata"),
    *("shutil", "zipfile", "bz2", "lzma"),
}


@pytest.mark.parametrize(
    ("argv", "most"), [(("root",), 100), (("config", "-l"), 120), (("status",), 180)]
)
def test_a_command_imports_what_it_needs_and_no_more(
    project: Project, argv: tuple[str, ...], most: int
) -> None:
    loaded = modules_of(*argv, cwd=project.root)

    assert set() == loaded & HEAVY
    assert len(loaded) <= most, sorted(loaded)


def test_only_the_chosen_command_is_loaded(project: Project) -> None:
    loaded = modules_of("root", cwd=project.root)

    commands = {name for name in loaded if name.startswith("pannier.cli.commands.")}
    assert {"pannier.cli.commands.root"} == commands


def test_each_name_of_the_program_has_its_version(
    dvc: Program, pannier: Program, oracle: Oracle
) -> None:
    assert is_wanted("version-line")

    assert "3.67.1\n" == oracle("--version").stdout
    assert "3.67.1+pannier.0.1.0\n" == dvc("--version").stdout == dvc("-V", "root", "-x").stdout
    assert "0.1.0\n" == pannier("--version").stdout
    module = subprocess.run([sys.executable, "-m", "pannier", "-V"], capture_output=True, text=True)
    assert "0.1.0\n" == module.stdout


def test_the_help_lists_the_commands_that_are_there(dvc: Program, oracle: Oracle) -> None:
    assert is_wanted("commands-yet")

    theirs, ours = (
        re.findall(r"(?m)^    ([a-z-]+)", run("-h").stdout.partition("Available Commands")[2])
        for run in (oracle, dvc)
    )

    assert [n for n, c in table.COMMANDS.items() if not c.hidden] == ours
    assert [name for name in ours if name in theirs] == [name for name in theirs if name in ours]


def test_dvc_has_no_undo(project: Project, oracle: Oracle) -> None:
    assert is_wanted("own-commands")

    assert 254 == oracle("undo", cwd=project.root).rc == oracle("op", "log", cwd=project.root).rc
    assert 0 == project.dvc("op", "log").rc


@pytest.mark.parametrize("name", table.COMMANDS)
def test_every_line_of_the_table_leads_to_a_command(name: str) -> None:
    module = table.load(table.COMMANDS[name])

    assert callable(module.add_arguments)
    assert callable(module.run)


# -- -q, -v, --cd --------------------------------------------------------------------------------


def test_quiet_and_verbose_count_before_and_behind_the_command(
    project: Project, oracle: Oracle
) -> None:
    assert is_wanted("quiet-first")

    assert ".\n" == oracle("-q", "root", cwd=project.root).stdout
    assert "" == project.dvc("-q", "root").stdout == project.dvc("root", "-q").stdout
    for line in (["-v", "root"], ["root", "-v"]):
        shown = project.dvc(*line).lines
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} DEBUG: v3\.67\.1 ", shown[0])
        assert "." == shown[-1]


def test_quiet_hides_errors_too(project: Project) -> None:
    done = project.dvc("config", "-q", "core.foo", "x", check=False)

    assert (251, "", "") == (done.rc, done.stdout, done.stderr)


def test_another_folder_is_taken_before_the_command(project: Project) -> None:
    (project.root / "sub").mkdir()

    assert "..\n" == project.dvc("--cd", "sub", "root").stdout
    missing = project.dvc("--cd", "nowhere", "root", check=False)
    assert 255 == missing.rc
    assert "ERROR: cannot change to 'nowhere': No such file or directory\n" == missing.stderr


# -- errors --------------------------------------------------------------------------------------


def test_a_bad_line_shows_the_help_of_what_failed(dvc: Program) -> None:
    done = dvc("remote", "add", "--nope")

    assert 254 == done.rc
    assert done.stdout.startswith("usage: dvc remote add ")
    assert "ERROR: the following arguments are required: name, url\n" == done.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [("checkot", "checkout"), ("--cd pull pus -r x", "push"), ("exp run", None), ("", None)],
)
def test_a_mistyped_command_is_answered_with_the_one_that_is_like_it(
    words: str, meant: str | None, dvc: Program
) -> None:
    done = dvc(*words.split())

    assert 254 == done.rc
    hints = [line for line in done.stderr.splitlines() if line.startswith("Hint: ")]
    assert ([f"Hint: 'dvc {meant}'"] if meant else []) == hints


def test_outside_of_a_project_commands_say_so(dvc: Program, tmp_path: Path) -> None:
    done = dvc("status", cwd=tmp_path)

    assert 253 == done.rc
    assert "ERROR: you are not inside of a DVC repository (checked up to mount point" in done.stderr


def test_a_broken_config_stops_every_command_that_needs_a_project(project: Project) -> None:
    project.write(".dvc/config", "[core\n")

    done = project.dvc("status", check=False)

    assert 251 == done.rc
    assert (
        "ERROR: configuration error - config file error: Invalid line ('[core') (matched as"
        " neither section nor keyword) at line 1.\n" in done.stderr
    )
    assert f"Hint: mend the file '{project.root}/.dvc/config'\n" in done.stderr


def test_an_unforeseen_error_has_a_traceback_only_for_those_who_ask() -> None:
    code = (
        "from pannier.cli import dispatch, table\n"
        "table.load = lambda command: 1 / 0\n"
        "raise SystemExit(dispatch.execute(['root'], 'dvc'))"
    )
    plain, loud = (
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True
        )
        for asked in ({}, {"DVC_SHOW_TRACEBACK": "1"})
    )

    assert 255 == plain.returncode == loud.returncode
    assert (
        "ERROR: unexpected error - division by zero\n"
        "Hint: repeat the command with -v to see where it came from\n" == plain.stderr
    )
    assert "Traceback (most recent call last):" in loud.stderr


# -- ends ----------------------------------------------------------------------------------------


@pytest.fixture
def waiting(project: Project, dvc: Program) -> Iterator[subprocess.Popen[str]]:
    """A command that waits for a lock which this test holds; it has said that it runs."""
    lock = project.root / ".dvc/tmp/lock"
    project.write("f", "1")
    command = [dvc.path, "--wait-for-lock", "add", "-v", "f"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with started(
            command, cwd=project.root, env=env, stdout=pipe, stderr=pipe, text=True
        ) as process:
            assert process.stdout is not None
            while "command:" not in (line := process.stdout.readline()):
                assert line, "it ended"
            yield process


@pytest.mark.parametrize(
    ("number", "rc", "said"),
    [
        (signal.SIGINT, 252, "ERROR: interrupted by the user\n"),
        (signal.SIGTERM, -signal.SIGTERM, ""),
        (signal.SIGHUP, -signal.SIGHUP, ""),
    ],
)
def test_a_signal_ends_a_command_without_a_traceback(
    waiting: subprocess.Popen[str], number: int, rc: int, said: str
) -> None:
    waiting.send_signal(number)
    _, errors = waiting.communicate()

    assert (rc, said) == (waiting.returncode, errors)


def test_a_reader_that_went_away_is_no_error(project: Project, dvc: Program) -> None:
    for argv in (["--version"], ["root"], ["-h"], ["root", "--x"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [dvc.path, *argv], cwd=project.root, stdout=writer, stderr=subprocess.PIPE, text=True
        )
        os.close(writer)

        assert 141 == done.returncode
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", ["", "-j2"])
def test_a_command_of_a_stage_never_gets_a_file_of_ours_for_a_stream_that_was_closed(
    project: Project, dvc: Program, options: str
) -> None:
    project.write("dvc.yaml", "stages: {a: {cmd: 'echo x; echo y >&2'}}")
    line = f"{dvc.path} repro -f {options}"

    codes = {
        closed: subprocess.run(["sh", "-c", f"{line} {closed}"], cwd=project.root).returncode
        for closed in ("<&- >&- 2>&-", "2>&-", ">&-")
    }

    assert dict.fromkeys(codes, 0) == codes
    written = [path for path in project.root.glob(".dvc/tmp/pannier/stages/*") if path.is_file()]
    assert written
    assert [] == [path for path in written if {"x", "y"} & set(path.read_text().split())]


def test_output_that_cannot_be_written_is_an_error(project: Project, dvc: Program) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [dvc.path, "root"], cwd=project.root, stdout=full, stderr=subprocess.PIPE, text=True
        )

    assert 255 == done.returncode
    assert "No space left on device" in done.stderr


def test_reading_needs_no_lock(project: Project, oracle: Oracle) -> None:
    assert is_wanted("status-no-lock")
    with open(project.root / ".dvc/tmp/lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert 255 == oracle("status", cwd=project.root).rc
        assert 0 == project.dvc("status").rc


# -- terminals -----------------------------------------------------------------------------------


def at_terminal(code: str, typed: str = "") -> str:
    """Runs a piece of Python with a terminal of its own; returns all that it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    os.write(terminal, typed.encode())
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:
        pass  # the end of a terminal is an error on Linux
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode()


ASK = "from pannier.cli.ui import Ui; print('answer', Ui().confirm('really?'))"


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", True), ("maybe\nYES\n", True), ("n\n", False), ("\x04", False)]
)
def test_a_question_is_answered_at_a_terminal(typed: str, answer: bool) -> None:
    shown = at_terminal(ASK, typed)

    assert "really? [y/n] " in shown
    assert f"answer {answer}" in shown


def test_a_question_without_a_terminal_is_answered_with_no() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], input="y\n", capture_output=True, text=True)

    assert "answer False\n" == done.stdout


WORK = """
from pannier.cli.ui import Ui
ui = Ui()
task = ui.progress.task("Hashing", 1000)
while {wait} and not getattr(ui.progress._display, "tasks", ()):
    task.advance(0)
task.advance(7)
ui.note("a note")
task.close()
ui.close()
"""


def test_long_work_shows_a_bar_and_leaves_nothing_behind() -> None:
    shown = at_terminal(WORK.format(wait=True))

    assert "Hashing" in shown
    assert "a note\r\n" in shown
    assert shown.rindex("\033[?25h") > shown.rindex("\033[?25l"), "the cursor is back"


def test_short_work_shows_no_bar() -> None:
    assert "a note\r\n" == at_terminal(WORK.format(wait=False))


# -- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ssh://user:pa55@host/x", "ssh://user:***@host/x"),
        ("see s3://b?X-Amz-Signature=abc&x=1", "see s3://b?X-Amz-Signature=***&x=1"),
        ("https://h/c?sv=1&sig=abc%3D", "https://h/c?sv=1&sig=***"),
        ("{'password': 'abc', 'user': 'me'}", "{'password': ***, 'user': 'me'}"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("secret_access_key = abc", "secret_access_key = ***"),
        ("git@github.com:a/b", "git@github.com:a/b"),
        ("http://host:80/a@b", "http://host:80/a@b"),
    ],
)
def test_secrets_are_known_by_their_shape(text: str, shown: str) -> None:
    assert shown == Mask()(text)


def test_secrets_are_known_by_their_value() -> None:
    mask = Mask()
    mask.learn(["hunter2", "hunter2-and-more", "abc"])

    assert "*** and ***, abc" == mask("hunter2-and-more and hunter2, abc")


def test_a_short_secret_does_not_change_the_name_of_a_file_in_a_result() -> None:
    mask = Mask()
    mask.learn(["data", "longer-secret"])

    assert "data.dvc ***" == mask("data.dvc longer-secret", result=True)
    assert "***.dvc" == mask("data.dvc")


def test_a_password_on_the_command_line_does_not_come_back(tmp_path: Path, dvc: Program) -> None:
    made = make_project(tmp_path / "p", dvc)
    made.dvc("remote", "add", "r", "ssh://h/x")

    done = made.dvc(
        "remote", "modify", "-v", "r", "password", "hunter2 'quoted\" %(x)s", check=False
    )

    assert 251 == done.rc
    assert "hunter2" not in done.stdout + done.stderr
