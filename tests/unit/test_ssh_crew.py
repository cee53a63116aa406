"""The tasks of one bulk call over SSH: nothing that is given to them waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from queue import Empty

import pytest

from pannier.store.transport import Result
from pannier.store.transports.ssh import _Crew


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def test_what_is_given_while_the_last_task_ends_is_worked_on(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def work(item: tuple[str, str, str]) -> Result:
        if item[1] == "first":  # runs after this task's last step, and before it is called done
            loop.call_soon(crew.give, ("", "second", ""))
        return Result(item[1])

    crew = _Crew(loop, work, 1)
    loop.call_soon_threadsafe(crew.give, ("", "first", ""))

    assert "first" == crew.take().key
    try:
        second = crew.outbox.get(timeout=60)
    except Empty:
        second = None
    assert second == Result("second")
