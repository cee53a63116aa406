"""The Transport protocol: a way to read and write named byte strings somewhere.

The contract that every transport keeps, and that `tests/contract/` checks against real servers:

- A key is a POSIX path relative to the transport's root ("files/md5/ab/cdef...").
- A key names nothing, or a complete byte string: `upload` makes it appear whole or not at all,
  whatever happens to this process, the network or the server.
- `upload` of a key that exists may replace it, and only by another complete byte string.
- `download` hands the bytes on exactly as they are stored; a body that is shorter than the server
  said is an error, never a short file.
- Errors are TransportError's: NotThere, AccessDenied, Unreachable (temporary), or TransportError
  with `temporary` set on what is worth another try, and plain for a key that the place cannot
  hold. What this machine's disk refuses is DiskError (for a folder remote also what its disk
  does). Transports themselves retry nothing more than their client library does; `store.transfer`
  retries.
- What is wrong with the remote as a whole (settings, no credentials) is raised, by the bulk calls
  too; what is wrong with one item is in its Result.
- All methods may be called from several threads at once, unless the docstring says otherwise.
- Nothing happens before the first request: making a transport neither connects nor reads files.
- No message and no log ever holds a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pannier.core.record import dataclass, field
from pannier.core.typed import Any, Protocol
from pannier.store.remote_config import RemoteConfig

OnBytes = Callable[[int], None]
"""Called with the number of bytes that just travelled."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed key. size_bytes None when the place does not tell. checksum: as of Facts."""

    key: str
    size_bytes: int | None
    checksum: tuple[str, str] | None = field(default=None, compare=False)


class Facts(NamedTuple):
    """What a place tells of one key without its bytes.

    checksum: what changes when the bytes do: ("etag", value) of an object store, ("checksum",
    value) of a web server, as DVC writes them down; None where only the bytes tell.
    """

    size_bytes: int | None
    checksum: tuple[str, str] | None = None
    version_id: str | None = None


class Result(NamedTuple):
    """What became of one item of a bulk call: error None when it is there."""

    key: str
    error: Exception | None = None
    md5: str | None = None
    """Hex digest of the bytes as they travelled, for downloads and uploads that hashed."""
    size_bytes: int = 0
    facts: Facts | None = None
    """Of what was uploaded, where the place tells them with its answer."""


Moved = tuple[str, int] | tuple[str, int, Facts]
"""(MD5 hex, size in bytes) of what travelled, and what the place told of it."""

_VERSION = "\0"


def key_of_version(key: str, version_id: str) -> str:
    """A key for `Versioning`'s downloads: of one version. No other key holds a NUL."""
    return f"{key}{_VERSION}{version_id}"


def split_version(key: str) -> tuple[str, str]:
    """(key, version id or "")."""
    bare, _, version_id = key.partition(_VERSION)
    return bare, version_id


class Transport(Protocol):
    """See the module's docstring for the contract."""

    url: str
    """Shown to the user; holds no secret."""

    jobs_default: int
    """How many requests in flight do well here."""

    def stat(self, key: str) -> Entry | None:
        """The key's size, or None when it does not exist."""
        ...

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        """All keys that start with prefix, in no fixed order; a missing prefix lists nothing.

        prefix: may end in the middle of a name ("files/md5/0"). start_after: a hint to skip keys
        up to and including it; a transport may ignore it. Raises Unlistable where there is no such
        request at all.
        """
        ...

    def read(self, key: str) -> bytes:
        """A small object as a whole. Raises NotThere."""
        ...

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """The bytes from start up to end, which may lie beyond the object's end: then fewer.

        What begins beyond the object's end is b"". Raises NotThere. A transport that cannot do
        this leaves the method out: `store.ranges.read_range` then reads the whole object.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """A small object as a whole."""
        ...

    def upload_many(
        self,
        items: Iterable[tuple[str, str, str]],
        jobs: int,
        on_bytes: OnBytes,
    ) -> Iterator[Result]:
        """Uploads files: (local path, key, expected md5 hex or "").

        With an expected md5 the bytes are hashed as they travel; when they differ nothing is
        published under the key and the result's error is CorruptObject. Yields one Result an
        item, in order of completion. Stops taking items when the iterator is closed.
        """
        ...

    def download_many(
        self,
        items: Iterable[tuple[str, str, str]],
        jobs: int,
        on_bytes: OnBytes,
    ) -> Iterator[Result]:
        """Downloads keys into new files: (key, local path that does not exist, expected md5 or "").

        The local file is the caller's staging: it need not be flushed or renamed here. With an
        expected md5, differing bytes give CorruptObject and no file is left. Result.md5 is always
        the digest of the bytes received. Yields one Result an item, in order of completion.
        """
        ...

    def delete(self, key: str) -> None:
        """Removes a key; one that does not exist is no error."""
        ...

    def flush(self) -> None:
        """Returns when all that was uploaded survives a crash of the machine that holds it."""
        ...

    def close(self) -> None: ...


class Continuing(Protocol):
    """What some transports can do beside: those that can begin in the middle of an object."""

    def continue_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        """As download_many, but a local file that exists is taken for the beginning.

        Only what is missing travels, if the digest of the whole is right in the end; a beginning
        that was wrong gives CorruptObject, and no file is left. What came stays when the rest
        does not come, for the next call.
        """
        ...


class Version(NamedTuple):
    """One version of a key. is_latest: the one that the plain key names."""

    key: str
    facts: Facts
    is_latest: bool


class Versioning(Protocol):
    """What some transports can do beside: those whose server keeps every version of a key.

    Their downloads, `stat`, `read` and `read_range` take keys of `key_of_version`, and the results
    of their uploads have facts with the id of the new version.
    """

    def keeps_versions(self) -> bool | None:
        """Whether an upload leaves the old version there; None when the server does not tell."""
        ...

    def tidy(self) -> None:
        """Removes what a killed run left there of trying that. Left out by who only asks."""

    def versions(self, prefix: str) -> Iterator[Version]:
        """All versions of all keys that start with prefix; what was deleted names none.

        Left out by a transport that cannot list them; its `facts` then tell which version is the
        latest.
        """
        ...


class Abandoning(Protocol):
    """What some transports can do beside: those whose server keeps what a killed upload sent."""

    def give_up_uploads(self) -> int:
        """Removes what uploads sent that nobody went on with for a day. Returns how many."""
        ...


class Telling(Protocol):
    """What some transports can do beside: those whose server knows when bytes change."""

    def facts(self, key: str) -> Facts | None:
        """What is told of a key, or None when it does not exist."""
        ...


def facts_of(transport: Transport, key: str) -> Facts | None:
    """The facts of a key of any transport: one that tells nothing has a size alone."""
    tell = getattr(transport, "facts", None)
    if tell is not None:
        told: Facts | None = tell(key)
        return told
    entry = transport.stat(key)
    return None if entry is None else Facts(entry.size_bytes)


TransportFactory = Callable[[RemoteConfig], Any]
