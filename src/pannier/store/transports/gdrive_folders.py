"""Paths in Google Drive: there are none, only ids of folders and files in folders.

Names are not unique: two programs that make the folder `ab` at once make two. So a path is all
folders of that name, and its files are those of all of them; new ones go into the oldest. Of files
with one name the oldest counts.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator

from pannier.core.errors import NotThere, TransportError
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.store.transports.gdrive_calls import DriveCalls
from pannier.store.transports.gdrive_options import APP_DATA

FILES = "/drive/v3/files"
FOLDER = "application/vnd.google-apps.folder"
_OWN = "application/vnd.google-apps."
"""Google's own documents, short-cuts and folders have no bytes."""

_FIELDS = "id,name,mimeType,size,md5Checksum,parents"
_PAGE = 1000
_PARENTS_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class DriveFile:
    """ids: of all files of this name in this folder, the oldest first."""

    ids: tuple[str, ...]
    size_bytes: int


class DriveFolders:
    """Of one remote. Paths are below its root, which is ""."""

    def __init__(self, calls: DriveCalls) -> None:
        self._calls = calls
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {"": (calls.options.root,)}
        self._making: dict[str, threading.Lock] = {}
        self._where: dict[str, str] | None = None

    # -- looking ----

    def find(self, key: str) -> DriveFile | None:
        folder, _, name = key.rpartition("/")
        parents = self.ids(folder)
        if not parents:
            return None
        query = f"{_in(parents)} and name = {_quoted(name)} and mimeType != '{FOLDER}'"
        found = [row for row in self._rows(query) if row["name"] == name and _has_bytes(row)]
        if not found:
            return None
        return DriveFile(tuple(row["id"] for row in found), int(found[0]["size"]))

    def members(self, folder: str, start: str) -> Iterator[tuple[str, int]]:
        """(key, size) of all files below a folder whose keys start with start."""
        level = {ident: folder for ident in self.ids(folder)}
        while level:
            below: dict[str, str] = {}
            seen: set[str] = set()
            idents = list(level)
            for at in range(0, len(idents), _PARENTS_AT_ONCE):
                asked = idents[at : at + _PARENTS_AT_ONCE]
                for row in self._rows(_in(asked)):
                    parent = next((p for p in row.get("parents", ()) if p in level), None)
                    if parent is None and len(asked) == 1:
                        parent = asked[0]  # `root` and `appDataFolder` stand for another id
                    name = row["name"]
                    if parent is None or not name or "/" in name or name in (".", ".."):
                        continue  # Drive allows names that no key can have
                    key = f"{level[parent]}/{name}" if level[parent] else name
                    if row["mimeType"] == FOLDER:
                        if f"{key}/".startswith(start) or start.startswith(f"{key}/"):
                            below[row["id"]] = key
                    elif key.startswith(start) and _has_bytes(row) and key not in seen:
                        seen.add(key)
                        yield key, int(row["size"])
            level = below

    def ids(self, folder: str) -> tuple[str, ...]:
        """All folders of this path, the oldest first; none when there is none."""
        return self._below(self._whole(folder))

    def _whole(self, folder: str) -> str:
        """A path from the id in the URL, as the folders are remembered."""
        return "/".join(part for part in (self._calls.options.path, folder) if part)

    def _below(self, whole: str) -> tuple[str, ...]:
        """What is not there is asked for each time; what is beside it is remembered, too."""
        with self._lock:
            known = self._known.get(whole)
        if known is not None:
            return known
        above, _, name = whole.rpartition("/")
        parents = self._below(above)
        if not parents:
            return ()
        found: dict[str, list[str]] = {}
        for row in self._rows(f"{_in(parents)} and mimeType = '{FOLDER}'"):
            found.setdefault(row["name"], []).append(row["id"])
        with self._lock:
            for each, idents in found.items():
                self._known.setdefault(f"{above}/{each}" if above else each, tuple(idents))
        return tuple(found.get(name, ()))

    def _rows(self, query: str) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            asked = {
                "q": f"{query} and trashed = false",
                "fields": f"nextPageToken,files({_FIELDS})",
                "pageSize": str(_PAGE),
                "orderBy": "createdTime",
                **self.place(),
                **({"pageToken": token} if token else {}),
            }
            page = self._calls.told("GET", FILES, query=asked)
            yield from page.get("files", ())
            token = page.get("nextPageToken", "")
            if not token:
                return

    def place(self) -> dict[str, str]:
        """What a query says of where it looks: a shared drive is asked as one."""
        with self._lock:
            if self._where is None:
                self._where = self._placed()
            return self._where

    def _placed(self) -> dict[str, str]:
        root = self._calls.options.root
        if root == APP_DATA:
            return {"spaces": APP_DATA}
        everywhere = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
        if root == "root":
            return everywhere
        try:
            asked = {"fields": "id,mimeType,driveId", "supportsAllDrives": "true"}
            about = self._calls.told("GET", f"{FILES}/{root}", query=asked)
        except NotThere:
            raise TransportError(
                f"there is no folder '{root}' on Google Drive for who asks",
                hint="check the remote's URL, and share the folder with who asks",
            ) from None
        if about.get("mimeType") != FOLDER:
            raise TransportError(f"'{root}' on Google Drive is no folder")
        drive = about.get("driveId")
        return {**everywhere, "corpora": "drive", "driveId": drive} if drive else everywhere

    # -- making ----

    def make(self, folder: str) -> str:
        """The id of a folder for new files; makes it, and those above it."""
        return self._made(self._whole(folder))

    def _made(self, whole: str) -> str:
        with self._lock:
            lock = self._making.setdefault(whole, threading.Lock())
        with lock:
            found = self._below(whole)
            if found:
                return found[0]
            above, _, name = whole.rpartition("/")
            body = {"name": name, "mimeType": FOLDER, "parents": [self._made(above)]}
            made = self._calls.told(
                "POST",
                FILES,
                body=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
                query={"fields": "id", "supportsAllDrives": "true"},
            )
            with self._lock:
                self._known[whole] = (made["id"],)
            return str(made["id"])

    def forget(self) -> None:
        """What was known may be wrong: somebody removed a folder."""
        with self._lock:
            self._known = {"": (self._calls.options.root,)}


def _in(parents: Iterable[str]) -> str:
    return "(" + " or ".join(f"{_quoted(ident)} in parents" for ident in parents) + ")"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _has_bytes(row: dict[str, Any]) -> bool:
    return "size" in row and not row["mimeType"].startswith(_OWN)
