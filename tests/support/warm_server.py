"""Runs our program many times from one warm process; see tests/support/warm.py.

Reads one JSON request a line: {"argv", "cwd", "env", "umask", "out", "err"}; answers {"rc"},
negative for a signal. Every run is a fork of a process that has imported what every run of the
program imports, and no more: what a command needs it must import itself.
"""

import json
import os
import resource
import signal
import sys
from typing import Any, NoReturn

from pannier.cli import dispatch, main
from tests.support.forked import enter

PATIENCE_S = 300


def child(request: dict[str, Any]) -> NoReturn:
    signal.alarm(PATIENCE_S)
    os.umask(request["umask"])
    enter(request)
    main.run()


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    assert dispatch is not None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in requests:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(request)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"rc": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path != os.getcwd()]
    serve()
