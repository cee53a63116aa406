"""Runs real DVC many times from one warm process; executed by the Python that DVC lives in.

Reads one JSON request a line: {"argv", "cwd", "env", "out", "err"}; answers {"rc"}. Every request
runs in a fork of the process that has imported DVC and done nothing else, so no state of one run
reaches the next: what is saved is only the imports, which are most of a run's time.

Some of what is imported asks where the home folder is, and keeps the answer. So HOME and
XDG_CONFIG_HOME are links here, which lead to the folders of the run that is about to begin.
"""

import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import traceback

from forked import enter

PATIENCE_S = 150
"""What outlives it is ended by a signal, and the one who asks hears so."""

OUT_OF_USE = ("dvc.__main__", "dvc.__pyinstaller", "dvc.api", "dvc.testing")
"""Parts of DVC that its commands do not import."""
LATE = """
    aiohttp_retry asyncssh dulwich.filters dulwich.ignore dulwich.index dulwich.worktree dvc_azure
    dvc_data.fs dvc_data.hashfile._progress dvc_data.hashfile.db.index dvc_data.hashfile.db.local
    dvc_data.hashfile.gc dvc_data.hashfile.status dvc_data.index.checkout dvc_data.index.fetch
    dvc_data.index.push dvc_http dvc_s3 dvc_ssh dvc_task.app dvc_webdav adlfs
    fsspec.implementations.http fsspec.implementations.memory networkx rich.json rich.status
    ruamel.yaml s3fs scmrepo.fs scmrepo.git scmrepo.git.backend.pygit2 scmrepo.git.lfs sshfs
    tabulate webdav4.fsspec
""".split()
"""What they import from elsewhere, but only when they come to it."""


def load():
    import dvc

    for module in pkgutil.walk_packages(dvc.__path__, "dvc."):
        if not module.name.startswith(OUT_OF_USE):
            try:
                importlib.import_module(module.name)
            except ImportError:  # of an extra that is not installed
                pass
    for name in LATE:
        importlib.import_module(name)
    import dvc.cli.parser

    dvc.cli.parser.get_main_parser()
    assert len(os.listdir("/proc/self/task")) == 1, "a fork has one thread"
    gc.collect()
    gc.freeze()
    return dvc.__version__


def lead(env):
    """Makes the links of this process's folders lead to those of a run."""
    home = env["HOME"]
    own = {"HOME": home, "XDG_CONFIG_HOME": env.get("XDG_CONFIG_HOME") or f"{home}/.config"}
    for name, place in own.items():
        link = os.environ[name]
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(place, link)


def child(request):
    signal.alarm(PATIENCE_S)
    enter({**request, "argv": ["dvc", *request["argv"]]})
    rc = 255
    try:
        from dvc.cli import main

        rc = main(request["argv"])
    except SystemExit as exit_:
        rc = exit_.code if isinstance(exit_.code, int) else 0 if exit_.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(rc)


def main():
    # Answers travel on the first standard output; a run's own output goes to files.
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    lead({"HOME": "/nonexistent"})
    print(json.dumps({"ready": load()}), file=answers, flush=True)
    for line in requests:
        request = json.loads(line)
        lead(request["env"])
        pid = os.fork()
        if pid == 0:
            child(request)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"rc": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


main()
