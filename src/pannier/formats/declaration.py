"""One stage as `dvc.yaml` declares it, its expressions replaced, to a Stage.

Source: docs/formats.md, sections 10.1 and 10.3.
"""

from __future__ import annotations

from pannier.core.path import join
from pannier.core.stage import Dep, Out, ParamsDep, Stage
from pannier.core.typed import Any
from pannier.formats.definition import ANNOTATIONS, PLOT_PROPS
from pannier.formats.entries import reason_against_output
from pannier.formats.pointer import is_pipeline_name, is_pointer_name
from pannier.formats.schema import Keys, Reader, text
from pannier.formats.template import Resolver, has_expression, to_text
from pannier.formats.variables import DEFAULT_FILE, VariableLoader, Variables

_KINDS = {"outs": "out", "metrics": "metric", "plots": "plot"}
_KEPT = (*ANNOTATIONS, *PLOT_PROPS)


class Declaration:
    """One checked definition in `stages`, or the `do` of a group: makes stages of it.

    keys: where it stands in the file. size: how many values it holds. Fields without expressions
    are taken over as they are.
    """

    def __init__(
        self,
        raw: dict[str, Any],
        keys: Keys,
        reader: Reader,
        resolver: Resolver,
        loader: VariableLoader,
    ) -> None:
        self.raw = raw
        self.keys = keys
        self.reader = reader
        self.resolver = resolver
        self.loader = loader
        self.directory = reader.file.rpartition("/")[0]
        self._with_expressions = {key for key, value in raw.items() if has_expression(value)}
        self._sections = [section for section in _KINDS if raw.get(section)]
        # The axes of a matrix are no part of what each member is made of.
        self.size = _size({key: value for key, value in raw.items() if key != "matrix"})

    def stage(self, name: str, variables: Variables) -> Stage:
        """The stage of that name. Raises Unresolved, InvalidFile."""
        wdir = join(self.directory, self._text("wdir", name, variables) or ".")
        if self.raw.get("vars"):
            variables = self.loader.extended(
                variables, self.raw["vars"], wdir, name, (*self.keys, "vars")
            )
        desc = self._field("desc", name, variables)
        outs: list[Out] = []
        for section in self._sections:
            outs.extend(self._outs(section, wdir, name, variables))
        meta = self._field("meta", name, variables)
        return Stage(
            file=self.reader.file,
            name=name,
            wdir=wdir,
            outs=tuple(outs),
            deps=tuple(self._deps(name, variables)),
            params=tuple(self._params(name, variables)),
            cmd=self._command(name, variables),
            frozen=self.raw.get("frozen", False),
            always_changed=self.raw.get("always_changed", False),
            desc=None if desc is None else to_text(desc),
            meta=meta,
        )

    def _field(self, key: str, name: str, variables: Variables) -> Any:
        """The value of one field with its expressions replaced; None when it is not there."""
        raw = self.raw.get(key)
        if key not in self._with_expressions:
            return raw
        return self.resolver.value(raw, variables.values, f"stages.{name}.{key}", (*self.keys, key))

    def _text(self, key: str, name: str, variables: Variables) -> str | None:
        value = self._field(key, name, variables)
        if value is None:
            return None
        return self._checked(value, (key,))

    def _checked(self, value: Any, keys: Keys) -> str:
        """Returns value when it is text: an expression may stand for anything."""
        reason = text(value)
        if reason is not None:
            self.reader.fail(reason, (*self.keys, *keys))
        return str(value)

    def _command(self, name: str, variables: Variables) -> str | tuple[str, ...]:
        raw = self.raw["cmd"]
        shown = f"stages.{name}.cmd"
        keys = (*self.keys, "cmd")
        if isinstance(raw, list):
            return tuple(
                self._checked(
                    self.resolver.command(line, variables.values, shown, keys), ("cmd", index)
                )
                for index, line in enumerate(raw)
            )
        return self._checked(self.resolver.command(raw, variables.values, shown, keys), ("cmd",))

    def _deps(self, name: str, variables: Variables) -> list[Dep]:
        deps = []
        for index, value in enumerate(self._field("deps", name, variables) or ()):
            path = self._checked(value, ("deps", index))
            if not path:
                self.reader.fail("expected a path", (*self.keys, "deps", index))
            if "://" not in path and (is_pointer_name(path) or is_pipeline_name(path)):
                self.reader.fail(
                    f"DVC file '{path}' cannot be a dependency.", (*self.keys, "deps", index)
                )
            deps.append(Dep(path))
        return deps

    def _params(self, name: str, variables: Variables) -> list[ParamsDep]:
        """Parameters by file, in the order of first mention; to name a file alone takes it all."""
        wanted: dict[str, list[str] | None] = {}
        for index, item in enumerate(self._field("params", name, variables) or ()):
            at = ("params", index)
            by_file = item if isinstance(item, dict) else {DEFAULT_FILE: [item]}
            for path, names in by_file.items():
                self._checked(path, at)
                if not names:
                    wanted[path] = None
                    continue
                if not isinstance(names, list):
                    kind = type(names).__name__
                    self.reader.fail(
                        f"Expected list of params for custom params file '{path}', got '{kind}'.",
                        (*self.keys, *at),
                    )
                known = wanted.setdefault(path, [])
                if known is not None:
                    known.extend(self._param_name(one, at) for one in names)
        return [
            ParamsDep(path, tuple(dict.fromkeys(names or ()))) for path, names in wanted.items()
        ]

    def _param_name(self, value: Any, keys: Keys) -> str:
        if value is None or isinstance(value, dict | list):
            self.reader.fail("expected str", (*self.keys, *keys))
        return to_text(value)

    def _outs(self, section: str, wdir: str, name: str, variables: Variables) -> list[Out]:
        # A path that is named twice is one output with the flags of both.
        found: dict[str, dict[str, Any]] = {}
        places: dict[str, Keys] = {}
        for index, item in enumerate(self._field(section, name, variables) or ()):
            by_path = item if isinstance(item, dict) else {item: {}}
            for value, flags in by_path.items():
                path = self._checked(value, (section, index))
                found[path] = {**found.get(path, {}), **flags}
                places[path] = (section, index)
        return [
            self._out(section, path, flags, wdir, places[path]) for path, flags in found.items()
        ]

    def _out(self, section: str, path: str, flags: dict[str, Any], wdir: str, keys: Keys) -> Out:
        cache = flags.get("cache", True)
        why = "it is empty" if not path else None
        why = why or reason_against_output(path, wdir, self.reader.file, cache=cache)
        if why is not None:
            self.reader.fail(f"the path {path!r} cannot be an output: {why}", (*self.keys, *keys))
        if not flags:
            return Out(path, kind=_KINDS[section])
        remote = flags.get("remote")
        return Out(
            path=path,
            cache=cache,
            persist=flags.get("persist", False),
            push=flags.get("push", True),
            remote=to_text(remote) if remote else None,
            kind=_KINDS[section],
            extra={key: flags[key] for key in _KEPT if flags.get(key) is not None},
        )


def _size(value: Any) -> int:
    """How many values a definition holds."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1
