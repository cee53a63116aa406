"""The plan of garbage collection over generated stores: what is in use never goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pannier.core.gc import GcPlan, not_yet_there, plan_gc

files = st.sampled_from([f"{n:032x}" for n in range(8)])
manifests = st.sampled_from([f"{n:032x}.dir" for n in range(4)])
names = st.one_of(files, manifests)
stores = st.sets(names)
contents = st.dictionaries(manifests, st.lists(files, max_size=4))
sizes = st.one_of(st.none(), st.integers(0, 3))


@given(stores, stores, stores, contents)
def test_what_is_in_use_never_goes(
    there: set[str], live: set[str], young: set[str], members: dict[str, list[str]]
) -> None:
    plan = plan_gc(there, live, young, members)

    assert set() == live & set(plan.names)


@given(stores, stores, stores, contents)
def test_every_object_goes_or_stays_for_a_reason(
    there: set[str], live: set[str], young: set[str], members: dict[str, list[str]]
) -> None:
    plan = plan_gc(there, live, young, members)
    young_lists = {name for name in members if name in there and name in young and name not in live}
    reasons = young.union(*(members[name] for name in young_lists)) | live

    assert there - reasons == set(plan.names)
    assert len((there & reasons) - live) == plan.spared


@given(stores, stores, stores, contents)
def test_a_manifest_that_stays_keeps_what_it_names_if_it_is_young(
    there: set[str], live: set[str], young: set[str], members: dict[str, list[str]]
) -> None:
    going = set(plan_gc(there, live, young, members).names)
    for name, named in members.items():
        if name in there and name in young and name not in live:
            assert set() == going & set(named)


@given(stores, stores)
def test_manifests_go_first_and_nothing_goes_twice(there: set[str], live: set[str]) -> None:
    plan = plan_gc(there, live)

    assert [n for n in plan.names if n.endswith(".dir")] == plan.names[: len(plan.manifests)]
    assert len(set(plan.names)) == plan.total
    assert set(plan.names) <= there


@given(stores, stores)
def test_a_second_run_has_nothing_to_do(there: set[str], live: set[str]) -> None:
    plan = plan_gc(there, live)

    assert GcPlan([], []) == plan_gc(there - set(plan.names), live)


@given(st.dictionaries(names, sizes), st.dictionaries(names, sizes))
def test_only_what_a_remote_has_in_the_right_size_counts_as_there(
    live: dict[str, int | None], remote: dict[str, int | None]
) -> None:
    lacking, safe = not_yet_there(live, remote)

    assert set(live) == lacking | safe
    assert set() == lacking & safe
    for name in safe:
        assert name in remote
        assert None in (live[name], remote[name]) or live[name] == remote[name]
