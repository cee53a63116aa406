"""Stages, outputs and dependencies as values."""

from __future__ import annotations

import pytest

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.stage import Dep, Out, ParamsDep, Stage, digest_of

HEX = "a" * 32


@pytest.mark.parametrize(
    ("stage", "directory", "address"),
    [
        (Stage("data.dvc"), "", "data.dvc"),
        (Stage("sub/data.dvc"), "", "sub/data.dvc"),
        (Stage("sub/data.dvc"), "sub", "data.dvc"),
        (Stage("data.dvc"), "sub", "../data.dvc"),
        (Stage("dvc.yaml", "train"), "", "train"),
        (Stage("sub/dvc.yaml", "train"), "", "sub/dvc.yaml:train"),
        (Stage("sub/dvc.yaml", "train"), "sub", "train"),
        (Stage("dvc.yaml", "train@1"), "sub", "../dvc.yaml:train@1"),
    ],
)
def test_a_stage_is_named_as_it_is_seen_from_a_folder(
    stage: Stage, directory: str, address: str
) -> None:
    assert address == stage.address_from(directory)


def test_the_address_is_seen_from_the_root() -> None:
    assert "sub/dvc.yaml:train" == Stage("sub/dvc.yaml", "train").address


@pytest.mark.parametrize(
    ("wdir", "path", "expected"),
    [("", "a", "a"), ("sub", "a", "sub/a"), ("sub", "../a", "a"), ("", "../a", "../a")],
)
def test_paths_start_from_the_working_directory(wdir: str, path: str, expected: str) -> None:
    stage = Stage("x.dvc", wdir=wdir)

    assert expected == stage.path_of(Out(path))
    assert expected == stage.path_of(Dep(path))
    assert expected == stage.path_of(ParamsDep(path))


def test_what_kind_of_stage_it_is() -> None:
    out, dep = Out("o"), Dep("d")

    assert Stage("x.dvc", outs=(out,)).is_data_source
    assert not Stage("x.dvc", outs=(out,)).is_import
    assert Stage("x.dvc", outs=(out,), deps=(dep,)).is_import
    assert not Stage("dvc.yaml", "s", outs=(out,), deps=(dep,), cmd="x").is_import
    assert Stage("dvc.yaml", "s", cmd="x").is_callback
    assert not Stage("dvc.yaml", "s", cmd="x", deps=(dep,)).is_callback
    assert not Stage("dvc.yaml", "s", cmd="x", params=(ParamsDep("p"),)).is_callback
    assert not Stage("x.dvc", outs=(out,)).is_callback


def test_a_dependency_with_a_scheme_is_a_url() -> None:
    assert Dep("s3://b/k").is_url
    assert not Dep("/abs/path").is_url


def test_an_entry_without_a_hash_name_has_the_old_algorithm() -> None:
    assert Digest(MD5, HEX) == digest_of({"md5": HEX}, "md5")
    assert Digest(LEGACY, HEX) == digest_of({"md5": HEX}, None)


@pytest.mark.parametrize("fields", [{}, {"md5": None}, {"md5": ""}, {"etag": "x"}])
def test_an_entry_without_a_digest_was_never_computed(fields: dict[str, str]) -> None:
    assert digest_of(fields, "md5") is None


def test_a_stage_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Stage("x.dvc").frozen = True  # type: ignore[misc]
