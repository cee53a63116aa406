"""Outputs and dependencies as lock files spell them: checked when read, in order when written.

Source: docs/formats.md, sections 9 and 12.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pannier.core.digest import LEGACY, MD5, Digest, is_object_name
from pannier.core.errors import CorruptObject
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.path import reason_to_refuse
from pannier.core.stage import Dep, Meta, Out
from pannier.formats.schema import (
    Keys,
    Reader,
    Schema,
    checksum,
    flag,
    listing,
    mapping,
    number,
    text,
)

_INLINE = ("version_id", "etag", "checksum")


_META: Schema = {
    "md5": checksum,
    "etag": checksum,
    "checksum": checksum,
    "size": number,
    "nfiles": number,
    "isexec": flag,
    "version_id": text,
}
_OUT: Schema = {**_META, "path": text, "hash": text, "cloud": mapping, "files": listing}
_DEP: Schema = {**_OUT, "dataset": mapping}
_FILE: Schema = {**_META, "relpath": text, "cloud": mapping}


def read_out(reader: Reader, raw: Any, keys: Keys) -> Out:
    """Reads one entry of `outs`: what was found under a path, none of the flags of `dvc.yaml`."""
    fields = _checked(reader, raw, _OUT, keys)
    files = _read_files(reader, fields, keys)
    digest, meta = _read_digest(reader, fields, keys), _read_meta(fields)
    if files is not None:
        digest = _digest_of_files(reader, files, keys)
        meta = Meta(sum(row.get("size", 0) for row in files), len(files))
    return Out(
        path=fields["path"],
        digest=digest,
        meta=meta,
        files=files,
        cloud=fields.get("cloud") or None,
        extra={key: fields[key] for key in _INLINE if fields.get(key)},
    )


def read_dep(reader: Reader, raw: Any, keys: Keys) -> Dep:
    """Reads one entry of `deps`; a remote one has its first checksum in `checksum`."""
    fields = _checked(reader, raw, _DEP, keys)
    digest = _read_digest(reader, fields, keys)
    found = None
    if digest is None:
        named = (name for name in ("etag", "checksum") if fields.get(name))
        found = next(((name, str(fields[name])) for name in named), None)
    kept = (*_INLINE, "cloud", "dataset")
    return Dep(
        path=fields["path"],
        digest=digest,
        checksum=found,
        meta=_read_meta(fields),
        files=_read_files(reader, fields, keys),
        extra={
            key: fields[key] for key in kept if fields.get(key) and not (found and key == found[0])
        },
    )


def out_fields(out: Out) -> dict[str, Any]:
    """One entry of `outs`, keys in the order in which DVC writes them."""
    return _fields(out, None, out.cloud)


def dep_fields(dep: Dep) -> dict[str, Any]:
    """One entry of `deps`; that of a dataset has no checksum but the dataset's own entry."""
    if "dataset" in dep.extra:
        return {"path": dep.path, "dataset": dep.extra["dataset"]}
    return _fields(dep, dep.checksum, dep.extra.get("cloud"))


def _fields(
    item: Out | Dep, found: tuple[str, str] | None, cloud: dict[str, Any] | None
) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": item.path}
    if item.digest is None or item.digest.algorithm != LEGACY:
        fields["hash"] = MD5
    if item.files:
        fields["files"] = list(item.files)
        return fields
    if item.digest is not None:
        fields["md5"] = item.digest.hex
    if found is not None:
        fields[found[0]] = found[1]
    if item.meta.size_bytes is not None:
        fields["size"] = item.meta.size_bytes
    if item.meta.nfiles is not None:
        fields["nfiles"] = item.meta.nfiles
    if item.meta.is_exec:
        fields["isexec"] = True
    for key in _INLINE:
        if key in item.extra:
            fields.setdefault(key, item.extra[key])
    if cloud:
        fields["cloud"] = cloud
    return fields


def _checked(reader: Reader, raw: Any, schema: Schema, keys: Keys) -> dict[str, Any]:
    fields = reader.mapping(raw, schema, keys)
    if "path" not in fields:
        reader.fail("required key not provided", (*keys, "path"))
    if "cloud" in fields:
        _check_cloud(reader, fields["cloud"], (*keys, "cloud"))
    return fields


def _check_cloud(reader: Reader, cloud: dict[Any, Any], keys: Keys) -> None:
    for remote, row in cloud.items():
        reader.mapping(row, _META, (*keys, remote))


def _read_digest(reader: Reader, fields: dict[str, Any], keys: Keys) -> Digest | None:
    value = fields.get("md5")
    if value is None or value == "":
        return None
    name = value if isinstance(value, str) else str(value)
    if not is_object_name(name):
        name = name.lower()
        if not is_object_name(name):
            reader.fail(f"{value!r} is not an MD5 digest", (*keys, "md5"))
    return Digest(MD5 if fields.get("hash") == MD5 else LEGACY, name)


def _read_meta(fields: dict[str, Any]) -> Meta:
    return Meta(fields.get("size"), fields.get("nfiles"), fields.get("isexec", False))


def _read_files(
    reader: Reader, fields: dict[str, Any], keys: Keys
) -> tuple[dict[str, Any], ...] | None:
    """Checks a `files` list; None when absent or empty: DVC writes an empty one by mistake."""
    rows = fields.get("files")
    if not rows:
        return None
    for index, row in enumerate(rows):
        at = (*keys, "files", index)
        reader.mapping(row, _FILE, at)
        if "relpath" not in row:
            reader.fail("required key not provided", (*at, "relpath"))
        why = reason_to_refuse(row["relpath"])
        if why is not None:
            reader.fail(f"the path {row['relpath']!r} is not allowed: {why}", (*at, "relpath"))
        if row.get("md5") and not is_object_name(row["md5"]):
            reader.fail(f"{row['md5']!r} is not an MD5 digest", (*at, "md5"))
        if "cloud" in row:
            _check_cloud(reader, row["cloud"], (*at, "cloud"))
    return tuple(rows)


def _digest_of_files(reader: Reader, files: Iterable[dict[str, Any]], keys: Keys) -> Digest | None:
    """The directory's digest, recomputed from its list; None when a file has none yet."""
    rows = [(row["relpath"], row.get("md5") or "") for row in files]
    if not all(name for _, name in rows):
        return None
    manifest = Manifest.of(rows)
    try:
        parse_manifest(manifest.to_bytes(), "files")  # duplicates; a file that is a directory too
    except CorruptObject as error:
        reader.fail(error.reason, (*keys, "files"))
    return Digest(MD5, manifest.digest_hex())
