"""What a stage's `resources` mean among workers that declare some."""

from __future__ import annotations

import pytest

from pannier.core.errors import ConfigError, PannierError
from pannier.run import placing
from pannier.run.limits import Limits, limits_of

BIG = {"GPU": 2.0, "MEMORY": 8e9}
SMALL = {"gpu": 1.0, "CPUS": 4.0}


def wishes(**resources: object) -> Limits:
    return limits_of({"resources": resources})


@pytest.mark.parametrize(
    ("resources", "declared", "asked", "unknown"),
    [
        ({"gpu": 1}, [BIG], {"GPU": 1}, []),
        ({"gpu": 1, "mem": "2k"}, [BIG], {"GPU": 1, "MEMORY": 2048}, []),
        ({"cpu": 2, "gpu": 1}, [BIG], {"GPU": 1}, ["cpu"]),
        ({"cpu": 2}, [{}, SMALL], {"CPUS": 2}, []),
        ({"gpu": 1}, [], {}, ["gpu"]),
        ({}, [BIG], {}, []),
    ],
)
def test_a_wish_is_asked_for_by_the_name_that_workers_declare(
    resources: dict[str, object],
    declared: list[dict[str, float]],
    asked: dict[str, float],
    unknown: list[str],
) -> None:
    limits = wishes(**resources)

    assert asked == placing.asked(limits, declared)
    assert unknown == placing.unknown(limits, declared)


def test_all_that_a_stage_asks_for_must_be_at_one_worker() -> None:
    declared = [{"GPU": 2.0}, {"GPU": 1.0, "MEMORY": 8e9}]
    placing.check("s", wishes(gpu=2), declared, "farm")
    placing.check("s", wishes(gpu=1, mem="4G"), declared, "farm")

    with pytest.raises(PannierError, match=r"asks for MEMORY: 4\.29497e\+09, GPU: 2, and no"):
        placing.check("s", wishes(gpu=2, mem="4G"), declared, "farm")


def test_resources_of_the_settings_are_written_as_dask_has_them() -> None:
    assert {"GPU": 2, "MEMORY": 7e10} == placing.parse("GPU=2 MEMORY=70e9", "hpc")
    for wrong in ("GPU", "GPU=two", "GPU=1=2"):
        with pytest.raises(ConfigError, match="are not like 'GPU=2 MEMORY=70e9'"):
            placing.parse(wrong, "hpc")
