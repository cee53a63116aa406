"""An open folder that many paths are below: the system walks the way to it once, not for each."""

from __future__ import annotations

import os


class Anchor:
    """Use as a context manager. What is not below the folder keeps its absolute path, for which
    the system ignores `fd`."""

    def __init__(self, folder: str) -> None:
        self._prefix = folder.rstrip("/") + "/"
        self.fd = os.open(folder or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Anchor:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def short(self, path: str) -> str:
        return path[len(self._prefix) :] if path.startswith(self._prefix) else path


def folder_of_prefixes(path: str) -> str:
    """The folder that holds an object's folder."""
    return os.path.dirname(os.path.dirname(path))
