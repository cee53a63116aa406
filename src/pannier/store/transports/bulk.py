"""Bulk calls of a transport that carries one item in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from pannier.core.errors import CorruptObject, PannierError
from pannier.store.transport import Moved, OnBytes, Result, split_version
from pannier.store.transports.s3_bodies import Sink
from pannier.store.transports.threads import Stopped, Team, interruptibly


class Filling:
    """download_many of the contract, and of Continuing continue_many: one method does both."""

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        return self._fill_many(items, jobs, on_bytes, keep=False)

    def continue_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        """See Continuing."""
        return self._fill_many(items, jobs, on_bytes, keep=True)

    def _fill_many(
        self,
        items: Iterable[tuple[str, str, str]],
        jobs: int,
        on_bytes: OnBytes,
        *,
        keep: bool,
    ) -> Iterator[Result]:
        """keep: as of Sink."""
        raise NotImplementedError


class Bulk(Filling):
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

    def _fill_many(
        self,
        items: Iterable[tuple[str, str, str]],
        jobs: int,
        on_bytes: OnBytes,
        *,
        keep: bool,
    ) -> Iterator[Result]:
        interruptibly(self._begin)

        def fill(key: str, path: str, expected: str) -> tuple[str, int]:
            with Sink(path, team.stop, on_bytes, keep=keep) as sink:
                if sink.is_all_of(expected):
                    return sink.finish(sink.size, expected, path)
                begun = sink.size
                try:
                    return self._download(key, sink, expected)
                except CorruptObject:
                    if not begun:
                        raise
                sink.restart()  # the beginning may have been wrong
                return self._download(key, sink, expected)

        def work(item: tuple[str, str, str]) -> Result:
            return self._result(item[0], lambda: fill(*item))

        team = Team(work, jobs)
        yield from team.map(items)

    def _result(self, key: str, work: Callable[[], Moved]) -> Result:
        try:
            moved = work()
        except Stopped:
            raise
        except CorruptObject as error:
            return Result(key, error, error.found)
        except PannierError as error:
            return Result(key, error)
        except Exception as error:
            return Result(key, self._error(error, split_version(key)[0]))
        return Result(key, None, *moved)

    # -- what a transport says ----

    def _begin(self) -> object:
        """Raises what is wrong with the remote as a whole."""
        raise NotImplementedError

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> Moved:
        """Sends one file."""
        raise NotImplementedError

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        """Goes on behind what the sink holds, where that can be. Returns (md5 hex, size)."""
        raise NotImplementedError

    def _error(self, error: BaseException, key: str) -> PannierError:
        """The contract's error for one of the client library's."""
        raise NotImplementedError
