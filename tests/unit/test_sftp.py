"""SFTP as it is spoken: what goes out, what is made of answers, and of what is no answer at all."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.store.transports.sftp import Lost, Session
from pannier.store.transports.sftp_answers import FAILURE, Attrs, Refused

VERSION = struct.pack(">IBI", 5, 2, 3)


class Channel:
    """The other end of a session: what was written to it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def abort(self) -> None:
        self.aborted = True


def packet(kind: int, number: int, *parts: bytes) -> bytes:
    body = struct.pack(">BI", kind, number) + b"".join(parts)
    return struct.pack(">I", len(body)) + body


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def status(number: int, code: int, message: bytes = b"Failure") -> bytes:
    return packet(101, number, struct.pack(">I", code), string(message), string(b""))


def spoken(work: Callable[[Session, Channel], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        session, channel = Session(), Channel()
        session.connection_made(channel)
        session.session_started()
        session.data_received(VERSION, None)
        await session.start()
        await asyncio.sleep(0)
        channel.writes.clear()
        return await work(session, channel)

    return asyncio.run(run())


def test_requests_of_one_turn_go_out_in_one_write() -> None:
    async def work(session: Session, channel: Channel) -> list[bytes]:
        for number in range(3):
            session.remove(b"/%d" % number)
        await asyncio.sleep(0)
        return channel.writes

    (written,) = spoken(work)

    assert b"".join(packet(13, n, string(b"/%d" % (n - 1))) for n in (1, 2, 3)) == written


def test_answers_may_come_in_any_order_and_in_any_pieces() -> None:
    answers = packet(103, 2, string(b"two")) + status(3, 1, b"End of file")
    answers += packet(103, 1, string(b"one"))

    async def work(session: Session, channel: Channel) -> list[bytes]:
        reading = [session.read(b"h", at, 3) for at in range(3)]
        for at in range(len(answers)):
            session.data_received(answers[at : at + 1], None)
        return [await each for each in reading]

    assert [b"one", b"two", b""] == spoken(work)


def test_a_refusal_has_the_servers_words() -> None:
    async def work(session: Session, channel: Channel) -> None:
        writing = session.write(b"h", 0, b"data")
        session.data_received(status(1, 4, b"no, never"), None)
        await writing

    with pytest.raises(Refused, match="no, never") as found:
        spoken(work)
    assert FAILURE == found.value.code


def test_attributes_are_those_that_the_server_tells() -> None:
    flags = 0x1 | 0x2 | 0x4 | 0x8 | 0x80000000
    more = struct.pack(">I", 1) + string(b"kind") + string(b"value")
    full = struct.pack(">IQIIIII", flags, 1 << 33, 1, 2, 0o100644, 7, 8) + more
    names = struct.pack(">I", 2) + string(b"a") + string(b"-rw a") + full
    names += string(b"b") + string(b"?") + struct.pack(">I", 0)

    async def work(session: Session, channel: Channel) -> object:
        listing = session.readdir(b"h")
        session.data_received(packet(104, 1, names), None)
        return await listing

    expected = [(b"a", Attrs(1 << 33, 0o100644, 8)), (b"b", Attrs(None, None, None))]
    assert expected == spoken(work)


def test_a_lost_connection_ends_every_wait_and_later_requests() -> None:
    async def work(session: Session, channel: Channel) -> list[object]:
        waiting = [session.remove(b"/x"), session.read(b"h", 0, 1)]
        session.connection_lost(OSError("gone"))
        return await asyncio.gather(*waiting, session.stat(b"/y"), return_exceptions=True)

    assert ["gone"] * 3 == [str(error) for error in spoken(work) if isinstance(error, Lost)]


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    async def work(session: Session, channel: Channel) -> Lost | None:
        session.remove(b"/x").cancel()
        session.data_received(status(1, 0), None)
        return session.lost

    assert spoken(work) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"Welcome to this server\n",
        struct.pack(">I", 1 << 30) + b"x",
        packet(103, 1, struct.pack(">I", 1 << 20)),
        packet(103, 1, string(b"")),
        packet(102, 1, string(b"a handle")),
        packet(104, 1, struct.pack(">I", 1 << 31)),
        packet(103, 77, string(b"nobody asked")),
        struct.pack(">IB", 1, 103),
    ],
)
def test_what_is_no_answer_ends_the_session(answer: bytes) -> None:
    async def work(session: Session, channel: Channel) -> None:
        reading = session.read(b"h", 0, 1)
        session.data_received(answer, None)
        assert channel.aborted
        await reading

    with pytest.raises(Lost, match="not SFTP"):
        spoken(work)


@given(st.lists(st.binary(max_size=60), max_size=6))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_no_bytes_raise_anything_in_the_event_loop(pieces: list[bytes]) -> None:
    async def work(session: Session, channel: Channel) -> None:
        asking = [session.read(b"h", 0, 1), session.fstat(b"h"), session.readdir(b"h")]
        asking += [session.open(b"p", 1), session.statvfs(b"p"), session.remove(b"p")]
        for piece in pieces:
            session.data_received(piece, None)
            session.data_received(struct.pack(">I", len(piece)) + piece, None)
            for number in range(6):
                session.data_received(packet(101 + len(piece) % 6, number + 1, piece), None)
        session.connection_lost(None)
        for each in asking:
            assert each.done()
            if not isinstance(each.exception(), Refused | Lost | None):
                raise AssertionError(each.exception())

    spoken(work)
