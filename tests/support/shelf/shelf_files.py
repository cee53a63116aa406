"""A third party's package: file systems for fsspec that keep files in a folder of this machine.

They are as strict as such file systems may be: an instance works in the thread that made it alone,
folders must be made before files, and who does not say the password is not let in.
"""

import os
import shutil
import threading

from fsspec.spec import AbstractFileSystem

PASSWORD = "open sesame"


class CounterFileSystem(AbstractFileSystem):
    """counter://folder: takes and gives files, and can neither move nor copy them."""

    protocol = "counter"

    def __init__(self, password=None, shelves=3, **more):
        super().__init__(**more)
        if not isinstance(shelves, int):
            raise TypeError("shelves must be a number")
        self.thread = threading.get_ident()
        self.password = password

    def _at(self, path):
        if self.thread != threading.get_ident():
            raise RuntimeError("used from another thread than the one that made it")
        if self.password != PASSWORD:
            raise PermissionError(f"wrong password: {self.password}")
        return "/" + self._strip_protocol(path).strip("/")

    def ls(self, path, detail=True, **_):
        at = self._at(path)
        if os.path.isfile(at):
            return [self.info(path)]
        rows = [self._row(f"{at}/{name}") for name in os.listdir(at)]
        return rows if detail else [row["name"] for row in rows]

    def info(self, path, **_):
        return self._row(self._at(path))

    def _row(self, at):
        kind = "directory" if os.path.isdir(at) else "file"
        return {"name": at.strip("/"), "type": kind, "size": os.stat(at).st_size}

    def _open(self, path, mode="rb", **_):
        return open(self._at(path), mode)

    def makedirs(self, path, exist_ok=False):
        os.makedirs(self._at(path), exist_ok=exist_ok)

    def rm_file(self, path):
        os.unlink(self._at(path))

    def rmdir(self, path):
        os.rmdir(self._at(path))


class ShelfFileSystem(CounterFileSystem):
    """shelf://folder: the same, and files can be copied."""

    protocol = "shelf"

    def cp_file(self, path1, path2, **_):
        shutil.copyfile(self._at(path1), self._at(path2) + ".part")
        os.replace(self._at(path2) + ".part", self._at(path2))
