"""Our records do what those of the library's `dataclasses` do: each test asks both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from pannier.core import record

BOTH = pytest.mark.parametrize("module", [dataclasses, record], ids=["dataclasses", "ours"])


def classes(module: Any) -> tuple[Any, Any]:
    @module.dataclass(frozen=True, slots=True, order=True)
    class Point:
        x: int
        y: int = 2
        tags: list[str] = module.field(default_factory=list, compare=False, repr=False)

        def doubled(self) -> int:
            return self.x * 2

    @module.dataclass(slots=True)
    class Box:
        size: int = 1
        parts: dict[str, int] = module.field(default_factory=dict)
        area: int = module.field(init=False)
        seen: int = module.field(default=7, init=False)

        def __post_init__(self) -> None:
            self.area = self.size * self.size

    return Point, Box


@BOTH
def test_arguments_are_taken_in_order_by_name_and_by_default(module: Any) -> None:
    point, box = classes(module)

    assert (1, 2, []) == (point(1).x, point(1).y, point(1).tags)
    assert (3, 4, ["a"]) == (lambda p: (p.x, p.y, p.tags))(point(tags=["a"], y=4, x=3))
    assert (5, {}, 25, 7) == (lambda b: (b.size, b.parts, b.area, b.seen))(box(5))
    assert 6 == point(3).doubled()
    with pytest.raises(TypeError):
        point()
    with pytest.raises(TypeError):
        point(1, 2, [], 3)
    with pytest.raises(TypeError):
        box(area=1)


@BOTH
def test_every_value_has_its_own_list(module: Any) -> None:
    point, _ = classes(module)
    one, other = point(1), point(1)
    one.tags.append("x")

    assert [] == other.tags


@BOTH
def test_values_compare_by_their_fields_and_their_class(module: Any) -> None:
    point, box = classes(module)
    other, _ = classes(module)

    assert point(1, 2, ["a"]) == point(1, 2, ["b"])
    assert point(1) != point(2)
    assert point(1) != other(1)
    assert box(1) == box(1)
    assert hash(point(1, 2)) == hash(point(1, 2, ["a"]))
    assert [point(1, 1), point(1, 3), point(2, 0)] == sorted(
        [point(2, 0), point(1, 3), point(1, 1)]
    )
    assert point(1) <= point(1) < point(2) > point(1) >= point(1)
    with pytest.raises(TypeError):
        hash(box())
    with pytest.raises(TypeError):
        _ = box() < box()


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        lambda p: setattr(p, "x", 2),
        lambda p: delattr(p, "x"),
        lambda p: setattr(p, "other", 2),
    ],
)
def test_a_frozen_value_cannot_be_changed(module: Any, change: Callable[[Any], None]) -> None:
    point, _ = classes(module)

    with pytest.raises((AttributeError, TypeError)):
        change(point(1))


@BOTH
def test_slots_leave_no_room_for_other_attributes(module: Any) -> None:
    _, box = classes(module)

    with pytest.raises(AttributeError):
        box().other = 1
    assert not hasattr(box(), "__dict__")


@BOTH
@pytest.mark.parametrize("replace", [dataclasses.replace, record.replace])
def test_a_copy_differs_in_what_was_exchanged(module: Any, replace: Any) -> None:
    point, box = classes(module)

    assert point(1, 9) == replace(point(1), y=9)
    assert (3, 9) == (lambda b: (b.size, b.area))(replace(box(2), size=3))
    with pytest.raises((TypeError, ValueError)):
        replace(box(2), area=1)


@BOTH
def test_a_value_is_shown_and_matched_by_its_fields(module: Any) -> None:
    point, box = classes(module)

    assert repr(point(1)).endswith("Point(x=1, y=2)")
    assert repr(box(2)).endswith("Box(size=2, parts={}, area=4, seen=7)")
    match point(1, 3):
        case point(x, y):
            assert (1, 3) == (x, y)
        case _:
            pytest.fail("no match")


@BOTH
def test_a_class_below_keeps_its_own_beginning(module: Any) -> None:
    """The first value made is one of the class below."""
    point, _ = classes(module)

    class Named(point):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(len(name))

    assert (3, 4) == (Named("abc").x, Named("abcd").x)
    assert 5 == point(5).x
