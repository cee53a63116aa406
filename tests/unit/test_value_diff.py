"""core/value_diff: what differs between two readings of values."""

from __future__ import annotations

from pannier.core.value_diff import compare, flattened


def test_values_are_named_by_their_keys_and_told_with_what_lies_between_them() -> None:
    old = {"p": {"a": 1, "b": {"c": "x", "gone": True}, "same": 0}}
    new = {"p": {"a": 1.5, "b": {"c": "y"}, "same": 0, "new": None}, "q": {"z": 1}}

    assert compare(old, new) == {
        "p": {
            "a": {"old": 1, "new": 1.5, "diff": 0.5},
            "b.c": {"old": "x", "new": "y"},
            "b.gone": {"old": True, "new": None},
        },
        "q": {"z": {"old": None, "new": 1}},
    }
    assert compare(old, old) == {}
    assert compare({"p": {"a": 1}}, {"p": {"a": 1}}, unchanged=True) == {
        "p": {"a": {"old": 1, "new": 1, "diff": 0}}
    }


def test_lists_are_compared_as_wholes() -> None:
    found = compare({"p": {"l": [1, {"a": 2}]}}, {"p": {"l": [1]}})

    assert found == {"p": {"l": {"old": "[1, {'a': 2}]", "new": "[1]"}}}


def test_a_file_that_holds_one_value_has_no_name_for_it() -> None:
    assert compare({"p": 1}, {"p": 3}) == {"p": {"": {"old": 1, "new": 3, "diff": 2}}}
    assert compare({"p": 1}, {"p": {"a": 3}}) == {"p": {"a": {"old": "unable to parse", "new": 3}}}
    assert compare({"p": {}}, {"p": {"a": 3}}) == {"p": {"a": {"old": None, "new": 3}}}


def test_numbers_that_cannot_be_subtracted_have_no_difference() -> None:
    assert "diff" not in compare({"p": {"a": 0.5}}, {"p": {"a": 10**400}})["p"]["a"]


def test_values_may_be_nested_deeper_than_calls() -> None:
    value: dict[str, object] = {"end": 1}
    for _ in range(5000):
        value = {"k": value}

    assert list(flattened(value).values()) == [1]
    assert flattened({1: 2, "e": {}}) == {1: 2}
