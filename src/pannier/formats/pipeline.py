"""Pipelines: a `dvc.yaml` to its stages and the lists at its top.

Source: docs/formats.md, sections 10 and 11.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from pannier.core.errors import InvalidFile
from pannier.core.record import dataclass, field
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.formats import definition, yamlio
from pannier.formats.declaration import Declaration
from pannier.formats.schema import Keys, Reader
from pannier.formats.template import CommandStyle, Resolver, has_expression, to_text
from pannier.formats.variables import Read, VariableLoader, Variables

MAX_STAGES = 100_000
"""How many of one file may be generated: the axes of a small `matrix` multiply to any number."""


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """The settings parsing.bool and parsing.list; see template.CommandStyle."""

    bool_style: str = "store_true"
    list_style: str = "nargs"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One `dvc.yaml`, its expressions replaced.

    stages: in the order of the file, none of them with anything from the lock file. metrics,
    params: paths relative to the file's directory. plots: (path or id, properties or None).
    artifacts: by id. datasets: as written. warnings: sentences for the user.
    """

    stages: list[Stage]
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    plots: tuple[tuple[str, dict[str, Any] | None], ...] = ()
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


def parse(data: bytes, file: str, read: Read, options: PipelineOptions) -> Pipeline:
    """Reads a `dvc.yaml`; see `parse_document`."""
    return parse_document(yamlio.load(data, file), data, file, read, options)


def parse_document(
    document: Any, data: bytes, file: str, read: Read, options: PipelineOptions
) -> Pipeline:
    """Reads a `dvc.yaml`. document: its value, which is not changed. file: its root-relative POSIX
    path.

    read: returns the bytes of a root-relative path (it may start with '..'), or None: parameter
    files are read through it. Raises InvalidFile for what is not allowed, with the line, and its
    subclass Unresolved for an expression that names nothing. An empty file never means "no
    stages" (docs/durability.md, promise 11).
    """
    if document is None:
        raise InvalidFile(
            file,
            "it is empty",
            hint=f"bring it back with 'git checkout -- {file}', or remove it",
        )
    reader = Reader(file, data)
    fields = definition.check(reader, document)
    return _Builder(reader, fields, read, options).pipeline()


class _Builder:
    """Makes the pipeline of one checked file."""

    def __init__(
        self, reader: Reader, fields: dict[str, Any], read: Read, options: PipelineOptions
    ) -> None:
        style = CommandStyle(options.bool_style, options.list_style)
        self.reader = reader
        self.fields = fields
        self.resolver = Resolver(reader.file, reader.data, style)
        self.loader = VariableLoader(self.resolver, read)
        self.warnings: list[str] = []
        self.generated = 0

    def pipeline(self) -> Pipeline:
        directory = self.reader.file.rpartition("/")[0]
        variables = self.loader.extended(
            self.loader.default(directory),
            self.fields.get("vars", []),
            directory,
            None,
            ("vars",),
        )
        stages: list[Stage] = []
        for name, raw in self.fields.get("stages", {}).items():
            stages.extend(self._stages(name, raw, variables))
        return Pipeline(
            stages=stages,
            metrics=self._paths("metrics", variables),
            params=self._paths("params", variables),
            plots=tuple(self._plots(variables)),
            artifacts=dict(self._artifacts(variables)),
            datasets=tuple(self._top("datasets", variables)),
            warnings=(*self.warnings, *self.loader.warnings, *self.resolver.warnings),
        )

    def _stages(self, name: str, raw: dict[str, Any], variables: Variables) -> Iterator[Stage]:
        """The stages of one definition: itself, or one for each item of its group."""
        grouped = "foreach" in raw
        keys: Keys = ("stages", name, "do") if grouped else ("stages", name)
        body = raw["do"] if grouped else raw
        declaration = Declaration(body, keys, self.reader, self.resolver, self.loader)
        if grouped:
            yield from self._group(
                name, declaration, self._foreach(name, raw, variables), variables
            )
        elif "matrix" in raw:
            yield from self._group(name, declaration, self._matrix(name, raw, variables), variables)
        else:
            yield declaration.stage(name, variables)

    def _group(
        self,
        name: str,
        declaration: Declaration,
        items: dict[str, dict[str, Any]],
        variables: Variables,
    ) -> Iterator[Stage]:
        """items: the name of each member -> the values that only it has (`item`, `key`)."""
        if not items:
            return
        self.generated += len(items)
        if self.generated > MAX_STAGES:
            self._too_many(("stages", name))
        self.resolver.spend(len(items) * declaration.size, ("stages", name))
        own = next(iter(items.values()))
        hidden = [key for key in own if key in variables.values]
        if hidden:
            verb = "is" if len(hidden) == 1 else "are"
            self.warnings.append(
                f"{' and '.join(hidden)} {verb} already specified, "
                f"will be overwritten for stages generated from '{name}'"
            )
        # One mapping for all members, each in turn writes its own over the last one's: a copy of
        # the variables for each would make the cost their number times the members'.
        shared = dict(variables.values)
        members = Variables(shared, variables.sources, variables.loaded, frozenset(own))
        for member, own in items.items():
            if not member or "@" in member:
                self.reader.fail(f"cannot name a stage '{name}@{member}'", ("stages", name))
            shared.update(own)
            yield declaration.stage(f"{name}@{member}", members)

    def _foreach(
        self, name: str, raw: dict[str, Any], variables: Variables
    ) -> dict[str, dict[str, Any]]:
        shown, keys = f"stages.{name}.foreach", ("stages", name, "foreach")
        data = self._collection(raw["foreach"], variables, shown, keys)
        if isinstance(data, dict):
            return {to_text(key): {"item": item, "key": key} for key, item in data.items()}
        if not isinstance(data, list):
            reason = f" expected list/dictionary, got {type(data).__name__}"
            self.resolver.fail(f"'{shown}'", reason, keys, verb="resolve")
        if any(isinstance(item, dict | list) for item in data):
            return {str(index): {"item": item} for index, item in enumerate(data)}
        return {
            _member(item, _written(raw["foreach"], index)): {"item": item}
            for index, item in enumerate(data)
        }

    def _matrix(
        self, name: str, raw: dict[str, Any], variables: Variables
    ) -> dict[str, dict[str, Any]]:
        shown, keys = f"stages.{name}.matrix", ("stages", name, "matrix")
        axes: dict[str, list[tuple[str, Any]]] = {}
        for axis, values in self._collection(raw["matrix"], variables, shown, keys).items():
            # DVC takes a text that is written out as the list of its characters.
            if not isinstance(values, list | dict) and values != raw["matrix"].get(axis):
                reason = f" expected list, got {type(values).__name__}"
                self.resolver.fail(f"'{shown}'", reason, (*keys, axis), verb="resolve")
            written = raw["matrix"].get(axis)
            axes[axis] = [
                (
                    f"{axis}{index}"
                    if isinstance(value, dict | list)
                    else _member(value, _written(written, index)),
                    value,
                )
                for index, value in enumerate(values)
            ]
        if math.prod(map(len, axes.values())) > MAX_STAGES:
            self._too_many(keys)
        members = {}
        for combination in itertools.product(*axes.values()):
            key = "-".join(fragment for fragment, _ in combination)
            item = {axis: value for axis, (_, value) in zip(axes, combination, strict=True)}
            members[key] = {"item": item, "key": key}
        return members

    def _collection(self, raw: Any, variables: Variables, shown: str, keys: Keys) -> Any:
        if not has_expression(raw):
            return raw
        return self.resolver.value(raw, variables.values, shown, keys, collections=True)

    def _too_many(self, keys: Keys) -> None:
        self.reader.fail(f"it stands for more than {MAX_STAGES} stages", keys)

    def _top(self, section: str, variables: Variables) -> Iterator[Any]:
        for index, raw in enumerate(self.fields.get(section, [])):
            yield self._collection(raw, variables, f"{section}.{index}", (section, index))

    def _paths(self, section: str, variables: Variables) -> tuple[str, ...]:
        paths: list[str] = []
        for index, value in enumerate(self._top(section, variables)):
            for path in value if isinstance(value, list) else [value]:
                if path is None or isinstance(path, dict | list):
                    self.reader.fail("expected str", (section, index))
                paths.append(to_text(path))
        return tuple(paths)

    def _plots(self, variables: Variables) -> Iterator[tuple[str, dict[str, Any] | None]]:
        for index, value in enumerate(self._top("plots", variables)):
            if isinstance(value, dict):
                yield from value.items()
            elif isinstance(value, str):
                yield value, None
            else:
                self.reader.fail("expected str", ("plots", index))

    def _artifacts(self, variables: Variables) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, raw in self.fields.get("artifacts", {}).items():
            shown, keys = f"artifacts.{name}", ("artifacts", name)
            yield from self._collection({name: raw}, variables, shown, keys).items()


def _written(raw: Any, index: int) -> Any:
    """What stands in the file for one item of a list, which may be one expression as a whole."""
    return raw[index] if isinstance(raw, list) else raw


def _member(value: Any, written: Any) -> str:
    """The name of a group's member. DVC names true `true` where that is written out, and `True`
    where an expression stands for it; the names are in lock files."""
    return str(value) if has_expression(written) else to_text(value)
