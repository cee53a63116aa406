"""The table of broken rules follows the source and the tests: `make mutants` takes an hour."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS, Mutant
from tests.support.programs import REPOSITORY


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_what_a_row_breaks_and_what_notices_it_are_there(mutant: Mutant) -> None:
    source = Path(REPOSITORY, "src/pannier", mutant.file).read_text()
    words = [word for word in shlex.split(mutant.test) if word.startswith("tests/")]

    assert 1 == source.count(mutant.old)
    assert mutant.new != mutant.old
    assert words
    for word in words:
        file, _, name = word.partition("::")
        text = Path(REPOSITORY, file).read_text()
        assert not name or re.search(rf"^def {re.escape(name)}\b", text, re.MULTILINE), word
