"""Streams, prompts and progress: the one place where text leaves the program.

Results go to standard output; warnings, errors and progress to standard error. With -q nothing
but the exit code is left. Every text is masked (pannier.cli.masking) before it leaves.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pannier.cli.masking import Mask
from pannier.core.events import Silent, Task
from pannier.core.typed import Any, TextIO

_PATIENCE_S = 0.5
_REDRAW_S = 0.1
_COLOURS = {"red": "31", "yellow": "33", "blue": "34"}


class OutputClosed(BaseException):
    """Nobody reads our standard output any more. Not an error that anybody should handle."""


class Ui:
    """What a command says and asks. Safe to use from several threads."""

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = 0
        self.mask = Mask()
        self._lock = threading.RLock()
        for stream in (sys.stdout, sys.stderr):
            _show_any_name(stream)
        self.progress = Bars(self)

    @property
    def has_colours(self) -> bool:
        """True when results go to a terminal that wants colours."""
        return _has_colours(sys.stdout)

    @property
    def is_terminal(self) -> bool:
        """True when somebody reads results on a terminal."""
        return _is_terminal(sys.stdout)

    # Results

    def write(self, text: str = "", end: str = "\n") -> None:
        """A result. Nothing with -q."""
        if not self.quiet:
            self._put(sys.stdout, self.mask(text, result=True) + end)

    def reveal(self, text: str) -> None:
        """A value that the user asked for by name, a secret included."""
        if not self.quiet:
            self._put(sys.stdout, text + "\n")

    def list(self, text: str) -> None:
        """A name for other programs, completion above all: also with -q, as DVC has it."""
        self._put(sys.stdout, self.mask(text, result=True) + "\n")

    def track_hint(self, paths: Iterable[str]) -> None:
        """Tells how to bring files that a command wrote into Git. paths: as seen from here."""
        import shlex

        shown = " ".join(shlex.quote(path) for path in paths)
        if shown:
            self.write(
                f"\nTo track the changes with git, run:\n\n\tgit add {shown}\n"
                "\nTo enable auto staging, run:\n\n\tdvc config core.autostage true"
            )

    # About the work

    def note(self, text: str) -> None:
        self.write(text)

    def warn(self, text: str) -> None:
        if not self.quiet:
            self._tell("WARNING", "yellow", text)

    def error(self, text: str, hint: str | None = None) -> None:
        if not self.quiet:
            self._tell("ERROR", "red", text)
            if hint:
                self.hint(hint)

    def hint(self, text: str) -> None:
        """What can be done about the line before."""
        if not self.quiet:
            self._tell("Hint", "blue", text)

    def debug(self, text: str) -> None:
        """One line of -v, on standard output with its time, as DVC has it."""
        if self.verbose:
            now = time.time()
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
            milliseconds = int(now % 1 * 1000)
            self._put(sys.stdout, f"{stamp},{milliseconds:03d} DEBUG: {self.mask(text)}\n")

    def plain_error(self, text: str) -> None:
        """Text for standard error without a word before it: a help, a traceback."""
        if not self.quiet:
            self._put(sys.stderr, self.mask(text) + "\n")

    def _tell(self, word: str, colour: str, text: str) -> None:
        if _has_colours(sys.stderr):
            word = f"\033[{_COLOURS[colour]}m{word}\033[39m"
        self._put(sys.stderr, f"{word}: {self.mask(text)}\n")

    # Questions

    def confirm(self, question: str, *, anybody: bool = False) -> bool:
        """Asks [y/n]. No, when nobody sits at a terminal or the input ends.

        anybody: a program at the other end of a pipe may answer, too.
        """
        heard = anybody or (_is_terminal(sys.stdin) and _is_terminal(sys.stdout))
        if sys.stdin is None or not heard:
            return False
        self.progress.close()  # a bar would write over the question
        while True:
            self._put(sys.stdout, f"{self.mask(question)} [y/n] ")
            sys.stdout.flush()
            answer = sys.stdin.readline()
            if not answer:
                return False
            if answer.strip().lower() in ("y", "yes", "n", "no"):
                return answer.strip().lower().startswith("y")
            self._put(sys.stdout, "Your response must be one of: ['y', 'yes', 'n', 'no']. ")

    def ask(self, question: str) -> bool:
        """Asks [y/n] and takes the answer from wherever the input comes; its end means no."""
        self.progress.close()
        while True:
            self._put(sys.stdout, f"{self.mask(question)} [y/n]: ")
            self.flush()
            answer = sys.stdin.readline() if sys.stdin is not None else ""
            if not answer:
                return False
            if answer.strip().lower() in ("y", "yes", "n", "no"):
                return answer.strip().lower().startswith("y")
            said = "Your response must be one of: ['yes', 'no', 'y', 'n']. Please try again."
            self._put(sys.stdout, said + "\n")

    # Streams

    def _put(self, stream: TextIO | None, text: str) -> None:
        """Writes whole lines. A closed standard error is not worth failing for."""
        if stream is None:
            return
        with self._lock, self.progress.hidden():
            if stream is sys.stdout:
                try:
                    stream.write(text)
                except BrokenPipeError:
                    raise OutputClosed from None
                return
            self.flush()  # the order on a terminal is the order of events
            try:
                stream.write(text)
                stream.flush()
            except BrokenPipeError:
                pass

    def flush(self) -> None:
        if sys.stdout is not None:
            try:
                sys.stdout.flush()
            except BrokenPipeError:
                raise OutputClosed from None

    def close(self) -> None:
        self.progress.close()


def _show_any_name(stream: Any) -> None:
    """A file name of any bytes can be printed: as it is in UTF-8, else with backslashes."""
    if stream is not None and hasattr(stream, "reconfigure"):
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def _is_terminal(stream: TextIO | None) -> bool:
    if os.environ.get("DVC_IGNORE_ISATTY"):
        return True
    return stream is not None and stream.isatty()


def _has_colours(stream: TextIO | None) -> bool:
    return _is_terminal(stream) and not os.environ.get("NO_COLOR")


# -- progress ------------------------------------------------------------------------------------


class _Bar:
    """A task that is drawn. Advancing it only adds to a number; drawing is for another thread."""

    def __init__(self, bars: Bars, label: str, total: int | None, unit: str) -> None:
        self.label, self.total, self.unit, self.count = label, total, unit, 0
        self.sent_bytes = 0
        self.moves = False
        self._bars = bars
        self.since_s = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, count: int = 1) -> None:
        with self._lock:
            self.count += count

    def set_total(self, total: int) -> None:
        self.total = total

    def travelled(self, count_bytes: int) -> None:
        with self._lock:
            self.sent_bytes += count_bytes
            self.moves = True

    def said(self) -> str:
        """How far it is: counted, and the bytes with their speed where some travelled."""
        text = _amount(self.count, self.total, self.unit)
        if not self.sent_bytes:
            return text
        speed = self.sent_bytes / max(0.1, time.monotonic() - self.since_s)
        return f"{text}, {_bytes(self.sent_bytes)}, {_bytes(int(speed))}/s"

    def close(self) -> None:
        self._bars.forget(self)


class Bars:
    """Progress on a terminal, for what takes longer than half a second; silence elsewhere."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self._open: list[_Bar] = []
        self._lock = threading.RLock()
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._display: Any = None
        self._silent = Silent()
        self._moved = [0, 0, 0.0]

    # The Progress protocol

    def task(self, label: str, total: int | None = None, unit: str = "file") -> Task:
        if self._ui.quiet or not _is_terminal(sys.stderr):
            return self._silent.task(label, total, unit)
        bar = _Bar(self, label, total, unit)
        with self._lock:
            self._open.append(bar)
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._draw, args=(self._stop,), daemon=True)
                self._thread.start()
        return bar

    def warn(self, text: str) -> None:
        self._ui.warn(text)

    def note(self, text: str) -> None:
        self._ui.note(text)

    def debug(self, text: str) -> None:
        self._ui.debug(text)

    # Drawing

    def forget(self, bar: _Bar) -> None:
        with self._lock:
            if bar in self._open:
                self._open.remove(bar)
                if bar.moves:
                    new = (bar.count, bar.sent_bytes, time.monotonic() - bar.since_s)
                    self._moved = [old + more for old, more in zip(self._moved, new, strict=True)]
            last = not self._open
        if last:
            self.close()

    def tell_moved(self, failed: int) -> None:
        """One line for a terminal: what the transfers since the last such line came to.

        failed: so many of the objects did not arrive.
        """
        (count, sent_bytes), spent_s = map(int, self._moved[:2]), self._moved[2]
        self._moved = [0, 0, 0.0]
        if not count:
            return
        speed = _bytes(int(sent_bytes / max(0.1, spent_s)))
        told = (f"{count - failed} of " if failed else "") + f"{count} object" + "s" * (count != 1)
        self._ui.plain_error(f"{told}, {_bytes(sent_bytes)} in {spent_s:.1f} s ({speed}/s)")

    def close(self) -> None:
        """Takes everything off the screen; a later task starts anew."""
        with self._lock:
            stop, thread = self._stop, self._thread
            self._stop = self._thread = None
        if stop is not None:
            stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _draw(self, stop: threading.Event) -> None:
        """The drawing thread."""
        if stop.wait(_PATIENCE_S):
            return
        while _secret_is_typed():
            if stop.wait(_REDRAW_S):
                return
        display = _make_display()
        shown: dict[_Bar, Any] = {}
        with self._lock:
            self._display = display
            display.start()
        try:
            while not stop.is_set():
                if not _secret_is_typed():
                    with self._lock:
                        self._update(display, shown)
                stop.wait(_REDRAW_S)
        finally:
            with self._lock:
                display.stop()
                self._display = None

    def _update(self, display: Any, shown: dict[_Bar, Any]) -> None:
        for bar in [bar for bar in shown if bar not in self._open]:
            display.remove_task(shown.pop(bar))
        for bar in self._open:
            if bar not in shown:
                label = self._ui.mask(bar.label)
                shown[bar] = display.add_task(label, total=bar.total, said="")
            display.update(shown[bar], completed=bar.count, total=bar.total, said=bar.said())
        display.refresh()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """No bar stands on the screen while a line is written."""
        if self._display is None:
            yield
            return
        with self._lock:
            display = self._display
            if display is not None:
                display.stop()
            try:
                yield
                self._ui.flush()
            finally:
                if display is not None:
                    display.start()


def _secret_is_typed() -> bool:
    """True while the terminal shows nothing of what is typed: a bar would write over the question
    that some transport asks."""
    import termios

    try:
        return not termios.tcgetattr(sys.stderr.fileno())[3] & termios.ECHO
    except (OSError, ValueError, AttributeError, termios.error):
        return False


def _make_display() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _amount(count: int, total: int | None, unit: str) -> str:
    shown: Callable[[int], str] = _bytes if unit == "B" else str
    of = f"/{shown(total)}" if total is not None else ""
    return shown(count) + of if unit == "B" else f"{shown(count)}{of} {unit}"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
