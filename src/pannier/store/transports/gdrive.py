"""Google Drive, by version 3 of its interface."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from pannier.core.errors import NotThere, PannierError, TransportError
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, OnBytes
from pannier.store.transports.bulk import Bulk
from pannier.store.transports.gdrive_bodies import SMALL, put, send
from pannier.store.transports.gdrive_calls import DriveCalls
from pannier.store.transports.gdrive_folders import FILES, DriveFile, DriveFolders
from pannier.store.transports.gdrive_options import read_drive_options
from pannier.store.transports.local_copies import bad_key, is_bad
from pannier.store.transports.s3_bodies import Sink


class GdriveTransport(Bulk):
    """See Transport. A file appears with its last byte: Drive shows none before."""

    jobs_default = 12

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_drive_options(config)
        self.url = self._options.shown
        self.calls = DriveCalls(self._options)
        self._folders = DriveFolders(self.calls)

    def __repr__(self) -> str:
        return f"GdriveTransport({self.url!r})"

    def stat(self, key: str) -> Entry | None:
        found = None if is_bad(key) else self._folders.find(key)
        return None if found is None else Entry(key, found.size_bytes)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        folder, _, _ = prefix.rpartition("/")
        if not folder or not is_bad(folder):
            for key, size in self._folders.members(folder, prefix):
                yield Entry(key, size)

    def read(self, key: str) -> bytes:
        with self._bytes_of(self._there(key), key) as answer:
            return b"".join(answer.iter_raw())

    def read_range(self, key: str, start: int, end: int) -> bytes:
        found = self._there(key)
        end = min(end, found.size_bytes)
        if start >= end:
            return b""
        with self._bytes_of(found, key, f"bytes={start}-{end - 1}") as answer:
            data = b"".join(answer.iter_raw())
        return data[start:end] if answer.status_code == 200 else data

    def write(self, key: str, data: bytes) -> None:
        if len(data) > SMALL:
            raise TransportError(f"'{key}' is too big to be written at once")
        with self._place_for(key) as (ident, about):
            put(self.calls, ident, about, data, key)

    def delete(self, key: str) -> None:
        """All files of this name: Drive may have several."""
        found = None if is_bad(key) else self._folders.find(key)
        for ident in found.ids if found is not None else ():
            with contextlib.suppress(NotThere):
                self._remove(ident, key)

    def flush(self) -> None:
        """Nothing to do: Google keeps what it said that it has."""

    def close(self) -> None:
        self.calls.close()

    # -- how ----

    def _begin(self) -> None:
        self.calls.open()

    def _there(self, key: str) -> DriveFile:
        if is_bad(key):
            raise bad_key(key, self.url)
        found = self._folders.find(key)
        if found is None:
            raise NotThere(f"'{key}' does not exist in '{self.url}'")
        return found

    @contextlib.contextmanager
    def _place_for(self, key: str) -> Iterator[tuple[str | None, dict[str, Any]]]:
        """(id of the file that has this name, what is to be said of a new one)."""
        if is_bad(key):
            raise bad_key(key, self.url)
        folder, _, name = key.rpartition("/")
        parent = self._folders.make(folder)
        found = self._folders.find(key)
        try:
            yield (found.ids[0] if found else None), {"name": name, "parents": [parent]}
        except NotThere:
            self._folders.forget()
            error = TransportError(f"the folder of '{key}' in '{self.url}' was removed")
            error.temporary = True
            raise error from None

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        with self._place_for(key) as (ident, about):
            return send(self.calls, ident, about, (path, expected), key, stop, on_bytes)

    def _bytes_of(self, found: DriveFile, key: str, part: str = "") -> Any:
        agreed = {"acknowledgeAbuse": "true"} if self._options.acknowledge_abuse else {}
        return self.calls.ask(
            "GET",
            f"{FILES}/{found.ids[0]}",
            key,
            good=(200, 206),
            headers={"Range": part} if part else None,
            query={"alt": "media", "supportsAllDrives": "true", **agreed},
        )

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        found = self._there(key)
        if sink.size > found.size_bytes:
            sink.restart()
        if sink.size < found.size_bytes:
            at = sink.size
            with self._bytes_of(found, key, f"bytes={at}-" if at else "") as answer:
                if at and answer.status_code != 206:
                    sink.restart()
                for block in answer.iter_raw():
                    sink.add(block)
        return sink.finish(found.size_bytes, expected, f"'{self.url}/{key}'")

    def _remove(self, ident: str, key: str) -> None:
        path, all_drives = f"{FILES}/{ident}", {"supportsAllDrives": "true"}
        if self._options.trash_only:
            self.calls.told(
                "PATCH",
                path,
                key,
                headers={"Content-Type": "application/json"},
                body=b'{"trashed": true}',
                query=all_drives,
            )
        else:
            with self.calls.ask("DELETE", path, key, good=(200, 204), query=all_drives):
                pass

    def _error(self, error: BaseException, key: str) -> PannierError:
        return self.calls.failed(error)
