"""Runs our program many times from one warm process, with a fault at a chosen crash point.

Reads one JSON request a line: {"argv", "cwd", "env", "fault", "log", "umask",
"seconds", "out", "err"};
answers {"pid"}, then {"stopped"} whenever it was stopped, then {"rc"}, negative for a signal. Every
run is a fork of a process that has imported the program and done nothing else, so only the imports
are saved.
"""

import json
import os
import resource
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

from pannier.cli import dispatch, main, table
from pannier.disk import faults
from tests.support.forked import enter

COMMANDS = ("add", "checkout", "commit", "fetch", "pull", "push", "repro", "status")
MEMORY = 1 << 30
PATIENCE_S = 150
LATE = ("pannier.store.transports.local", "ruamel.yaml", "pathspec", "yaml")

HEARD = {signal.SIGINT, signal.SIGTERM}
"""Held back until a run has begun: whoever sends one knows no more than the run's number."""


def child(request: dict[str, Any]) -> NoReturn:
    os.setpgid(0, 0)
    if request["umask"] is not None:
        os.umask(request["umask"])
    enter({**request, "argv": ["dvc", *request["argv"]]})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(request["seconds"] or PATIENCE_S)
    if request["seconds"]:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    faults.arm(request["fault"], request["log"])
    rc = 255
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        rc = main.main()
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())  # what the interpreter itself would do
        rc = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(rc)


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    assert dispatch is not None
    for name in COMMANDS:
        table.load(table.COMMANDS[name])
    for module in LATE:
        import_module(module)

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    say({"ready": True})
    for line in requests:
        request = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        pid = os.fork()
        if pid == 0:
            child(request)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        say({"pid": pid})
        while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
            say({"stopped": True})
        say({"rc": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    serve()
