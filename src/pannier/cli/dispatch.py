"""Runs one command line: opens what the command needs, and turns every end into an exit code.

Exit codes are DVC's: docs/compat.md and the table in cli/table.py.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

from pannier import DVC_LEVEL, __version__
from pannier.cli import args, table
from pannier.cli.context import Context
from pannier.cli.ui import Ui
from pannier.core.errors import ConfigError, Interrupted, NotInProject, PannierError
from pannier.disk import fsio

BROKEN_PIPE, INTERRUPTED, BAD_LINE, UNEXPECTED = 141, 252, 254, 255


class _Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP came. Like Ctrl-C it unwinds everything; then the process dies of it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def run_process(argv: Sequence[str], program: str) -> int:
    """The whole life of a process: one line, with signals in our hands and streams closed."""
    with _signals():
        try:
            code = execute(argv, program)
            sys.stdout.flush()
            return code
        except _Ended as ended:
            number = ended.number
        except BrokenPipeError:
            # All is closed by now. Leaving in the usual way would make the interpreter flush into
            # the broken pipe once more and complain.
            os._exit(BROKEN_PIPE)
    _die_of(number)
    return UNEXPECTED


def execute(argv: Sequence[str], program: str) -> int:
    """Runs one line in this process and returns its exit code; hooks run lines inside lines."""
    ui = Ui()
    try:
        return _run(argv, program, ui)
    except (BrokenPipeError, _Ended):
        raise
    except KeyboardInterrupt:
        ui.error(Interrupted().message)
        return INTERRUPTED
    except Exception as error:
        if _is_broken_output(error):
            raise BrokenPipeError from error
        return _unexpected(error, ui)
    finally:
        ui.close()


def _run(argv: Sequence[str], program: str, ui: Ui) -> int:
    try:
        line = args.parse(argv, program)
    except args.HelpWanted as wanted:
        ui.write(wanted.text, end="")
        return 0
    except args.VersionWanted:
        ui.write(f"{DVC_LEVEL}+pannier.{__version__}" if program == "dvc" else __version__)
        return 0
    except args.BadCommandLine as bad:
        ui.write(bad.parser.format_help(), end="")
        ui.error(bad.message)
        return BAD_LINE
    ui.quiet, ui.verbose = line.quiet, line.verbose
    if ui.verbose:
        _introduce(argv, ui)
    try:
        os.chdir(line.opts.cd)
    except OSError as error:
        ui.error(f"cannot change to '{line.opts.cd}': {error.strerror}")
        return UNEXPECTED
    return _run_command(line, program, ui)


def _run_command(line: args.Line, program: str, ui: Ui) -> int:
    command = line.command
    ctx = Context(ui, os.getcwd(), program, line.opts.wait_for_lock)
    try:
        if command.needs & table.PROJECT:
            ctx.opened = table.open_project(ctx.cwd)
            ui.mask.learn(ctx.opened.settings.secret_values())
    except PannierError as error:
        return _told(error, ui)
    try:
        lock = ctx.project.lock(ctx.wait_for_lock) if command.needs & table.LOCK else nullcontext()
        with lock:
            code: int = line.opts.run(ctx, line.opts)
            return code
    except (NotInProject, Interrupted) as error:
        return _told(error, ui)
    except PannierError as error:
        return _failed(error, line, ui)
    except OSError as error:
        if error.errno is None or isinstance(error, BrokenPipeError):
            raise
        return _failed(fsio.disk_error(error, str(error.filename or "")), line, ui)
    finally:
        if ctx.opened is not None:
            for warning in ctx.opened.settings.warnings:
                ui.warn(warning)
            ctx.opened.close()


# -- telling -------------------------------------------------------------------------------------


def _failed(error: PannierError, line: args.Line, ui: Ui) -> int:
    """A command's own failure: its words before, its exit code."""
    if line.command.code is None:
        return _told(error, ui)
    targets = getattr(line.opts, "targets", None) or []
    words = line.command.prefix.format(targets="".join(f" {target}" for target in targets))
    ui.error(f"{words}{error.message}", error.hint)
    _show_traceback(error, ui)
    return line.command.code


def _told(error: PannierError, ui: Ui) -> int:
    words = "configuration error - " if isinstance(error, ConfigError) else ""
    ui.error(f"{words}{error.message}", error.hint)
    _show_traceback(error, ui)
    return error.exit_code


def _unexpected(error: BaseException, ui: Ui) -> int:
    text = str(error) or type(error).__name__
    ui.error(
        f"unexpected error - {text}",
        None if _wants_traceback(ui) else "repeat the command with -v to see where it came from",
    )
    _show_traceback(error, ui)
    return UNEXPECTED


def _wants_traceback(ui: Ui) -> bool:
    return bool(ui.verbose or os.environ.get("DVC_SHOW_TRACEBACK"))


def _show_traceback(error: BaseException, ui: Ui) -> None:
    if _wants_traceback(ui):
        import traceback

        ui.plain_error("".join(traceback.format_exception(error)).rstrip())


def _introduce(argv: Sequence[str], ui: Ui) -> None:
    import platform

    python = f"{platform.python_implementation()} {platform.python_version()}"
    ui.debug(f"v{DVC_LEVEL} (pannier {__version__}), {python} on {platform.platform()}")
    ui.debug("command: " + " ".join([sys.argv[0], *argv]))


# -- ends ----------------------------------------------------------------------------------------


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind like Ctrl-C: locks free, temporary files gone.

    A signal that our parent told us to ignore (nohup) stays ignored.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended(number)

    before: dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _die_of(number: int) -> None:
    """Ends the process by the signal that it got, so that its parent sees it."""
    os.kill(os.getpid(), number)


def _is_broken_output(error: BaseException | None) -> bool:
    """True when an error was only caused by nobody reading our output."""
    while error is not None:
        if isinstance(error, BrokenPipeError):
            return True
        error = error.__cause__
    return False
