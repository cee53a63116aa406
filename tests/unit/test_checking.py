"""Reading a remote's objects again: what is found, and when the remote is left alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pannier.core.digest import MD5
from pannier.core.errors import TransportError, Unreachable
from pannier.core.events import Silent
from pannier.store.checking import Checked, check_remote
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from tests.support.memory_transport import Place


def plant(place: Place, data: bytes) -> str:
    name = hashlib.md5(data).hexdigest()
    place.objects[Remote.key(MD5, name)] = data
    return name


def check(url: str, names: list[str], scratch: Path) -> Checked:
    task = Silent().task("", len(names))
    sizes = dict.fromkeys(names)
    return check_remote(Remote(RemoteConfig("far", url)), MD5, sizes, str(scratch), 4, task)


def asked(place: Place) -> int:
    return place.requests["download"]


def test_a_remote_that_does_not_answer_any_more_is_left_alone(
    url: str, place: Place, tmp_path: Path
) -> None:
    names = [plant(place, b"%d" % number) for number in range(300)]
    for name in names[100:]:
        place.faults["download", Remote.key(MD5, name)] = [Unreachable("gone")] * 99

    checked = check(url, names, tmp_path)

    assert (100, "gone") == (checked.count, checked.gone)
    assert set(names[100:]) == {damage.name for damage in checked.unread}
    assert {"gone"} == {damage.problem for damage in checked.unread}
    assert asked(place) <= 250
    assert [] == list(tmp_path.iterdir())


def test_one_object_that_cannot_be_reached_is_tried_again_and_no_reason_to_stop(
    url: str, place: Place, tmp_path: Path
) -> None:
    names = [plant(place, b"%d" % number) for number in range(300)]
    place.faults["download", Remote.key(MD5, names[3])] = [Unreachable("once")]
    place.faults["download", Remote.key(MD5, names[7])] = [Unreachable("never")] * 99
    place.faults["download", Remote.key(MD5, names[9])] = [TransportError("refused")] * 99

    checked = check(url, names, tmp_path)

    assert (298, "") == (checked.count, checked.gone)
    problems = {damage.name: damage.problem for damage in checked.unread}
    assert {names[7]: "never", names[9]: "refused"} == problems
