"""Listing a bucket: pages of a thousand keys, the next one asked for while one is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from pannier.core.typed import Any
from pannier.store.transports.s3_odd_keys import is_odd
from pannier.store.transports.threads import Team

_PAGE = 1000
_UNSORTED = "--x-s3"
"""How the names of Amazon's directory buckets end: they list in no order."""


class OddListing(Exception):
    """There is a key that obstore cannot list."""


def listed(
    obstore: Any, store: Any, bucket: str, full: str, after: str
) -> Iterator[tuple[str, int]]:
    """Yields (key, size in bytes) of the keys that start with full, in the server's order.

    obstore lists folders only: a start in the middle of a name is made of the place in the order
    where to begin and the end of what fits. after: where to begin at the earliest; may be ignored.
    Raises OddListing, and what obstore raises.
    """
    folder = full.rpartition("/")[0]
    if folder and is_odd(folder):
        raise OddListing
    in_order = not bucket.endswith(_UNSORTED)
    offset = max(after, just_before(full)) if in_order else ""
    stream = obstore.list(
        store,
        folder or None,
        offset=offset if offset and not is_odd(offset) else None,
        chunk_size=_PAGE,
    )
    pages: Team[int, Any] = Team(lambda _: next(stream, None), 1)
    try:
        for page in pages.map_in_order(count()):
            if page is None:
                return
            for meta in page:
                path = meta["path"]
                if path.startswith(full):
                    yield path, meta["size"]
                elif in_order and path > full:
                    return
    except Exception as error:
        if type(error).__name__ == "InvalidPathError":
            raise OddListing from None
        raise


def just_before(prefix: str) -> str:
    """A key that sorts before all that start with prefix, and after nearly all others before them.

    "" when there is none worth a thought.
    """
    folder, slash, start = prefix.rpartition("/")
    if not start or ord(start[-1]) <= ord(" "):
        return ""
    return folder + slash + start[:-1] + chr(ord(start[-1]) - 1) + "~"
