"""Runs real DVC many times from one warm process; executed by the Python that DVC lives in.

Reads one JSON request a line: {"argv", "cwd", "env", "out", "err"}; answers {"rc"}. Every request
runs in a fork of the process that has imported DVC and done nothing else, so no state of one run
reaches the next: what is saved is only the half second of imports.
"""

import json
import os
import sys
import traceback


def child(request):
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for path, fd in ((os.devnull, 0), (request["out"], 1), (request["err"], 2)):
        flags = os.O_RDONLY if fd == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    sys.argv = ["dvc", *request["argv"]]
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
    import dvc.cli
    import dvc.cli.parser
    import dvc.data_cloud
    import dvc.fs
    import dvc.ignore
    import dvc.repo.index
    import dvc_data.hashfile.transfer
    import dvc_data.index.checkout
    import dvc_data.index.fetch  # noqa: F401

    dvc.cli.parser.get_main_parser()
    print(json.dumps({"ready": dvc.__version__}), file=answers, flush=True)
    for line in requests:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(request)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"rc": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


main()
