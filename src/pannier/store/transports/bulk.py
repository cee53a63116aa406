"""Bulk calls of a transport that carries one item in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from pannier.core.errors import CorruptObject, PannierError
from pannier.store.transport import OnBytes, Result
from pannier.store.transports.threads import Stopped, Team, interruptibly


class Bulk:
    """upload_many and download_many of the contract, made of the four methods below."""

    def upload_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        interruptibly(self._begin)

        def work(item: tuple[str, str, str]) -> Result:
            path, key, expected = item
            return self._result(key, lambda: self._upload(path, key, expected, team.stop, on_bytes))

        team = Team(work, jobs)
        yield from team.map(items)

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        interruptibly(self._begin)

        def work(item: tuple[str, str, str]) -> Result:
            key, path, expected = item
            return self._result(
                key, lambda: self._download(key, path, expected, team.stop, on_bytes)
            )

        team = Team(work, jobs)
        yield from team.map(items)

    def _result(self, key: str, work: Callable[[], tuple[str, int]]) -> Result:
        try:
            md5, size = work()
        except Stopped:
            raise
        except CorruptObject as error:
            return Result(key, error, error.found)
        except PannierError as error:
            return Result(key, error)
        except Exception as error:
            return Result(key, self._error(error, key))
        return Result(key, None, md5, size)

    # -- what a transport says ----

    def _begin(self) -> object:
        """Raises what is wrong with the remote as a whole."""
        raise NotImplementedError

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        """Returns (md5 hex, size in bytes)."""
        raise NotImplementedError

    def _download(
        self, key: str, path: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        """Returns (md5 hex, size in bytes)."""
        raise NotImplementedError

    def _error(self, error: BaseException, key: str) -> PannierError:
        """The contract's error for one of the client library's."""
        raise NotImplementedError
