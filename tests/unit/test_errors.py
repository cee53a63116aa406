"""Errors: the tree that the docstring draws is the tree there is."""

from __future__ import annotations

import inspect
import re

from pannier.core import errors
from pannier.core.errors import (
    ConfigError,
    CorruptObject,
    InvalidFile,
    NoSpace,
    PannierError,
    Unreachable,
    UnstorableEntries,
)


def drawn() -> dict[str, str]:
    """Class -> class above it, as the docstring draws them."""
    found: dict[str, str] = {}
    above = ["PannierError"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:\|   |    )*)\+-- (\w+)", line)
        if match:
            depth = len(match[1]) // 4 + 1
            above[depth:] = [match[2]]
            found[match[2]] = above[depth - 1]
    return found


def test_every_class_is_drawn_below_the_class_that_it_is_one_of() -> None:
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, PannierError) and kind is not PannierError
    }

    assert real == drawn()


def test_the_exit_codes_are_those_that_the_tree_names() -> None:
    named = {
        match[1]: int(match[2])
        for match in re.finditer(r"^\W*(\w+) {2,}(\d+)", errors.__doc__ or "", re.MULTILINE)
    }

    assert {"PannierError", "NotInProject", "UsageError", "ConfigError", "Interrupted"} == set(
        named
    )
    assert named == {name: getattr(errors, name).exit_code for name in named}
    assert 251 == errors.NoRemote("/x").exit_code
    assert 255 == errors.CorruptObject("x").exit_code


def test_an_error_is_its_message_and_carries_a_hint() -> None:
    error = PannierError("it broke", hint="mend it")

    assert ("it broke", "mend it") == (str(error), error.hint)


def test_a_setting_is_named_as_dvc_names_it() -> None:
    assert "config file error: too old" == str(ConfigError("too old"))


def test_a_file_that_cannot_be_read_shows_the_line_at_fault() -> None:
    error = InvalidFile("x.dvc", "bad", line=2, column=5, text="outs: [\n")

    assert "'x.dvc' is invalid: bad, line 2, column 5\n  2 | outs: [" == str(error)
    assert "'x.dvc' is invalid: bad" == str(InvalidFile("x.dvc", "bad"))


def test_all_bad_entries_are_told_at_once_but_not_thousands_of_lines() -> None:
    few = UnstorableEntries([("d/a", "it is a socket")])
    many = UnstorableEntries([(f"d/{n}", "it is a socket") for n in range(25)])

    assert "1 entry cannot be tracked:\n  'd/a': it is a socket" == str(few)
    assert str(many).startswith("25 entries cannot be tracked:\n")
    assert str(many).endswith("\n  ... and 5 more")
    assert 25 == len(many.problems)


def test_a_corrupt_object_says_what_was_found_instead() -> None:
    assert "its bytes have the digest ff" in str(CorruptObject("00", found="ff"))
    assert "object 00 in the cache is corrupt: cut" == str(
        CorruptObject("00", reason="cut", where="the cache")
    )


def test_a_full_disk_says_how_much_is_missing_when_it_is_known() -> None:
    assert "'/x': no space left on the disk (10 bytes needed, 3 free)" == str(
        NoSpace("/x", 28, 10, 3)
    )
    assert "'/x': no space left on the disk" == str(NoSpace("/x", 28))


def test_only_what_may_pass_by_itself_is_worth_another_try() -> None:
    assert Unreachable.temporary
    assert not errors.TransportError.temporary
    assert not errors.AccessDenied.temporary
    assert not errors.NotThere.temporary
