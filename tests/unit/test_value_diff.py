"""core/value_diff: what differs between two readings of values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pannier.core.value_diff import compare, flattened, same

KEYS = st.one_of(
    st.text('ab1."(', max_size=3), st.integers(0, 11), st.sampled_from([1.1, None, True])
)


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


def test_what_would_have_one_name_has_two() -> None:
    old = {"a.b": 1, "a": {"b": 2}, "c.d": 0}
    new = {"a": {"b": 3}, "c.d": 1}

    assert {'"a.b"': 1, "a.b": 2, '"c.d"': 0} == flattened(old)
    assert {"a.b": 3, "c.d": 1} == flattened(new)
    assert {
        "a.b": {"old": 2, "new": 3, "diff": 1},
        '"c.d"': {"old": 0, "new": 1, "diff": 1},
        '"a.b"': {"old": 1, "new": None},
    } == compare({"p": old}, {"p": new})["p"]


@given(value=st.recursive(st.integers(), lambda inner: st.dictionaries(KEYS, inner), max_leaves=9))
def test_no_value_is_lost_under_another_ones_name(value: object) -> None:
    values = {"top": value}

    assert leaves(values) == sorted(flattened(values).values())
    assert len(flattened(values)) == len({str(name) for name in flattened(values)})


def leaves(value: object) -> list[int]:
    if isinstance(value, dict):
        return sorted(leaf for inner in value.values() for leaf in leaves(inner))
    assert isinstance(value, int)
    return [value]


def test_what_is_no_number_is_as_it_was() -> None:
    nan = {"n": float("nan"), "inner": {"l": [float("nan"), 1]}, "t": (float("nan"),)}
    again = {"n": float("nan"), "inner": {"l": [float("nan"), 1]}, "t": (float("nan"),)}

    assert same(nan, again)
    assert {} == compare({"p": nan}, {"p": again})
    assert not same(nan, {**again, "n": 1.0})
    assert not same((1, float("nan")), [1, float("nan")])
    assert same(1, True)
