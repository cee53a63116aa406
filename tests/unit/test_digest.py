"""Digests: the names of bytes."""

from __future__ import annotations

import hashlib

import pytest

from pannier.core.digest import EMPTY_DIR_HEX, LEGACY, MD5, Digest, is_object_name

HEX = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize("name", [HEX, HEX + ".dir", "0" * 32])
def test_thirty_two_lower_case_hex_digits_name_an_object(name: str) -> None:
    assert is_object_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        HEX[:-1],
        HEX + "0",
        HEX.upper(),
        HEX + "\n",
        HEX + ".dir\n",
        " " + HEX,
        HEX + ".DIR",
        HEX + ".dir.dir",
        HEX + ".unpacked",
        "../../../../../../../../../etc/pw",
        "g" * 32,
        "٣" * 32,
        HEX.encode(),
        10**31,
        None,
        [HEX],
    ],
)
def test_nothing_else_names_an_object(name: object) -> None:
    assert not is_object_name(name)


def test_a_digest_with_the_suffix_is_a_directory() -> None:
    assert Digest(MD5, HEX + ".dir").is_dir
    assert not Digest(MD5, HEX).is_dir


def test_one_hex_under_two_algorithms_is_two_digests() -> None:
    assert Digest(MD5, HEX) != Digest(LEGACY, HEX)
    assert 1 == len({Digest(MD5, HEX), Digest(MD5, HEX)})


def test_a_digest_shows_its_algorithm() -> None:
    assert f"md5: {HEX}" == str(Digest(MD5, HEX))


def test_the_empty_directory_has_the_digest_of_an_empty_list() -> None:
    assert hashlib.md5(b"[]").hexdigest() + ".dir" == EMPTY_DIR_HEX
