"""Limits: what a stage's `meta` says of how it may run beside others.

    meta:
      mutex: database          one stage of that name at a time
      resources: {cpu: 2, mem: 4G, gpu: 1}
      retries: 2               how often a command that fails is run again
      timeout: 90m             seconds, or a number with s, m, h or d

`meta` belongs to the user: what is there in another form is not ours, and told once.
"""

from __future__ import annotations

from pannier.core.pattern import pattern
from pannier.core.record import dataclass, field
from pannier.core.typed import Any

_TIME = pattern(r"(\d+(?:\.\d+)?)\s*([smhd]?)\Z")
_AMOUNT = pattern(r"(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(?:i?[bB])?\Z")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class Limits:
    """mutex: names. cpu, gpu: how many; mem_bytes. retries: beside the first run. timeout_s: of
    one run, None for no limit. strange: keys whose values are in another form."""

    mutex: frozenset[str] = frozenset()
    cpu: float = 0
    mem_bytes: float = 0
    gpu: int = 0
    retries: int = 0
    timeout_s: float | None = None
    strange: tuple[str, ...] = field(default=())


NONE = Limits()


def limits_of(meta: Any) -> Limits:
    """Reads the `meta` of a stage."""
    if not isinstance(meta, dict):
        return NONE
    strange: list[str] = []
    resources = meta.get("resources", {})
    if not isinstance(resources, dict):
        strange.append("resources")
        resources = {}
    found = Limits(
        mutex=_names(meta.get("mutex", ()), "mutex", strange),
        cpu=_number(resources.get("cpu", 0), "resources.cpu", strange),
        mem_bytes=_scaled(resources.get("mem", 0), _AMOUNT, _BYTES, "resources.mem", strange),
        gpu=int(_number(resources.get("gpu", 0), "resources.gpu", strange)),
        retries=int(_number(meta.get("retries", 0), "retries", strange)),
        timeout_s=_scaled(meta.get("timeout", 0), _TIME, _SECONDS, "timeout", strange) or None,
    )
    return (
        found
        if not strange
        else Limits(
            found.mutex,
            found.cpu,
            found.mem_bytes,
            found.gpu,
            found.retries,
            found.timeout_s,
            tuple(strange),
        )
    )


def _names(value: Any, key: str, strange: list[str]) -> frozenset[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        strange.append(key)
        return frozenset()
    return frozenset(names)


def _number(value: Any, key: str, strange: list[str]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        strange.append(key)
        return 0
    return value


def _scaled(value: Any, form: Any, scale: dict[str, int], key: str, strange: list[str]) -> float:
    if isinstance(value, str):
        match = form.match(value.strip())
        if match is not None:
            return float(match[1]) * scale[match[2].lower()]
    return _number(value, key, strange)
