"""Shells complete our lines: every command and option is in the scripts, and shells run them."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.cli import args, table
from pannier.cli.complete import SHELLS, Node, script, tree_of_commands
from tests.support.oracle import Oracle
from tests.support.programs import Program, run
from tests.support.wanted import is_wanted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files, and the scripts."""
    made = tmp_path_factory.mktemp("completion")
    (made / "data.dvc").touch()
    (made / "data file").touch()
    (made / "deep").mkdir()
    (made / "dvc.yaml").write_text(
        "vars: [x]\nstages:\n  # one\n  prepare:\n    cmd: a\n  train-it:\n    do:\nparams: [a]\n"
    )
    for shell in SHELLS:
        (made / f".{shell}").write_text(script(shell, tree_of_commands("dvc")))
    return made


def in_bash(folder: Path, *lines: tuple[str, ...]) -> list[list[str]]:
    """What bash offers for the last word of each line, without names of files."""
    asked = "".join(
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; _pannier;"
        ' echo "${COMPREPLY[*]}"\n'
        for words in lines
    )
    done = run(["bash", "--norc", "-c", f"source ./.bash\n{asked}"], cwd=folder, check=True)
    return [line.split() for line in done.lines]


def help_options(*words: str) -> set[str]:
    with pytest.raises(args.HelpWanted) as wanted:
        args.parse([*words, "--help"], "dvc")
    listed = re.findall(r"(?m)^  (-.*?)(?:  |$)", str(wanted.value))
    return {name for line in listed for name in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", line)}


def every_node() -> Iterator[Node]:
    yield from tree_of_commands("dvc").all()


def test_bash_offers_every_command_and_option(folder: Path) -> None:
    nodes = list(every_node())
    options = in_bash(folder, *(("dvc", *node.words, "-") for node in nodes))
    inner = in_bash(folder, *(("dvc", *node.words, "") for node in nodes))

    for node, offered, commands in zip(nodes, options, inner, strict=True):
        assert help_options(*node.words) == set(offered), node.words
        if node.children:
            assert {name for child in node.children for name in child.names} == set(commands)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_holds_every_command_and_option(shell: str) -> None:
    root = tree_of_commands("dvc")
    found = script(shell, root)
    long = (
        {"--" + name for name in re.findall(r" -l ([\w-]+)", found)}
        | {"-" + name for name in re.findall(r" -s (\w)", found)}
        if shell == "fish"
        else set()
    )
    known = set(re.findall(r"--?[\w-]+|[\w-]+", found)) | long

    assert {name for name, one in table.COMMANDS.items() if not one.hidden} <= known
    for node in root.all():
        for flag in node.flags:
            assert flag.names[-1] in known, (node.words, flag)


def test_bash_knows_where_a_line_stands(folder: Path) -> None:
    lines = {
        ("dvc", "che"): ["check-ignore", "checkout"],
        ("dvc", "completion", "-s", ""): ["bash", "zsh", "fish", "tcsh"],
        ("dvc", "-v", "completion", "--shell", "z"): ["zsh"],
        ("pannier", "--cd", "add", "ls", ".", "--recu"): ["--recursive"],
        ("dvc", "remote", "mod"): ["modify"],
        ("dvc", "add", "d"): [],  # bash's own completion of files
        ("dvc", "repro", "p"): ["prepare"],
        ("dvc", "stage", "list", "t"): ["train-it"],
    }

    assert list(lines.values()) == in_bash(folder, *lines)


def typed_into(command: list[str], cwd: Path, keys: str, wanted: str) -> str:
    """Types keys into an interactive shell and returns the screen once it shows what is wanted."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ.update(TERM="xterm", PS1="$ ", HOME=str(cwd), fish_greeting="")
        os.execvp(command[0], command)
    screen = ""
    end = time.monotonic() + 60
    os.write(terminal, keys.encode())
    while wanted not in screen and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            try:
                screen += os.read(terminal, 65536).decode("utf-8", "replace")
                screen = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen)
            except OSError:
                break
    os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    os.waitpid(pid, 0)
    return screen


def test_bash_completes_what_is_typed(folder: Path) -> None:
    screen = typed_into(
        ["bash", "--norc", "-i"], folder, "source ./.bash\ndvc compl\t", "completion"
    )

    assert "dvc completion" in screen
    screen = typed_into(["bash", "--norc", "-i"], folder, "source ./.bash\ndvc add de\t", "deep/")
    assert "dvc add deep/" in screen


def test_zsh_completes_what_is_typed(folder: Path) -> None:
    assert shutil.which("zsh"), "install zsh: tests/support/system-packages.sh zsh=zsh"
    start = "autoload -U compinit; compinit -u; source ./.zsh; print rea''dy\n"

    for keys, wanted in (
        ("dvc compl\t", "completion"),
        ("dvc remote rena\t", "rename"),
        ("dvc ls --recu\t", "--recursive"),
        ("dvc completion -s z\t", "-s zsh"),
        ("dvc add de\t", "add deep/"),
        ("dvc freeze tr\t", "freeze train-it"),
    ):
        screen = typed_into(["zsh", "-f", "-i"], folder, start + keys, wanted)

        assert wanted in screen, screen


def test_fish_completes_what_is_typed(folder: Path) -> None:
    assert shutil.which("fish"), "install fish: tests/support/system-packages.sh fish=fish"

    for line, wanted in (
        ("dvc che", {"check-ignore", "checkout"}),
        ("dvc remote ren", {"rename"}),
        ("pannier -v ls --recu", {"--recursive"}),
        ("dvc completion -s ", {"bash", "zsh", "fish", "tcsh"}),
        ("dvc add de", {"deep/"}),
    ):
        command = f"source ./.fish; complete -C '{line}'"
        done = run(["fish", "--no-config", "-c", command], cwd=folder, check=True)

        assert wanted == {offered.split("\t")[0] for offered in done.lines}, line


def test_tcsh_completes_what_is_typed(folder: Path) -> None:
    assert shutil.which("tcsh"), "install tcsh: tests/support/system-packages.sh tcsh=tcsh"
    start = "set prompt='$ '; source ./.tcsh; echo rea''dy\n"

    for keys, wanted in (
        ("dvc compl\t", "completion"),
        ("dvc remote rena\t", "rename"),
        ("dvc ls --recu\t", "--recursive"),
        ("pannier -v remote add --proj\t", "--project"),
        ("dvc completion -s z\t", "-s zsh"),
        ("dvc add de\t", "add deep/"),
    ):
        screen = typed_into(["tcsh", "-f", "-i"], folder, start + keys, wanted)

        assert wanted in screen, screen


def test_the_scripts_are_right_to_their_shells(folder: Path) -> None:
    for shell in SHELLS:
        done = subprocess.run([shell, "-n", f".{shell}"], cwd=folder, capture_output=True)

        assert (0, b"") == (done.returncode, done.stderr)


def test_a_script_starts_no_python(folder: Path) -> None:
    """DVC's own asks DVC for the names of stages and remotes, half a second for each Tab. Ours has
    awk read the names of stages out of dvc.yaml, and starts nothing else."""
    for shell in SHELLS:
        text = (folder / f".{shell}").read_text()
        started = re.findall(r"\$\((?!compgen|_pannier_stages)(\w+)|`(dvc [^c]\w+)|(python)", text)
        assert {word for words in started for word in words if word} <= {"awk"}


@pytest.mark.parametrize("shell", ["fish", "tcsh"])
def test_fish_and_tcsh_are_shells_of_ours(
    shell: str, folder: Path, oracle: Oracle, dvc: Program
) -> None:
    assert is_wanted("completion-shells")
    theirs, ours = (program("completion", "-s", shell) for program in (oracle, dvc))

    assert (254, 0) == (theirs.rc, ours.rc)
    assert (folder / f".{shell}").read_text() == ours.stdout
