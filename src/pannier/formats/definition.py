"""What a `dvc.yaml` may hold, checked before any expression is looked at.

Source: docs/formats.md, section 10. A fault is an InvalidFile with its line.
"""

from __future__ import annotations

from pannier.core.typed import Any
from pannier.formats.schema import (
    Keys,
    Reader,
    Schema,
    anything,
    flag,
    listing,
    mapping,
    text,
    texts,
)

DATASET_TYPES = ("dvc", "dc", "url")
ANNOTATIONS = ("desc", "type", "labels", "meta")
PLOT_PROPS = ("template", "x", "y", "x_label", "y_label", "title", "header")


def _list_or_text(value: Any) -> str | None:
    return None if isinstance(value, list) else text(value)


def _collection_or_text(value: Any) -> str | None:
    return None if isinstance(value, dict | list | str) else "expected dict"


_TOP: Schema = {
    "stages": mapping,
    "vars": listing,
    "params": listing,
    "metrics": listing,
    "plots": listing,
    "artifacts": mapping,
    "datasets": listing,
}
_STAGE: Schema = {
    "desc": text,
    "cmd": _list_or_text,
    "wdir": text,
    "deps": listing,
    "params": listing,
    "outs": listing,
    "metrics": listing,
    "plots": listing,
    "frozen": flag,
    "always_changed": flag,
    "meta": anything,
    "vars": listing,
    "matrix": mapping,
}
_GROUP: Schema = {"foreach": _collection_or_text, "do": mapping}
_OUT: Schema = {
    "cache": flag,
    "persist": flag,
    "remote": text,
    "push": flag,
    "checkpoint": flag,
    "desc": text,
    "type": text,
    "labels": texts,
    "meta": anything,
}
_PLOT: Schema = {**_OUT, **dict.fromkeys(PLOT_PROPS, text), "header": flag}
_OUT_SCHEMAS = {"outs": _OUT, "metrics": _OUT, "plots": _PLOT}
_TOP_PLOT: Schema = {
    "x": anything,
    "y": anything,
    "x_label": text,
    "y_label": text,
    "title": text,
    "template": text,
}
_ARTIFACT: Schema = {
    "path": text,
    "type": text,
    "desc": text,
    "labels": texts,
    "meta": anything,
}


def check(reader: Reader, document: Any) -> dict[str, Any]:
    """Returns the document when all of it is allowed; expressions may still fail later."""
    fields = reader.mapping(document, _TOP, ())
    _check_vars(reader, fields.get("vars", []), ("vars",))
    for section in ("params", "metrics"):
        _check_texts(reader, fields.get(section, []), (section,))
    for name, raw in fields.get("stages", {}).items():
        keys = ("stages", name)
        if not isinstance(name, str):
            reader.fail("expected str", keys)
        if not name:
            reader.fail("a stage needs a name", keys)
        if "@" in name:  # the mark of generated stages: DVC looks for a group then
            reader.fail("Stage name cannot contain punctuation characters.", keys)
        _check_definition(reader, raw, keys)
    for index, plot in enumerate(fields.get("plots", [])):
        _check_plot(reader, plot, ("plots", index))
    for name, artifact in fields.get("artifacts", {}).items():
        keys = ("artifacts", name)
        if not isinstance(name, str):
            reader.fail("expected str", keys)
        if "path" not in reader.mapping(artifact, _ARTIFACT, keys):
            reader.fail("required key not provided", (*keys, "path"))
    for index, dataset in enumerate(fields.get("datasets", [])):
        _check_dataset(reader, dataset, ("datasets", index))
    return fields


def _check_texts(reader: Reader, items: Any, keys: Keys) -> None:
    for index, item in enumerate(items if isinstance(items, list) else ()):
        reason = text(item)
        if reason is not None:
            reader.fail(reason, (*keys, index))


def _check_vars(reader: Reader, items: list[Any], keys: Keys) -> None:
    for index, item in enumerate(items):
        if not isinstance(item, str | dict):
            reader.fail("expected dict", (*keys, index))


def _check_definition(reader: Reader, raw: Any, keys: Keys) -> None:
    """Checks one entry of `stages`: a stage, or `foreach` and `do`."""
    if isinstance(raw, dict) and ("foreach" in raw or "do" in raw):
        reader.mapping(raw, _GROUP, keys)
        for key in _GROUP:
            if key not in raw:
                reader.fail("required key not provided", (*keys, key))
        _check_stage(reader, raw["do"], (*keys, "do"))
    else:
        _check_stage(reader, raw, keys)


def _check_stage(reader: Reader, raw: Any, keys: Keys) -> None:
    fields = reader.mapping(raw, _STAGE, keys)
    if "cmd" not in fields:
        reader.fail("required key not provided", (*keys, "cmd"))
    for section in ("cmd", "deps"):
        _check_texts(reader, fields.get(section, []), (*keys, section))
    _check_vars(reader, fields.get("vars", []), (*keys, "vars"))
    for axis, values in fields.get("matrix", {}).items():
        if not isinstance(axis, str) or not isinstance(values, list | str):
            reader.fail("expected str", (*keys, "matrix", axis))
    for index, item in enumerate(fields.get("params", [])):
        if not isinstance(item, str | dict):
            reader.fail("expected str", (*keys, "params", index))
    for section, schema in _OUT_SCHEMAS.items():
        for index, item in enumerate(fields.get(section, [])):
            _check_out(reader, item, schema, (*keys, section, index))


def _check_out(reader: Reader, item: Any, schema: Schema, keys: Keys) -> None:
    if isinstance(item, dict):
        for path, flags in item.items():
            if not isinstance(path, str):
                reader.fail("expected str", (*keys, path))
            reader.mapping(flags, schema, (*keys, path))
    elif reason := text(item):
        reader.fail(reason, keys)


def _check_plot(reader: Reader, plot: Any, keys: Keys) -> None:
    """Checks one entry of the `plots` at the top: a path, or {id: props}."""
    if not isinstance(plot, dict):
        if not isinstance(plot, str):
            reader.fail("expected str", keys)
        return
    for name, props in plot.items():
        at = (*keys, name)
        if not isinstance(name, str):
            reader.fail("expected str", at)
        if props is None:
            continue
        reader.mapping(props, _TOP_PLOT, at)
        _check_axis(reader, props.get("x", ""), (*at, "x"), lists=False)
        _check_axis(reader, props.get("y", ""), (*at, "y"), lists=True)


def _check_axis(reader: Reader, value: Any, keys: Keys, *, lists: bool) -> None:
    """Checks `x` or `y`: a column, {file: column}, and for y lists of columns."""
    columns = value.items() if isinstance(value, dict) else [(None, value)]
    for file, column in columns:
        at = keys if file is None else (*keys, file)
        if file is not None and not isinstance(file, str):
            reader.fail("expected str", at)
        if isinstance(column, list) and lists:
            for index, item in enumerate(column):
                if not isinstance(item, str):
                    reader.fail("expected str", (*at, index))
        elif not isinstance(column, str):
            reader.fail("expected str", at)


def _check_dataset(reader: Reader, dataset: Any, keys: Keys) -> None:
    if not isinstance(dataset, dict):
        reader.fail("expected a dictionary", keys)
    for key in ("name", "type", "url"):
        if key not in dataset:
            reader.fail("required key not provided", (*keys, key))
        if not isinstance(dataset[key], str):
            reader.fail("expected str", (*keys, key))
    if dataset["type"] not in DATASET_TYPES:
        reader.fail(f"unknown dataset type: {dataset['type']}", (*keys, "type"))
