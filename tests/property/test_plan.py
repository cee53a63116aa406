"""Plans, for any state: what they do, and what they must never do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pannier.core.plan import CheckoutPlan, TransferPlan, plan_checkout, plan_transfer

paths = st.sampled_from(["", "a", "b", "c/d", "c/e", "f"])
names = st.sampled_from("12345")
haves = st.dictionaries(paths, names | st.none())
wants = st.dictionaries(paths, names)
stores = st.sets(names)


def applied(have: dict[str, str | None], plan: CheckoutPlan) -> dict[str, str | None]:
    """What carrying out a plan leaves."""
    now = {path: name for path, name in have.items() if path not in plan.delete}
    for path, name in plan.create:
        assert path not in have
        now[path] = name
    for path, name in plan.replace:
        assert path in have
        now[path] = name
    return now


@given(haves, wants)
def test_applying_a_checkout_plan_yields_what_was_wanted(
    have: dict[str, str | None], want: dict[str, str]
) -> None:
    plan = plan_checkout(have, want, stored=set(want.values()))

    assert want == applied(have, plan)
    assert [] == plan.missing
    assert plan.is_empty == (want == have)


@given(haves, wants, stores, st.sets(paths))
def test_what_is_missing_is_the_only_thing_that_a_plan_leaves_undone(
    have: dict[str, str | None], want: dict[str, str], stored: set[str], redo: set[str]
) -> None:
    plan = plan_checkout(have, want, stored, redo)

    now = applied(have, plan)
    undone = dict(plan.missing)
    assert {p: n for p, n in want.items() if p not in undone} == {
        p: n for p, n in now.items() if p not in undone
    }
    assert {p: n for p, n in have.items() if p in undone} == {
        p: n for p, n in now.items() if p in undone
    }
    assert not stored & set(undone.values())


@given(haves, wants, stores, st.sets(paths))
def test_nothing_that_is_not_stored_goes_without_being_named(
    have: dict[str, str | None], want: dict[str, str], stored: set[str], redo: set[str]
) -> None:
    plan = plan_checkout(have, want, stored, redo)

    now = applied(have, plan)
    lost = {path for path, name in have.items() if now.get(path, "") != name and name not in stored}
    assert lost == set(plan.unsaved)
    assert len(lost) == len(plan.unsaved)


@given(haves, wants, stores)
def test_every_path_is_in_one_place_of_the_plan(
    have: dict[str, str | None], want: dict[str, str], stored: set[str]
) -> None:
    plan = plan_checkout(have, want, stored)

    touched = [path for path, _ in plan.create + plan.replace + plan.missing] + plan.delete
    assert len(touched) == len(set(touched))
    assert len(want) == plan.kept + len(touched) - len(plan.delete)


manifests = st.dictionaries(st.sampled_from(["m.dir", "n.dir", "o.dir"]), st.lists(names))
sides = st.sets(names | st.sampled_from(["m.dir", "n.dir", "o.dir"]))


def steps(plan: TransferPlan) -> list[str]:
    """What is sent, in order."""
    return [*plan.files, *plan.manifests]


@given(manifests, st.sets(names), sides, sides)
def test_a_manifest_never_arrives_before_what_it_names(
    wanted: dict[str, list[str]], plain: set[str], there: set[str], here: set[str]
) -> None:
    plan = plan_transfer(wanted, plain, there, here)

    arrived = set(there)
    for name in steps(plan):
        assert set(wanted.get(name, [])) <= arrived
        assert name in here
        assert name not in arrived
        arrived.add(name)


@given(manifests, st.sets(names), sides, sides)
def test_everything_wanted_arrives_or_is_called_missing_or_waits_for_what_is(
    wanted: dict[str, list[str]], plain: set[str], there: set[str], here: set[str]
) -> None:
    plan = plan_transfer(wanted, plain, there, here)

    arrived = there | set(steps(plan))
    files = plain.union(*wanted.values())
    assert files - arrived == {name for name in plan.missing if not name.endswith(".dir")}
    for name, members in wanted.items():
        waits = bool(set(members) - arrived)
        assert (name in arrived) or (name in plan.missing) or waits
    assert not set(plan.missing) & arrived
    assert plan.total == len(steps(plan))
