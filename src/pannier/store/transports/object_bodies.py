"""Bodies of big objects through obstore: out in parts, in by ranges, several at a time."""

from __future__ import annotations

from collections.abc import Iterator

from pannier.core.errors import TransportError
from pannier.core.typed import Any
from pannier.store.transports.big_uploads import PART, PARTS_MAX, BigFile, Sent
from pannier.store.transports.object_client import Client
from pannier.store.transports.s3_bodies import Parts
from pannier.store.transports.threads import Team

BLOCK = 1 << 20
_PARTS_AT_ONCE = 6


def send_in_parts(at: Client, file: BigFile) -> Sent:
    """What raises here aborts it on the server. No later run can go on with what was sent."""
    part_size = file.part_size(PART, PARTS_MAX)
    parts = Parts(file.fd, file.path, part_size, file.expected, file.stop, file.on_bytes)
    told = at.obstore.put(
        at.slow,
        file.full,
        parts,
        use_multipart=True,
        chunk_size=part_size,
        max_concurrency=_PARTS_AT_ONCE,
    )
    return parts.md5, parts.size, told


def big_blocks(
    at: Client, full: str, size: int, etag: str | None, options: dict[str, Any]
) -> Iterator[Any]:
    """A big object's bytes, in order. options: obstore's, of the version that is meant."""
    try:
        yield from ranges(at, full, size, etag, options, 0)
        return
    except Exception as error:
        # Not every server keeps to ranges, nor does Google's when it unpacks what it holds.
        if "NotPartial" not in str(error):
            raise
    yield from at.obstore.get(at.store, full, options=options).stream(min_chunk_size=BLOCK)


def ranges(
    at: Client, full: str, size: int, etag: str | None, options: dict[str, Any], begin: int
) -> Iterator[Any]:
    """A big object's bytes from begin on, in order, several requests at a time."""

    def get(start: int) -> Any:
        part = (start, min(start + PART, size))
        answer = at.obstore.get(at.store, full, options={**options, "range": part})
        if answer.meta["size"] != size or answer.meta["e_tag"] != etag:
            error = TransportError(f"'{full}' changed while it was read")
            error.temporary = True
            raise error
        return answer.bytes()

    return Team(get, _PARTS_AT_ONCE).map_in_order(range(begin, size, PART))
