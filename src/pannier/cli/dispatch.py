"""Runs one command line: opens what the command needs, and turns every end into an exit code.

Exit codes are DVC's: docs/compat.md and the table in cli/table.py.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from types import FrameType

from pannier import DVC_LEVEL, __version__
from pannier.cli import args, table
from pannier.cli.context import Context
from pannier.cli.ui import OutputClosed, Ui
from pannier.core.errors import ConfigError, Interrupted, NotInProject, PannierError
from pannier.core.typed import TYPE_CHECKING, Any, NoReturn
from pannier.disk import fsio, libc, watch
from pannier.formats.config_schema import SECRETS

if TYPE_CHECKING:
    from pannier.project.project import Project

BROKEN_PIPE, INTERRUPTED, BAD_LINE, UNEXPECTED = 141, 252, 254, 255


_SECRET_VARIABLES = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "OSS_ACCESS_KEY_SECRET"),
    *("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"),
    *("AZURE_CLIENT_SECRET", "GDRIVE_CREDENTIALS_DATA", "DVC_STUDIO_TOKEN", "STUDIO_TOKEN"),
)


class _Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP came. Like Ctrl-C it unwinds everything; then the process dies of it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def run_process(argv: Sequence[str], program: str) -> int:
    """The whole life of a process: one line, with signals in our hands and its output flushed."""
    libc.fill_streams()
    with _signals():
        try:
            code = execute(argv, program)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
        except _Ended as ended:
            number = ended.number
        except (OutputClosed, BrokenPipeError):
            _leave(BROKEN_PIPE)
        except OSError as error:
            _leave(UNEXPECTED, f"ERROR: cannot write the output: {error.strerror}\n")
    os.kill(os.getpid(), number)  # our parent sees what we ended of
    return UNEXPECTED


def execute(argv: Sequence[str], program: str) -> int:
    """Runs one line in this process and returns its exit code; hooks run lines inside lines."""
    ui = Ui()
    try:
        return _run(argv, program, ui)
    except _Ended:
        raise
    except KeyboardInterrupt:
        ui.error(Interrupted().message)
        return INTERRUPTED
    except Exception as error:
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
        ui.error(bad.message, bad.hint)
        return BAD_LINE
    ui.quiet, ui.verbose = line.quiet, line.verbose
    ui.mask.learn([*_typed_secrets(argv), *_secrets_around()])
    if ui.verbose:
        _introduce(argv, ui)
    try:
        os.chdir(line.opts.cd)
    except OSError as error:
        ui.error(f"cannot change to '{line.opts.cd}': {error.strerror}")
        return UNEXPECTED
    return _run_command(line, argv, program, ui)


_SECRET_PARTS = ("passw", "pasw", "secret", "token", "api_key", "apikey", "private_key")


def _typed_secrets(argv: Sequence[str]) -> list[str]:
    """What follows the name of a secret option, as in `remote modify x password ...`, also of one
    that is misspelled; and URLs with a password."""
    return [
        value
        for option, value in pairwise(argv)
        if _is_secret_option(option.lower().rpartition(".")[2]) and not value.startswith("-")
    ] + [word for word in argv if "@" in word and "://" in word]


def _is_secret_option(word: str) -> bool:
    return word in SECRETS or any(part in word for part in _SECRET_PARTS)


def _secrets_around() -> list[str]:
    """Secrets that the environment holds for the clouds' own programs and for us."""
    return [os.environ[name] for name in _SECRET_VARIABLES if os.environ.get(name)]


def _run_command(line: args.Line, argv: Sequence[str], program: str, ui: Ui) -> int:
    command = line.command
    ctx = Context(ui, os.getcwd(), program, line.opts.wait_for_lock)
    try:
        if command.needs & table.PROJECT:
            ctx.opened = _opened(command, ctx.cwd)
            ui.mask.learn(ctx.opened.settings.secret_values())
    except PannierError as error:
        return _told(error, ui)
    try:
        lock = ctx.project.lock(ctx.wait_for_lock) if command.needs & table.LOCK else nullcontext()
        with lock, _logged(line, argv, ctx):
            code: int = line.opts.run(ctx, line.opts)
            return code
    except (NotInProject, Interrupted) as error:
        return _told(error, ui)
    except PannierError as error:
        return _failed(error, line, ui)
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        return _failed(fsio.disk_error(error, str(error.filename)), line, ui)
    finally:
        if ctx.opened is not None:
            for warning in ctx.opened.settings.warnings:
                ui.warn(warning)
            ctx.opened.close()


def _opened(command: table.Command, cwd: str) -> Project:
    try:
        return table.open_project(cwd)
    except NotInProject:
        if not command.needs & table.ANYWHERE:
            raise
        return table.open_folder(cwd)


@contextmanager
def _logged(line: args.Line, argv: Sequence[str], ctx: Context) -> Iterator[None]:
    """What happens inside goes to the operation log, if the command is one of those."""
    if not line.command.needs & table.LOGGED:
        with watch.watching(None):
            yield
        return
    words = [ctx.ui.mask(word) for word in argv]
    with table.open_recording(ctx.cwd, words, ctx.ui.warn, ctx.opened) as recording:
        ctx.recording = recording
        if ctx.opened is not None:
            ctx.opened.recording = recording
        with watch.watching(recording):
            yield


# -- telling -------------------------------------------------------------------------------------


def _failed(error: PannierError, line: args.Line, ui: Ui) -> int:
    """A command's own failure: its words before, its exit code."""
    if line.command.code is None:
        return _told(error, ui)
    targets = getattr(line.opts, "targets", None) or []
    if error.about is not None:
        targets = [error.about]
    words = line.command.prefix.format(
        targets="".join(f" {target}" for target in targets),
        target=targets[0] if targets else "",
        opts=line.opts,
    )
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

    A signal that our parent told us to ignore (nohup) stays ignored; but not the end of our own
    children, whose exit codes nobody could have then: what failed would pass for good.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended(number)

    hook = sys.unraisablehook
    sys.unraisablehook = _again_or(hook)
    before: dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def _again_or(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What Python does with an exception that it cannot raise, say in the end of an object: the end
    of the process that a signal asked for is asked for once more, a moment later."""

    def look(failure: Any) -> None:
        error = failure.exc_value
        if not isinstance(error, _Ended | KeyboardInterrupt):
            hook(failure)
            return
        number = error.number if isinstance(error, _Ended) else signal.SIGINT
        while True:
            try:
                threading.Timer(0.02, os.kill, (os.getpid(), number)).start()
                return
            except (_Ended, KeyboardInterrupt):
                pass  # it came while the timer was being started: here it can't be raised, either

    return look


def _leave(code: int, last_words: str = "") -> NoReturn:
    """Ends the process now. All is closed; only output is left that nobody can take, and the
    interpreter would try to write it once more and complain.
    """
    if sys.stderr is not None:
        sys.stderr.write(last_words)
        sys.stderr.flush()
    os._exit(code)
