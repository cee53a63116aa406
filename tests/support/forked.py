"""What a fork does before it runs a program in the place of a new process. Standard library only:
real DVC's Python imports it, too."""

import os
import sys
import time


def enter(request):
    """Folder, environment, arguments and standard streams of a run.

    request: {"argv", "cwd", "env", "out", "err"}; argv: with the program's name.
    """
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    for path, fd in ((os.devnull, 0), (request["out"], 1), (request["err"], 2)):
        flags = os.O_RDONLY if fd == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    sys.argv = list(request["argv"])
