"""Placing: what a stage's `resources` mean among the workers of an executor. Pure.

Dask knows resources as names with amounts that a worker declares when it starts, as in
`dask worker --resources "GPU=2 MEMORY=70e9"`, and gives it no more tasks at once than they allow.
Nothing is known of a resource that no worker declares: then a stage's wish does not count there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pannier.core.errors import ConfigError, PannierError
from pannier.run.limits import Limits

_NAMES = {"cpu": ("cpu", "cpus"), "mem": ("memory", "mem"), "gpu": ("gpu", "gpus")}


def asked(limits: Limits, declared: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What a stage takes of what workers declare, by their names for it. mem is in bytes."""
    known = {name.lower(): name for one in declared for name in one}
    found = {}
    for key, amount in _wishes(limits).items():
        for name in _NAMES[key]:
            if name in known:
                found[known[name]] = amount
                break
    return found


def unknown(limits: Limits, declared: Sequence[Mapping[str, float]]) -> list[str]:
    """Keys of a stage's wishes that no worker declares."""
    known = {name.lower() for one in declared for name in one}
    return [key for key in _wishes(limits) if known.isdisjoint(_NAMES[key])]


def check(
    name: str, limits: Limits, declared: Sequence[Mapping[str, float]], executor: str
) -> None:
    """Raises PannierError for a stage that no worker is big enough for: it would wait for ever."""
    wanted = asked(limits, declared)
    if not wanted or any(
        all(one.get(key, 0) >= amount for key, amount in wanted.items()) for one in declared
    ):
        return
    shown = ", ".join(f"{key}: {amount:g}" for key, amount in wanted.items())
    raise PannierError(
        f"stage '{name}' asks for {shown}, and no worker of executor '{executor}' declares so much",
        hint="change 'resources' in its 'meta', or start a worker with '--resources'",
    )


def parse(text: str, executor: str) -> dict[str, float]:
    """Resources as `dask worker --resources` has them: names with amounts.

    Raises ConfigError.
    """
    try:
        pairs = [word.split("=") for word in text.replace(",", " ").split()]
        return {name: float(amount) for name, amount in pairs}
    except ValueError:
        raise ConfigError(
            f"executor '{executor}': resources '{text}' are not like 'GPU=2 MEMORY=70e9'"
        ) from None


def _wishes(limits: Limits) -> dict[str, float]:
    every = {"cpu": limits.cpu, "mem": limits.mem_bytes, "gpu": float(limits.gpu)}
    return {key: amount for key, amount in every.items() if amount}
