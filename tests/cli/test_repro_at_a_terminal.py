"""`repro` at a real terminal, under a shell with job control: its keys, and who has it when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.support.project import Project
from tests.support.terminal import Shell
from tests.unit.test_proc import PATIENCE_S, is_alive, pid_in, until

# Two processes in the foreground of one stage; each tells that it heard Ctrl-C.
HEARING = """\
import os, signal, subprocess, sys, time
name = sys.argv[1]
def heard(number, frame):
    open("heard-" + name, "w").close()
    if inner:
        inner.wait()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, heard)
inner = subprocess.Popen([sys.executable, __file__, "inner"]) if name == "outer" else None
with open(name + ".new", "w") as file:
    file.write(f"{os.getpid()}\\n")
os.rename(name + ".new", name)
time.sleep(100)
"""
# A shell's background job does not hear Ctrl-C; this one hears no request to end, either.
STUBBORN = "sh -c 'trap \"\" INT TERM; echo $$ > stubborn; sleep 100; sleep 100' & "
IGNORING = """\
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp("dvc", ["dvc", "repro"])
"""
WAITING = "echo $$ > outer; read line < fifo; echo made > slow"


GRACE_S = 10.0
"""How long a stage is waited for that was asked to end once."""


def pipeline(slow: str) -> str:
    return yaml.safe_dump(
        {
            "stages": {
                "first": {"cmd": "echo 1 > first", "outs": ["first"]},
                "slow": {"cmd": slow, "deps": ["first"], "outs": ["slow"]},
            }
        },
        sort_keys=False,
    )


@pytest.fixture
def shell(project: Project) -> Iterator[Shell]:
    os.mkfifo(project.root / "fifo")
    with closing(Shell(project.root)) as found:
        found.type("PS1=; echo shell-$((1 + 1))\n")
        found.see("shell-2")
        yield found


def locked(project: Project) -> set[str]:
    return set(yaml.safe_load((project.root / "dvc.lock").read_text())["stages"])


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def holder_of(pid: int) -> int:
    """The process group that has the terminal of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[5])


def foreground(pid: int) -> bool:
    """Whether the terminal is with a process's group, or with one that it lent it to."""
    holder = holder_of(pid)
    return holder == os.getpgid(pid) or parent(holder) == pid


def let_go(project: Project) -> None:
    """The stage that waits for the fifo goes on."""
    with open(os.open(project.root / "fifo", os.O_RDWR), "w") as fifo:
        fifo.write("go\n")
        fifo.flush()
        until((project.root / "slow").exists)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_reaches_all_of_a_stage_and_keeps_what_was_done(
    jobs: str, project: Project, shell: Shell
) -> None:
    project.write("hear.py", HEARING)
    project.write("dvc.yaml", pipeline("python3 hear.py outer > slow"))
    shell.type(f"dvc repro -j {jobs}; echo code-$?\n")
    pids = [pid_in(project.root / name) for name in ("outer", "inner")]

    shell.type("\x03")
    said = shell.see("code-252")

    assert "interrupted by the user" in said
    assert "Traceback" not in said.split("ERROR")[-1]
    until(lambda: not any(map(is_alive, pids)))
    assert (project.root / "heard-outer").exists()
    assert (project.root / "heard-inner").exists()
    assert {"first"} == locked(project)


@pytest.mark.parametrize(
    ("jobs", "slow"),
    [
        ("1", f"{STUBBORN}echo $$ > outer; sleep 100; sleep 100"),
        ("2", f"{STUBBORN}trap '' INT TERM; echo $$ > outer; sleep 100; sleep 100"),
    ],
)
def test_who_interrupts_again_does_not_wait_and_leaves_nothing_behind(
    jobs: str, slow: str, project: Project, shell: Shell
) -> None:
    """What does not hear Ctrl-C, nor that it shall end, would be waited for."""
    project.write("dvc.yaml", pipeline(slow))
    shell.type(f"dvc repro -j {jobs}; echo code-$?\n")
    pids = [pid_in(project.root / name) for name in ("outer", "stubborn")]
    since = time.monotonic()

    def pressed_again() -> bool:
        """Not at once: what is pressed before the last one was heard is none, and what is pressed
        after the end takes with it what the shell has written and nobody read."""
        shell.type("\x03")
        end = time.monotonic() + 0.5
        while is_alive(pids[1]) and time.monotonic() < end:
            time.sleep(0.01)
        return not is_alive(pids[1])

    until(pressed_again)
    took_s = time.monotonic() - since
    shell.see("code-252")

    assert took_s < GRACE_S
    assert not is_alive(pids[0])
    assert {"first"} == locked(project)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_stop_stops_the_stage_and_it_goes_on_in_the_foreground(
    jobs: str, project: Project, shell: Shell
) -> None:
    project.write("dvc.yaml", pipeline(WAITING))
    shell.type(f"dvc repro -j {jobs}\n")
    pid = pid_in(project.root / "outer")
    repro = parent(pid)

    shell.type("\x1a")
    shell.see("Stopped")
    until(lambda: (state(pid), state(repro)) == ("T", "T"))
    shell.type("fg; echo code-$?\n")
    until(lambda: state(pid) == "S")
    let_go(project)

    shell.see("code-0")
    assert {"first", "slow"} == locked(project)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_stage_that_goes_on_in_the_background_leaves_the_shell_its_terminal(
    jobs: str, project: Project, shell: Shell
) -> None:
    later = "  later: {cmd: echo $$ > later; read line < more, deps: [slow], outs: [later]}\n"
    project.write("dvc.yaml", pipeline(WAITING) + later)
    os.mkfifo(project.root / "more")
    shell.type(f"dvc repro -j {jobs}\n")
    pid = pid_in(project.root / "outer")
    repro = parent(pid)
    shell.type("\x1a")
    shell.see("Stopped")

    shell.type("bg\necho still-$((2 + 2))\n")
    shell.see("still-4")
    until(lambda: state(pid) == "S")
    holders = [holder_of(repro)]
    let_go(project)
    pid_in(project.root / "later")
    holders.append(holder_of(repro))
    (project.root / "more").write_text("go\n")
    shell.type("wait; read answer; echo code-$?-$answer\nmine\n")

    shell.see("code-0-mine")
    assert holders == [shell.pid, shell.pid]
    assert {"first", "slow", "later"} == locked(project)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_stage_back_from_the_background_stops_once_for_each_stop(
    jobs: str, project: Project, shell: Shell
) -> None:
    """Then Ctrl-Z comes to us and not to the stage."""
    project.write("dvc.yaml", pipeline(WAITING))
    shell.type(f"dvc repro -j {jobs} &\n")
    pid = pid_in(project.root / "outer")
    shell.type("fg\n")
    repro = parent(pid)
    until(lambda: foreground(repro))

    for _ in range(3):
        shell.type("\x1a")
        shell.see("Stopped")
        until(lambda: (state(pid), state(repro)) == ("T", "T"))
        shell.type("fg\n")
        until(lambda: state(pid) == "S" and foreground(repro))
    let_go(project)
    shell.type("echo code-$?\n")

    shell.see("code-0")
    assert {"first", "slow"} == locked(project)


def test_a_stage_reads_from_the_terminal_and_gives_it_back(project: Project, shell: Shell) -> None:
    """It is in the foreground from its start: many a program asks only that, and reads nothing."""
    project.write("front.py", "import os; print('front', os.tcgetpgrp(0) == os.getpgrp())")
    slow = "python3 front.py; read a; read b < /dev/tty; echo asked; echo $a$b > slow"
    project.write("dvc.yaml", pipeline(slow))
    shell.type("stty tostop; dvc repro; read answer; echo code-$?-$answer\n")

    shell.see("front True")
    shell.type("one\ntwo\n")
    shell.see("asked")
    shell.see("dvc push")
    shell.type("mine\n")

    shell.see("code-0-mine")
    assert (project.root / "slow").read_text() == "onetwo\n"


def test_a_stage_in_the_background_that_asks_stops_as_any_job_and_gets_its_answer(
    project: Project, shell: Shell
) -> None:
    project.write("dvc.yaml", pipeline("read a; echo $a > slow"))
    shell.type("dvc repro &\n")

    shell.see("> read a")
    shell.type("until jobs | grep -q Stopped; do sleep 0.1; done; echo it-$((1 + 2)); fg\n")
    shell.see("it-3")
    shell.type("one\n")
    shell.see("dvc push")
    shell.type("echo code-$?\n")

    shell.see("code-0")
    assert (project.root / "slow").read_text() == "one\n"


def test_a_stage_that_asks_where_nobody_answers_is_ended_and_says_why(
    project: Project, shell: Shell
) -> None:
    """The shell that started it went away: it would be stopped for ever."""
    project.write("dvc.yaml", pipeline("read a < /dev/tty; echo $a > slow"))
    shell.type("( (dvc repro > said 2>&1; echo code-$? > code) & )\n")

    until((project.root / "code").exists)
    until(lambda: (project.root / "code").read_text() == "code-255\n")
    said = (project.root / "said").read_text()

    assert "it asks for the terminal, and nobody can answer" in said
    assert {"first"} == locked(project)


def test_a_stage_beside_others_has_no_terminal_to_wait_for(project: Project, shell: Shell) -> None:
    project.write("dvc.yaml", pipeline("read a < /dev/tty || echo none > slow"))
    shell.type("dvc repro -j 2; echo code-$?\n")

    shell.see("code-0")
    assert (project.root / "slow").read_text() == "none\n"


def test_who_reads_our_output_keeps_the_terminal_until_a_stage_asks(
    project: Project, shell: Shell
) -> None:
    """As `dvc repro | less`: both are one job of the shell."""
    project.write("dvc.yaml", pipeline(WAITING + "; read b < /dev/tty; echo $b > slow"))
    pager = "read a < /dev/tty; echo pager-$a; cat > said"
    shell.type(f"dvc repro | sh -c '{pager}'; echo code-$?\n")
    pid_in(project.root / "outer")

    shell.type("one\n")
    shell.see("pager-one")
    let_go(project)
    shell.type("two\n")
    shell.see("code-0")

    assert (project.root / "slow").read_text() == "two\n"


def test_an_input_that_never_ends_is_not_waited_for(project: Project, shell: Shell) -> None:
    project.write("dvc.yaml", pipeline("echo made > slow"))
    shell.type("sleep 1000 | dvc repro\n")

    shell.see("dvc push")
    shell.type("\x03")
    shell.type("echo back-$((3 + 3))\n")
    shell.see("back-6")

    assert {"first", "slow"} == locked(project)


def test_without_any_terminal_and_with_an_open_pipe_it_runs_to_its_end(project: Project) -> None:
    project.write("dvc.yaml", pipeline("read a < /dev/tty || echo none > slow"))
    process = subprocess.Popen(
        ["dvc", "repro", "-q"], stdin=subprocess.PIPE, start_new_session=True
    )
    code = process.wait(PATIENCE_S)
    assert process.stdin is not None
    process.stdin.close()

    assert code == 0
    assert (project.root / "slow").read_text() == "none\n"


@pytest.mark.parametrize(("end", "code"), [("", 0), ("; exit 3", 255)], ids=["good", "failed"])
def test_a_parent_that_ignores_its_children_does_not_hide_how_a_command_ended(
    end: str, code: int, project: Project, shell: Shell
) -> None:
    project.write("dvc.yaml", pipeline("echo made > slow" + end))
    project.write("start.py", IGNORING)
    shell.type(f"{sys.executable} start.py; echo code-$?\n")

    shell.see(f"code-{code}")

    assert ({"first", "slow"} if code == 0 else {"first"}) == locked(project)


@pytest.mark.parametrize(("end", "code"), [("", 0), ("; exit 3", 255)], ids=["good", "failed"])
def test_nor_does_it_without_a_terminal(end: str, code: int, project: Project) -> None:
    project.write("dvc.yaml", pipeline("echo made > slow" + end))
    process = subprocess.Popen(
        ["dvc", "repro", "-q"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )

    assert code == process.wait(PATIENCE_S)
    assert ({"first", "slow"} if code == 0 else {"first"}) == locked(project)


def test_what_runs_stands_on_the_terminal_and_nothing_of_it_stays(
    project: Project, shell: Shell
) -> None:
    project.write("dvc.yaml", pipeline("echo a line; " + WAITING))
    shell.type("dvc repro -j 2; echo code-$?\n")

    shell.see("slow| a line")
    shell.see("slow since ")
    shell.see("1 line")
    shell.type("\x1a")
    stopped = shell.see("Stopped")
    shell.type("fg; echo code-$?\n")
    shell.see("slow since ")
    let_go(project)
    rest = shell.see("code-0")

    assert "\x1b[?25h" in stopped  # a stopped program leaves the cursor to the shell
    assert rest.rfind("\x1b[?25l") < rest.rfind("\x1b[?25h")
    assert "since" not in rest[rest.rindex("\x1b[?25h") :]
    assert {"first", "slow"} == locked(project)


def test_an_interrupt_takes_what_is_drawn_off_the_terminal(project: Project, shell: Shell) -> None:
    project.write("dvc.yaml", pipeline(WAITING))
    shell.type("dvc repro -j 2; echo code-$?\n")

    shell.see("slow since ")
    shell.type("\x03")
    rest = shell.see("code-252")

    assert rest.rfind("\x1b[?25l") < rest.rfind("\x1b[?25h")
    assert "since" not in rest[rest.rindex("\x1b[?25h") :]
