"""Lock files: what each stage of a `dvc.yaml` was when it was last recorded.

Source: docs/formats.md, section 12.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pannier.core.errors import InvalidFile
from pannier.core.record import dataclass, field, replace
from pannier.core.stage import Dep, Out, ParamsDep, Stage
from pannier.core.typed import Any
from pannier.formats import yamlio
from pannier.formats.lock_items import dep_fields, out_fields, read_dep, read_out
from pannier.formats.lock_text import cut_out, render, splice
from pannier.formats.schema import Keys, Reader, Schema, anything, listing, mapping, text
from pannier.formats.variables import DEFAULT_FILE

SCHEMA = "2.0"


def _schema_version(value: Any) -> str | None:
    return None if value == SCHEMA else "invalid schema version"


def _command(value: Any) -> str | None:
    if not isinstance(value, list):
        return text(value)
    return next((reason for line in value if (reason := text(line))), None)


_TOP: Schema = {"schema": _schema_version, "stages": mapping, "datasets": anything}
_STAGE: Schema = {"cmd": _command, "deps": listing, "params": mapping, "outs": listing}


@dataclass(frozen=True, slots=True)
class LockedStage:
    """One entry of a lock file. deps, outs: by path as written there. params: file -> values."""

    cmd: str | tuple[str, ...]
    deps: dict[str, Dep] = field(default_factory=dict)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    outs: dict[str, Out] = field(default_factory=dict)


def parse(data: bytes, file: str, *, whole: bool = False) -> dict[str, LockedStage]:
    """Reads a lock file to its entries by stage name.

    whole: the bytes are known to be all of the file, as those out of Git are. Else a last line
    without a newline is refused: no program writes one, so the file may have been cut. Raises
    InvalidFile for everything that is not a complete lock file of schema 2.0; an empty one never
    means "nothing recorded" (docs/durability.md, promise 11).
    """
    document = yamlio.load(data, file)
    if document is None:
        raise InvalidFile(
            file,
            "it is empty",
            hint=f"bring it back with 'git checkout -- {file}', or remove it",
        )
    reader = Reader(file, data)
    fields = reader.mapping(document, _TOP, ())
    if "schema" not in fields:
        reader.fail("required key not provided, in schema")
    if not whole and not data.endswith(b"\n"):
        raise InvalidFile(
            file,
            "its last line has no end, it may have been cut",
            line=len(data.splitlines()),
            hint="if the file is complete, add a newline at its end",
        )
    stages = {}
    for name, raw in fields.get("stages", {}).items():
        if not isinstance(name, str):
            reader.fail("expected str", ("stages", name))
        stages[name] = _stage(reader, raw, ("stages", name))
    return stages


def parse_entry(data: bytes, file: str, entry: Any) -> LockedStage:
    """Checks one entry that stands alone in a file, as the run cache has it. Raises InvalidFile."""
    return _stage(Reader(file, data), entry, ())


def apply(stage: Stage, locked: LockedStage | None) -> Stage:
    """Returns the stage with what its lock entry knows: digests, sizes, command, parameters.

    Items that the entry does not have stay without a digest; so does all with no entry.
    """
    if locked is None:
        return stage
    return replace(
        stage,
        cmd_locked=locked.cmd,
        deps=tuple(_applied_dep(dep, locked.deps.get(dep.path)) for dep in stage.deps),
        outs=tuple(_applied_out(out, locked.outs.get(out.path)) for out in stage.outs),
        params=tuple(_applied_params(one, locked.params.get(one.path)) for one in stage.params),
    )


def entry(stage: Stage) -> dict[str, Any]:
    """The entry of a stage as it is to be recorded, keys and items in the order of the file.

    Takes `locked` of its parameters as their values now. Raises InvalidFile for a parameter that
    no lock file can hold, such as a date.
    """
    cmd = list(stage.cmd) if isinstance(stage.cmd, tuple) else stage.cmd
    fields: dict[str, Any] = {"cmd": cmd}
    if stage.deps:
        fields["deps"] = [dep_fields(dep) for dep in sorted(stage.deps, key=_path_of)]
    params = dict(_params_fields(stage.params))
    if params:
        fields["params"] = params
    if stage.outs:
        fields["outs"] = [out_fields(out) for out in sorted(stage.outs, key=_path_of)]
    return fields


def recorded_entry(data: bytes, name: str, file: str) -> dict[str, Any]:
    """The entry of a stage as it stands in a lock file. Raises InvalidFile."""
    document = yamlio.load(data, file)
    stages = document.get("stages") if isinstance(document, dict) else None
    found = stages.get(name) if isinstance(stages, dict) else None
    if not isinstance(found, dict):
        raise InvalidFile(file, f"it has no entry of stage '{name}'")
    return dict(found)


def update(
    previous: bytes | None, entries: Mapping[str, dict[str, Any]], file: str = "dvc.lock"
) -> bytes:
    """Returns the lock file with these entries: in the place of the old ones, new ones at the end.

    previous: the file as it is, None for a new one; entries that are not named stay, byte for
    byte in a file as DVC and we write it. What is there already as it should be is not touched.
    file: for messages only.
    Raises InvalidFile when previous cannot be read.
    """
    if previous is None:
        head = (
            f"schema: '{SCHEMA}'\nstages:\n" if entries else f"schema: '{SCHEMA}'\nstages: {{}}\n"
        )
        return b"".join([head.encode(), *(render(name, entries[name]) for name in entries)])
    document = yamlio.load(previous, file)
    if not isinstance(document, dict) or not isinstance(document.get("stages", {}), dict):
        raise InvalidFile(file, "expected a dictionary")
    known = document.get("stages", {})
    changed = {
        name: wanted
        for name, wanted in entries.items()
        if name not in known or not is_same(known[name], wanted)
    }
    if not changed:
        return previous
    wanted_document = {**document, "stages": {**known, **changed}}
    spliced = splice(previous, changed, known)
    if spliced is not None and _reads_as(spliced, wanted_document):
        return spliced

    def change(root: Any) -> None:
        if "stages" not in root:
            root["stages"] = {}
        root["stages"].update(changed)
        make_floats_exact(root)

    return yamlio.edit(previous, change, file)


def without(previous: bytes, names: Collection[str], file: str = "dvc.lock") -> bytes | None:
    """Returns the lock file without these entries; None when nothing is left to be recorded.

    The others stay byte for byte, as in `update`. Raises InvalidFile when previous cannot be read.
    """
    document = yamlio.load(previous, file)
    if not isinstance(document, dict) or not isinstance(document.get("stages", {}), dict):
        raise InvalidFile(file, "expected a dictionary")
    known = document.get("stages", {})
    gone = [name for name in known if name in names]
    if not gone:
        return previous
    left = {name: entry for name, entry in known.items() if name not in names}
    if not left and not document.get("datasets"):
        return None
    wanted = {**document, "stages": left}
    cut = cut_out(previous, gone) if left else None
    if cut is not None and _reads_as(cut, wanted):
        return cut

    def change(root: Any) -> None:
        for name in gone:
            del root["stages"][name]
        make_floats_exact(root)

    return yamlio.edit(previous, change, file)


def _reads_as(data: bytes, wanted: dict[str, Any]) -> bool:
    """Tells whether a text that was put together by lines means what it should."""
    try:
        return bool(yamlio.load(data, "") == wanted)
    except InvalidFile:
        return False


def make_floats_exact(node: Any) -> None:
    """Frees floats with an exponent of ruamel.yaml's care for their form: it changes the value.

    Real DVC does so to the values of all stages whenever one is recorded: 6.062599043956082e-08
    becomes 6.062599043956081e-08.
    """
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, item in list(pairs):
        if isinstance(item, dict | list):
            make_floats_exact(item)
        elif isinstance(item, float) and "e" in repr(float(item)):
            node[key] = float(item)


def is_same(known: Any, wanted: Any) -> bool:
    """Equal, keys in the same order, 1 and 1.0 and true apart."""
    if isinstance(known, dict) and isinstance(wanted, dict):
        return list(known) == list(wanted) and all(
            is_same(known[key], wanted[key]) for key in known
        )
    if isinstance(known, list) and isinstance(wanted, list):
        return len(known) == len(wanted) and all(map(is_same, known, wanted))
    return type(known) is type(wanted) and bool(known == wanted)


def _stage(reader: Reader, raw: Any, keys: Keys) -> LockedStage:
    fields = reader.mapping(raw, _STAGE, keys)
    if "cmd" not in fields:
        reader.fail("required key not provided", (*keys, "cmd"))
    cmd = fields["cmd"]
    params = fields.get("params", {})
    for path, values in params.items():
        if not isinstance(path, str):
            reader.fail("expected str", (*keys, "params", path))
        if not isinstance(values, dict):
            reader.fail("expected a dictionary", (*keys, "params", path))
    return LockedStage(
        cmd=tuple(cmd) if isinstance(cmd, list) else cmd,
        deps={
            dep.path: dep
            for index, item in enumerate(fields.get("deps", ()))
            for dep in [read_dep(reader, item, (*keys, "deps", index))]
        },
        params=params,
        outs={
            out.path: out
            for index, item in enumerate(fields.get("outs", ()))
            for out in [read_out(reader, item, (*keys, "outs", index))]
        },
    )


def _applied_dep(dep: Dep, locked: Dep | None) -> Dep:
    if locked is None:
        return dep
    return replace(
        dep,
        digest=locked.digest,
        checksum=locked.checksum,
        meta=locked.meta,
        files=locked.files,
        extra={**dep.extra, **locked.extra} if locked.extra else dep.extra,
    )


def _applied_out(out: Out, locked: Out | None) -> Out:
    if locked is None:
        return out
    return replace(
        out,
        digest=locked.digest,
        meta=locked.meta,
        files=locked.files,
        cloud=locked.cloud,
        extra={**out.extra, **locked.extra} if locked.extra else out.extra,
    )


def _applied_params(params: ParamsDep, values: dict[str, Any] | None) -> ParamsDep:
    if values is None:
        return params
    if params.wanted:
        values = {name: values[name] for name in params.wanted if name in values}
    return replace(params, locked=values)


def _path_of(item: Dep | Out) -> str:
    return item.path


def _params_fields(params: Iterable[ParamsDep]) -> Iterable[tuple[str, dict[str, Any]]]:
    """The files with their values: the default file first, the others and all names by order."""
    for one in sorted(params, key=lambda one: (one.path != DEFAULT_FILE, one.path)):
        if one.locked is None:
            continue
        try:
            names = sorted(one.locked)
        except TypeError:
            raise InvalidFile(one.path, "its keys are of kinds that have no order") from None
        for name in names:
            _check_recordable(one.locked[name], one.path, str(name))
        yield one.path, {name: one.locked[name] for name in names}


def _check_recordable(value: Any, path: str, name: str) -> None:
    """Raises InvalidFile for what the lock file has no form for, dates above all."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_recordable(item, path, f"{name}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_recordable(item, path, f"{name}.{index}")
    elif value is not None and not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise InvalidFile(path, f"the value of '{name}' cannot be recorded, it is a {kind}")
