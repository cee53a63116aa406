"""Run records: what a stage's command made of which inputs, kept to be found again.

Source: docs/formats.md, section 6. A record lies at `runs/<key[:2]>/<key>/<value>`: the key says
what went in, the value all of it.
"""

from __future__ import annotations

import hashlib
import json

from pannier.core.errors import InvalidFile
from pannier.core.path import is_inside
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.formats import lockfile, yamlio
from pannier.formats.lock_text import render_alone

_LEFT_OUT = ("size", "nfiles")


def can_be_kept(stage: Stage) -> bool:
    """Whether a stage is one whose command may be spared: all that goes in is known by its digest,
    all that comes out can be restored, and it is not to run always."""
    if stage.cmd is None or stage.always_changed or stage.is_callback:
        return False
    if not (stage.deps or stage.params) or not stage.outs:
        return False
    if any(dep.is_url or dep.repo is not None or dep.db is not None for dep in stage.deps):
        return False
    return all(
        not out.persist and "://" not in out.path and is_inside(stage.path_of(out))
        for out in stage.outs
    )


def key_of(entry: dict[str, Any]) -> str | None:
    """The name of what goes in, 64 hex digits; None when a dependency has no digest.

    entry: of the lock file; what it says of outputs does not count but for their paths.
    """
    if not all(dep.get("md5") for dep in entry.get("deps", ())):
        return None
    outs = [out["path"] for out in entry.get("outs", ())]
    return _digest({**entry, "outs": outs})


def value_of(entry: dict[str, Any]) -> str:
    """The name of a whole record."""
    return _digest(entry)


def dump(entry: dict[str, Any]) -> bytes:
    return render_alone(entry)


def parse(data: bytes, path: str) -> lockfile.LockedStage:
    """Reads a record as an entry of a lock file. Raises InvalidFile, also for a cut one."""
    document = yamlio.load(data, path)
    if not isinstance(document, dict) or not data.endswith(b"\n"):
        raise InvalidFile(path, "expected a dictionary")
    return lockfile.parse_entry(data, path, document)


def _digest(value: dict[str, Any]) -> str:
    text = json.dumps(_stripped(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if key not in _LEFT_OUT}
    return [_stripped(item) for item in value] if isinstance(value, list) else value
