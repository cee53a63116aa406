"""The core of the contract, for places whose whole contract runs with `make test-long` alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract import test_transport as contract
from tests.contract.places import Place

_CHECKS = [
    contract.test_a_deleted_key_names_nothing,
    contract.test_a_folder_is_not_a_key,
    contract.test_files_of_every_size_come_back_as_they_were,
    contract.test_bytes_that_differ_from_their_digest_replace_nothing,
    contract.test_a_download_goes_on_behind_what_is_there,
    contract.test_one_item_that_fails_does_not_stop_the_others,
    contract.test_a_listing_tells_keys_and_sizes,
    contract.test_a_killed_upload_leaves_no_key_and_can_be_repeated,
]
each_of_the_core = pytest.mark.parametrize("check", _CHECKS, ids=lambda check: check.__name__)


def run(check: Callable[..., None], place: Place, tmp_path: Path) -> None:
    """Runs one of the contract's tests at a place."""
    local = tmp_path / "local"
    local.mkdir()
    given = {"place": place, "transport": place.transport(), "local": local}
    check(**{name: given[name] for name in inspect.signature(check).parameters})
    given["transport"].close()  # type: ignore[attr-defined]
