"""Manifests, for any content of a directory."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.path import reason_to_refuse
from tests.support.oracle_hashes import OracleHashes

hexes = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
parts = st.text("ab./-0~é\U0001f600\n\\ ", min_size=1, max_size=4) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8
)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


def is_tree(found: dict[str, str]) -> bool:
    """True when no file is a directory of another one."""
    return not any(
        "/".join(path.split("/")[:count]) in found
        for path in found
        for count in range(1, path.count("/") + 1)
    )


contents = st.dictionaries(
    paths.filter(lambda path: reason_to_refuse(path) is None), hexes, max_size=12
).filter(is_tree)
quick = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@pytest.fixture(scope="module")
def oracle_hashes() -> Iterator[OracleHashes]:
    hashes = OracleHashes()
    yield hashes
    hashes.close()


@quick
@given(contents)
def test_a_manifest_is_written_as_json_writes_it(content: dict[str, str]) -> None:
    rows = [{"md5": content[path], "relpath": path} for path in sorted(content)]

    assert json.dumps(rows, sort_keys=True).encode() == Manifest.of(content.items()).to_bytes()


@quick
@given(contents)
def test_what_was_written_is_read_back(content: dict[str, str]) -> None:
    manifest = Manifest.of(content.items())

    assert manifest == parse_manifest(manifest.to_bytes(), manifest.digest_hex())
    assert content == dict(manifest)


@settings(max_examples=30, deadline=None, suppress_health_check=list(quick.suppress_health_check))
@given(content=contents)
def test_a_directory_has_the_digest_that_real_dvc_gives_it(
    oracle_hashes: OracleHashes, content: dict[str, str]
) -> None:
    manifest = Manifest.of(content.items())

    assert oracle_hashes.manifest(content.items()) == manifest.digest_hex()


@quick
@given(contents, paths)
def test_below_is_what_is_the_path_or_starts_with_it(content: dict[str, str], path: str) -> None:
    some = {path, *content, *(found.rpartition("/")[0] for found in content)} - {""}
    manifest = Manifest.of(content.items())

    for prefix in some:
        expected = {p: h for p, h in content.items() if p == prefix or p.startswith(prefix + "/")}
        assert expected == dict(manifest.below(prefix))


@quick
@given(contents, paths)
def test_an_entry_is_found_or_is_not_there(content: dict[str, str], path: str) -> None:
    manifest = Manifest.of(content.items())

    for asked in {path, *content}:
        assert content.get(asked) == manifest.get(asked)


@quick
@given(contents, contents, st.data())
def test_a_changed_manifest_holds_what_was_added_and_can_be_read(
    content: dict[str, str], added: dict[str, str], data: st.DataObject
) -> None:
    removed = data.draw(st.sets(st.sampled_from(sorted(content)))) if content else set()
    old = Manifest.of(content.items())
    removed |= {p for path in added for p in old.below(path).paths}

    new = old.with_changes(removed, added.items())

    kept = {path: name for path, name in content.items() if path not in removed}
    above = {
        "/".join(path.split("/")[:count])
        for path in added
        for count in range(1, path.count("/") + 1)
    }
    assert {**{p: n for p, n in kept.items() if p not in above}, **added} == dict(new)
    assert new == parse_manifest(new.to_bytes(), "x")
