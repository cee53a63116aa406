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

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field

OnBytes = Callable[[int], None]
"""Called with the number of bytes that just travelled."""


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """One remote's settings: its name, URL, and options as the config file's text has them.

    protected: option names that came from the user's own config levels (global, system, local).
    Options that run a program or name a credential file count only from there
    (docs/durability.md, hostile input S5).
    base: absolute directory that relative paths were resolved against already.
    """

    name: str
    url: str
    options: dict[str, str] = field(default_factory=dict, repr=False)
    protected: frozenset[str] = frozenset()

    def get(self, option: str, default: str | None = None) -> str | None:
        return self.options.get(option, default)

    def own_file(self, option: str) -> str | None:
        """A file outside the project. Raises ConfigError when a repository brought the option."""
        value = self.options.get(option)
        if value is None or option in self.protected:
            return value and os.path.expanduser(value)
        raise ConfigError(
            f"the option '{option}' of remote '{self.name}' names a file outside the project, "
            "so it counts only in your own configuration",
            hint=f"if you trust it: 'dvc remote modify --local {self.name} {option} {value}'",
        )

    def flag(self, option: str, default: bool = False) -> bool:
        value = self.options.get(option)
        return default if value is None else str(value).strip().lower() == "true"


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed key. size_bytes None when the place does not tell."""

    key: str
    size_bytes: int | None


class Result(NamedTuple):
    """What became of one item of a bulk call: error None when it is there."""

    key: str
    error: Exception | None = None
    md5: str | None = None
    """Hex digest of the bytes as they travelled, for downloads and uploads that hashed."""
    size_bytes: int = 0


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
        up to and including it; a transport may ignore it.
        """
        ...

    def read(self, key: str) -> bytes:
        """A small object as a whole. Raises NotThere."""
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


TransportFactory = Callable[[RemoteConfig], Any]
