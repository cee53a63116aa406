"""A lock document becomes what `lockfile.update` makes of the same entries, byte for byte."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pannier.formats import lockfile
from pannier.formats.lock_document import LockDocument

NAMES = st.sampled_from(["a", "b", "train@1", "on", "1", "x-y", "it's: odd"])
VALUES = st.sampled_from([1, 0.5, 1e-5, "text", "two words", "yes", "a: b", "", True, [1, "x"], {}])
ENTRIES = st.builds(
    lambda cmd, value: {
        "cmd": cmd,
        "deps": [{"path": "in", "hash": "md5", "md5": "0" * 32, "size": 3}],
        "params": {"params.yaml": {"lr": value}},
    },
    st.sampled_from(["run", "run it", "x\ny", "a" * 100 + " " + "b" * 100, "echo #"]),
    VALUES,
)
PREVIOUS = st.sampled_from(
    [
        None,
        b"schema: '2.0'\nstages: {}\n",
        b"schema: '2.0'\nstages:\n  a:\n    cmd: old\n  z:\n    cmd: kept\n",
        b"schema: '2.0'\nstages:\n  a:\n    cmd: old  # a comment\n",
        b"stages:\n  b:\n    cmd: old\nschema: '2.0'\n",
        b"schema: '2.0'\nstages: {a: {cmd: flow}}\n",
    ]
)


@given(PREVIOUS, st.lists(st.dictionaries(NAMES, ENTRIES, min_size=1, max_size=2), max_size=5))
def test_many_updates_of_one_document_are_those_of_the_file(
    previous: bytes | None, rounds: list[dict[str, dict[str, Any]]]
) -> None:
    document, data = LockDocument(previous, "dvc.lock"), previous
    for entries in rounds:
        data = lockfile.update(data, entries)
        assert document.update(entries) == data
        assert LockDocument(data, "dvc.lock").update({}) == data


def test_an_update_reads_no_more_than_it_changes(monkeypatch: Any) -> None:
    entries = {f"s{n}": {"cmd": f"run {n}"} for n in range(500)}
    document = LockDocument(lockfile.update(None, entries), "dvc.lock")
    read: list[int] = []
    load = lockfile.yamlio.load
    monkeypatch.setattr(
        "pannier.formats.yamlio.load",
        lambda data, path: (read.append(len(data)), load(data, path))[1],
    )

    document.update({"s250": {"cmd": "another"}, "new": {"cmd": "run"}})

    assert sum(read) < 200


def test_new_entries_stand_in_their_order_whichever_is_done_first() -> None:
    document = LockDocument(b"schema: '2.0'\nstages:\n  old:\n    cmd: x\n", "dvc.lock")
    order = {"a": 0, "b": 1, "c": 2}
    for name in ("c", "a", "b"):
        document.update({name: {"cmd": name}}, order)

    found = lockfile.parse(document.data or b"", "dvc.lock")
    assert list(found) == ["old", "a", "b", "c"]
