"""`dataclass`, `field` and `replace` of the library's `dataclasses`, for programs that start often.

The library writes and compiles five methods a class while a module is imported, and imports half
of the compiler to do so: for the forty classes behind a `status` that was a third of its time.
Here a class costs one call of `type`; the only method that must be written out, `__init__`, is
compiled when the first value is made. What we do not use is not here: inheritance of fields,
`ClassVar`, `InitVar`, keyword-only fields. Why: docs/decisions/0090-records.md.
"""

from __future__ import annotations

from operator import attrgetter, ge, gt, le, lt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
    from typing import Any

_MISSING: Any = object()


class FrozenInstanceError(AttributeError):
    """Somebody tried to change a frozen record."""


class Field:
    """What is known of one field. default, factory: _MISSING when there is none."""

    __slots__ = ("_field_type", "compare", "default", "factory", "init", "name", "repr")

    def __init__(
        self, default: Any, factory: Any, *, init: bool, repr: bool, compare: bool
    ) -> None:
        self.name = ""
        self.default, self.factory = default, factory
        self.init, self.repr, self.compare = init, repr, compare
        self._field_type = None  # the library's `replace` looks at it and at nothing else


if not TYPE_CHECKING:

    def field(
        *, default=_MISSING, default_factory=_MISSING, init=True, repr=True, compare=True
    ) -> Field:
        """A field with more to say than a type and a default."""
        return Field(default, default_factory, init=init, repr=repr, compare=compare)

    def dataclass(cls=None, /, *, frozen=False, slots=False, order=False):
        """The decorator. Equality, hash, order and `repr` are those of the library's."""

        def decorate(cls):
            return _made(cls, frozen, slots, order)

        return decorate if cls is None else decorate(cls)

    def replace(record, /, **changes):
        """A copy of a record with some fields exchanged."""
        for each in record.__dataclass_fields__.values():
            if not each.init:
                if each.name in changes:
                    raise TypeError(f"field '{each.name}' is no argument of {type(record)}")
            elif each.name not in changes:
                changes[each.name] = getattr(record, each.name)
        return type(record)(**changes)


def _made(cls: Any, frozen: bool, slots: bool, order: bool) -> Any:
    namespace = dict(cls.__dict__)
    fields: dict[str, Field] = {}
    for name in cls.__annotations__:
        given = namespace.pop(name, _MISSING)
        one = given
        if not isinstance(given, Field):
            one = Field(given, _MISSING, init=True, repr=True, compare=True)
        one.name = name
        fields[name] = one
        if not slots and one.default is not _MISSING:
            namespace[name] = one.default
    compared = tuple(name for name, one in fields.items() if one.compare)
    shown = tuple(name for name, one in fields.items() if one.repr)
    first_init, made = _first_init(frozen)
    namespace |= {
        "__dataclass_fields__": fields,
        "__match_args__": tuple(name for name, one in fields.items() if one.init),
        "__hash__": None,
        "__init__": first_init,
        "__reduce__": _reduce,
        **_comparisons(compared, frozen, order),
    }
    namespace.setdefault("__repr__", _repr_of(shown))
    if slots:
        namespace.pop("__dict__", None)
        namespace.pop("__weakref__", None)
        namespace["__slots__"] = tuple(fields)
    if frozen:
        namespace["__setattr__"] = namespace["__delattr__"] = _refuse
    made.append(type(cls)(cls.__name__, cls.__bases__, namespace))
    return made[0]


def _first_init(frozen: bool) -> tuple[Any, list[Any]]:
    """An `__init__` that compiles the real one, and the list that gets the class it belongs to."""
    made: list[Any] = []

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        made[0].__init__ = _init_of(made[0], frozen)
        made[0].__init__(self, *args, **kwargs)

    return __init__, made


def _init_of(cls: Any, frozen: bool) -> Any:
    """The `__init__` that somebody would have written by hand, compiled."""
    known: dict[str, Any] = {"_missing": _MISSING, "_set": object.__setattr__}
    parameters, lines = [], []
    for name, one in cls.__dataclass_fields__.items():
        value = name
        if one.factory is not _MISSING:
            known[f"_new_{name}"] = one.factory
            value = f"_new_{name}() if {name} is _missing else {name}"
        if not one.init:
            if one.default is _MISSING and one.factory is _MISSING:
                continue
            known[f"_default_{name}"] = one.default
            value = f"_new_{name}()" if one.factory is not _MISSING else f"_default_{name}"
        elif one.factory is not _MISSING:
            parameters.append(f"{name}=_missing")
        elif one.default is not _MISSING:
            known[f"_default_{name}"] = one.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n ".join(lines) or "pass"
    exec(f"def __init__({', '.join(['self', *parameters])}):\n {body}", known)
    made = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _comparisons(names: tuple[str, ...], frozen: bool, order: bool) -> dict[str, Any]:
    values: Any = attrgetter(*names) if names else lambda record: ()

    def __eq__(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def __hash__(self: Any) -> int:
        return hash(values(self))

    def ordered(compare: Any) -> Any:
        def method(self: Any, other: object) -> Any:
            if other.__class__ is not self.__class__:
                return NotImplemented
            return compare(values(self), values(other))

        return method

    made: dict[str, Any] = {"__eq__": __eq__}
    if frozen:
        made["__hash__"] = __hash__
    if order:
        made |= {f"__{one.__name__}__": ordered(one) for one in (lt, le, gt, ge)}
    return made


def _repr_of(names: tuple[str, ...]) -> Any:
    def __repr__(self: Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({shown})"

    return __repr__


def _reduce(self: Any) -> Any:
    """For copies that are sent elsewhere: the class and the values that `__init__` takes."""
    return type(self), tuple(getattr(self, name) for name in type(self).__match_args__)


def _refuse(self: Any, name: str, value: Any = None) -> None:
    raise FrozenInstanceError(f"cannot change field '{name}' of {type(self).__qualname__}")
