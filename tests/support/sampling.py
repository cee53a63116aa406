"""Long lists of cases: a part of them in `make test`, all in `make test-long`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

EVERY = 3


def some_of(cases: Sequence[Any]) -> list[Any]:
    """Every third case as it is, the others marked long."""
    return [
        case if at % EVERY == 0 else pytest.param(*_values(case), marks=pytest.mark.long)
        for at, case in enumerate(cases)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    """Of one case: a tuple is a row of several arguments."""
    return case if isinstance(case, tuple) else (case,)
