"""Outputs and dependencies as lock files spell them: checked when read, in order when written.

Source: docs/formats.md, sections 9 and 12.
"""

from __future__ import annotations

from pannier.core.digest import LEGACY, MD5
from pannier.core.stage import Dep, Meta, Out
from pannier.core.typed import Any
from pannier.formats.entries import META, digest_of_files, read_digest, read_files, read_meta
from pannier.formats.schema import (
    Keys,
    Reader,
    Schema,
    listing,
    mapping,
    text,
)

_INLINE = ("version_id", "etag", "checksum")


_OUT: Schema = {**META, "path": text, "hash": text, "cloud": mapping, "files": listing}
_DEP: Schema = {**_OUT, "dataset": mapping}


def read_out(reader: Reader, raw: Any, keys: Keys) -> Out:
    """Reads one entry of `outs`: what was found under a path, none of the flags of `dvc.yaml`."""
    fields = _checked(reader, raw, _OUT, keys)
    files = read_files(reader, fields, keys)
    digest, meta = read_digest(reader, fields, keys), read_meta(fields)
    if files is not None:
        digest = digest_of_files(reader, files, keys)
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
    digest = read_digest(reader, fields, keys)
    found = None
    if digest is None:
        named = (name for name in ("etag", "checksum") if fields.get(name))
        found = next(((name, str(fields[name])) for name in named), None)
    kept = (*_INLINE, "cloud", "dataset")
    return Dep(
        path=fields["path"],
        digest=digest,
        checksum=found,
        meta=read_meta(fields),
        files=read_files(reader, fields, keys),
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
        reader.mapping(row, META, (*keys, remote))
