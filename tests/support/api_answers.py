"""Asks whatever `dvc.api` is installed: run by the Python of real DVC and by our own.

Reads a JSON list of [folder, expression] from stdin, and writes a list of answers. In expressions
`api` is dvc.api, `fs(...)` a DVCFileSystem, `opened(...)` what `with api.open(...)` reads.
Needs nothing but the standard library beside dvc.api.
"""

from __future__ import annotations

import json
import os
import shutil
import sys

import dvc.api as api


def opened(*args, **kwargs):  # type: ignore[no-untyped-def]
    with api.open(*args, **kwargs) as file:
        return file.read()


def lines(*args, **kwargs):  # type: ignore[no-untyped-def]
    with api.open(*args, **kwargs) as file:
        return list(file)


def sought(path, *places, **kwargs):  # type: ignore[no-untyped-def]
    """What is read at (place, count) pairs of one open file."""
    with api.open(path, mode="rb", **kwargs) as file:
        return [(file.seek(at), file.read(count), file.tell()) for at, count in places]


def got(fs, path, target):  # type: ignore[no-untyped-def]
    """What `get` makes of a path, which is removed again."""
    shutil.rmtree(target, ignore_errors=True)
    fs.get(path, target, recursive=True)
    if os.path.isfile(target):
        data = open(target).read()
        os.unlink(target)
        return data
    found = sorted(
        (
            os.path.relpath(os.path.join(folder, name), target),
            open(os.path.join(folder, name)).read(),
        )
        for folder, _, names in os.walk(target)
        for name in names
    )
    shutil.rmtree(target)
    return found


def plain(value):  # type: ignore[no-untyped-def]
    """An answer as JSON has it, without what is of one implementation only."""
    if isinstance(value, dict):
        if "type" in value and "name" in value:
            value = {k: v for k, v in value.items() if k in KEPT}
            if "fs_info" in value:
                value["fs_info"] = "there"
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return f"bytes {value!r}"
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


KEPT = {"name", "type", "size", "md5", "isexec", "dvc_info", "fs_info", "isout", "isdvc"}
NAMES = {
    "PathMissing": "PathMissingError",
    "IsDirectory": "IsADirectoryError",
    "OutputNotFound": "OutputNotFoundError",
    "ArtifactNotFound": "ArtifactNotFoundError",
    "NotInProject": "NotDvcRepoError",
    "GitError": "RevError",
    "SCMError": "RevError",
    "SourceError": "CloneError",
    "UnknownRemote": "RemoteNotFoundError",
    "NoRemote": "NoRemoteError",
}


def answer(folder, expression):  # type: ignore[no-untyped-def]
    os.chdir(folder)
    scope = {
        "api": api,
        "fs": api.DVCFileSystem,
        "opened": opened,
        "lines": lines,
        "sought": sought,
        "got": got,
    }
    try:
        return plain(eval(expression, scope))
    except Exception as error:
        name = type(error).__name__
        return f"{NAMES.get(name, name)}: {error}"


if __name__ == "__main__":
    answers = [answer(*question) for question in json.load(sys.stdin)]
    print(json.dumps(answers, sort_keys=True))
