"""Plans: what is to be done, decided without doing it."""

from __future__ import annotations

import pytest

from pannier.core.plan import (
    CheckoutPlan,
    TransferPlan,
    plan_checkout,
    plan_transfer,
    prefer_listing,
)


def test_what_is_as_recorded_stays() -> None:
    plan = plan_checkout({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, stored=[])

    assert CheckoutPlan(kept=2) == plan
    assert plan.is_empty


def test_what_is_absent_is_created() -> None:
    assert CheckoutPlan(create=[("a", "1")]) == plan_checkout({}, {"a": "1"}, {"1"})


def test_what_has_other_bytes_is_replaced() -> None:
    plan = plan_checkout({"a": "9"}, {"a": "1"}, {"1", "9"})

    assert CheckoutPlan(replace=[("a", "1")]) == plan
    assert not plan.is_empty


def test_what_is_not_recorded_is_deleted() -> None:
    assert CheckoutPlan(delete=["a"]) == plan_checkout({"a": "1"}, {}, {"1"})


def test_what_is_nowhere_else_is_unsaved_whether_replaced_or_deleted() -> None:
    plan = plan_checkout({"a": "8", "b": "9"}, {"a": "1"}, {"1"})

    assert CheckoutPlan(replace=[("a", "1")], delete=["b"], unsaved=["a", "b"]) == plan


def test_what_could_not_be_hashed_is_unsaved() -> None:
    plan = plan_checkout({"a": None, "b": None}, {"a": "1"}, {"1"})

    assert ["a", "b"] == plan.unsaved


def test_nothing_is_done_about_a_path_whose_object_is_missing() -> None:
    plan = plan_checkout({"a": "9"}, {"a": "1", "b": "2"}, set())

    assert CheckoutPlan(missing=[("a", "1"), ("b", "2")]) == plan
    assert not plan.is_empty


def test_what_is_as_recorded_needs_no_object() -> None:
    assert plan_checkout({"a": "1"}, {"a": "1"}, stored=[]).is_empty


def test_what_is_to_be_redone_is_replaced_by_the_same() -> None:
    plan = plan_checkout({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, {"1", "2"}, redo={"a"})

    assert CheckoutPlan(replace=[("a", "1")], kept=1) == plan


def test_what_is_to_be_redone_without_its_object_is_missing_and_stays() -> None:
    assert CheckoutPlan(missing=[("a", "1")]) == plan_checkout({"a": "1"}, {"a": "1"}, [], {"a"})


@pytest.mark.parametrize(
    ("wanted", "there", "listed"),
    [(65, 0, True), (65, 64_000, True), (65, 65_000, False), (1_000_000, 10**8, True)],
)
def test_a_remote_is_listed_when_that_takes_fewer_requests(
    wanted: int, there: int, listed: bool
) -> None:
    assert listed == prefer_listing(wanted, there)


def test_only_what_the_other_side_lacks_travels_each_once() -> None:
    plan = plan_transfer(
        {"m.dir": ["2", "1", "3"], "n.dir": ["2"]},
        plain=["4", "3"],
        there={"1"},
        here={"1", "2", "3", "4", "m.dir", "n.dir"},
    )

    assert TransferPlan(["2", "3", "4"], {"m.dir": ["2", "1", "3"], "n.dir": ["2"]}, []) == plan
    assert 5 == plan.total


def test_a_manifest_that_is_there_does_not_travel_but_its_missing_files_do() -> None:
    plan = plan_transfer({"m.dir": ["1"]}, [], there={"m.dir"}, here={"m.dir", "1"})

    assert TransferPlan(["1"], {}, []) == plan


def test_a_manifest_stays_when_one_of_its_files_is_nowhere() -> None:
    plan = plan_transfer({"m.dir": ["1", "2"]}, [], there=set(), here={"m.dir", "1"})

    assert TransferPlan(["1"], {}, ["2"]) == plan


def test_a_file_that_is_only_there_holds_no_manifest_back() -> None:
    plan = plan_transfer({"m.dir": ["1"]}, [], there={"1"}, here={"m.dir"})

    assert TransferPlan([], {"m.dir": ["1"]}, []) == plan


def test_a_manifest_that_is_not_here_is_missing() -> None:
    plan = plan_transfer({"m.dir": []}, [], there=set(), here=set())

    assert TransferPlan([], {}, ["m.dir"]) == plan
    assert 0 == plan.total
