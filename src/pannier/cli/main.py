"""The entry of the program. `--version` ends here: nothing more is imported for it."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from pannier import DVC_LEVEL, __version__

TYPE_CHECKING = False  # `typing` costs as much as all of this
if TYPE_CHECKING:
    from typing import NoReturn


def main(argv: list[str] | None = None) -> int:
    """Runs one command line, by default the process's, and returns its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    program = program_name(sys.argv[0])
    if words and words[0] in ("--version", "-V"):
        shown = f"{DVC_LEVEL}+pannier.{__version__}" if program == "dvc" else __version__
        try:
            os.write(1, f"{shown}\n".encode())
        except BrokenPipeError:
            return 141
        return 0
    # One command makes many values and no cycles worth looking for; the search costs a third.
    gc.disable()
    try:
        from pannier.cli.dispatch import run_process

        return run_process(words, program)
    except KeyboardInterrupt:  # so early, or so late, that nothing is open
        os.write(2, b"ERROR: interrupted by the user\n")
        return 252


def run() -> NoReturn:
    """The process: one command line, then the end.

    The interpreter would take every value apart before it goes, a tenth of a short command and
    seconds after a big one. All is written and closed by now, so it is left to the kernel; but not
    while another thread is at work.
    """
    code = main()
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)
    sys.exit(code)


def program_name(path: str) -> str:
    """Which of its two names the program was called by: "dvc" or "pannier"."""
    return "dvc" if os.path.basename(path).lower().startswith("dvc") else "pannier"
