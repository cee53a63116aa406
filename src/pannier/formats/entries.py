"""Outputs and dependencies as `.dvc` files spell them: checked when read, in order when written.

Source: docs/formats.md, sections 7.3, 8 and 9.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from pannier.core.digest import LEGACY, MD5, Digest, is_object_name
from pannier.core.errors import CorruptObject
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.path import is_inside, join, reason_to_refuse
from pannier.core.stage import Dep, Meta, Out
from pannier.core.typed import Any
from pannier.formats.schema import (
    Keys,
    Reader,
    Schema,
    anything,
    checksum,
    flag,
    flag_or_mapping,
    hash_name,
    listing,
    mapping,
    number,
    text,
    text_or_mapping,
    texts,
)

CHECKSUMS = ("md5", "etag", "checksum")
_REFUSED_NAMES = frozenset(
    (".dvc", ".gitignore", ".gitattributes", ".dvcignore", "dvc.yaml", "dvc.lock")
)

META: Schema = {
    "md5": checksum,
    "etag": checksum,
    "checksum": checksum,
    "size": number,
    "nfiles": number,
    "isexec": flag,
    "version_id": text,
}
_FILE: Schema = {**META, "relpath": text, "cloud": mapping}
_SHARED: Schema = {
    **META,
    "cloud": mapping,
    "hash": hash_name,
    "path": text,
    "fs_config": mapping,
    "files": listing,
}
_OUT: Schema = {
    **_SHARED,
    "desc": text,
    "type": text,
    "labels": texts,
    "meta": anything,
    "cache": flag,
    "metric": flag_or_mapping,
    "plot": flag_or_mapping,
    "persist": flag,
    "remote": text,
    "push": flag,
}
_REPO: Schema = {
    "url": text,
    "rev": text,
    "rev_lock": text,
    "config": text_or_mapping,
    "remote": text_or_mapping,
}
_DB: Schema = {"query": text, "connection": text, "file_format": text, "table": text}
_DEP: Schema = {**_SHARED, "repo": anything, "db": anything}

_OUT_KEPT = ("fs_config", "desc", "type", "labels", "meta", "metric", "plot")
_INLINE = ("version_id", "etag", "checksum")
_REPO_ORDER = ("url", "rev", "rev_lock", "config", "remote")


def read_out(reader: Reader, raw: Any, keys: Keys, wdir: str) -> Out:
    """Reads one entry of `outs`. wdir: root-relative, where its path starts."""
    fields = reader.mapping(raw, _OUT, keys)
    if "path" not in fields:
        reader.fail("required key not provided", (*keys, "path"))
    path = local_path(fields["path"])
    cache = fields.get("cache", True)
    why = reason_against_output(path, wdir, reader.file, cache=cache)
    if why is not None:
        shown = f"the path {fields['path']!r} cannot be an output: {why}"
        reader.fail(shown, (*keys, "path"))
    cloud = _read_cloud(reader, fields, keys)
    digest, meta = read_digest(reader, fields, keys), read_meta(fields)
    files = read_files(reader, fields, keys)
    if files is not None:
        digest, meta = digest_of_files(reader, files, keys), _meta_of_files(files)
    return Out(
        path=path,
        digest=digest,
        meta=meta,
        cache=cache,
        persist=fields.get("persist", False),
        push=fields.get("push", True),
        remote=fields.get("remote") or None,
        files=files,
        cloud=cloud,
        extra={key: fields[key] for key in (*_INLINE, *_OUT_KEPT) if fields.get(key)},
    )


def read_dep(reader: Reader, raw: Any, keys: Keys) -> Dep:
    """Reads one entry of `deps`; it may lie outside the project, or be a URL."""
    fields = reader.mapping(raw, _DEP, keys)
    repo, db = fields.get("repo"), fields.get("db")
    if "repo" in fields:
        reader.mapping(repo, _REPO, (*keys, "repo"))
        if "url" not in fields["repo"]:
            reader.fail("required key not provided", (*keys, "repo", "url"))
    if "db" in fields:
        reader.mapping(db, _DB, (*keys, "db"))
    elif not fields.get("path"):
        reader.fail("required key not provided", (*keys, "path"))
    path = fields.get("path", "")
    if db is not None or repo is not None:
        return Dep(path=path, repo=repo, db=db, extra=_kept(fields))
    remote = "://" in path
    found = None
    for name in CHECKSUMS if remote else ("etag", "checksum"):
        if fields.get(name):
            found = (name, str(fields[name]))
            break
    return Dep(
        path=path if remote else local_path(path),
        digest=None if remote else read_digest(reader, fields, keys),
        checksum=found,
        meta=read_meta(fields),
        files=read_files(reader, fields, keys),
        extra=_kept(fields, without=found[0] if found else None),
    )


def local_path(path: str) -> str:
    """A path as DVC writes it: no './', no double slash. URLs stay as they are."""
    return path if "://" in path else posixpath.normpath(path)


def reason_against_output(path: str, wdir: str, file: str, *, cache: bool) -> str | None:
    """Says why the path of an output is refused, or None.

    path: relative to wdir, which is root-relative. file: the pointer, root-relative. Only outputs
    that Git keeps (cache False) may lie outside the project.
    Source: docs/durability.md, hostile input S4, S4b and S4c.
    """
    if "://" in path:
        return None if not cache else "a cached output cannot be a URL"
    full = join(wdir, path)
    if not is_inside(full):
        return None if not cache else "it leaves the project"
    why = reason_to_refuse(full)
    if why is not None:
        return why
    name = full.rpartition("/")[2]
    if name.lower() in _REFUSED_NAMES or name.endswith(".dvc"):
        return f"'{name}' belongs to DVC or Git"
    if ".dvc" in full.lower() and any(
        part.rstrip(". ").lower() == ".dvc" for part in full.split("/")
    ):
        return "it lies in a '.dvc' folder"
    if file.startswith(full + "/"):
        return "it holds the file that declares it"
    return None


def read_digest(reader: Reader, fields: dict[str, Any], keys: Keys) -> Digest | None:
    value = fields.get("md5")
    if value is None or value == "":
        return None
    name = str(value).lower()
    if not is_object_name(name):
        reader.fail(f"{value!r} is not an MD5 digest", (*keys, "md5"))
    return Digest(MD5 if fields.get("hash") == MD5 else LEGACY, name)


def read_meta(fields: dict[str, Any]) -> Meta:
    return Meta(fields.get("size"), fields.get("nfiles"), fields.get("isexec", False))


def _read_cloud(reader: Reader, fields: dict[str, Any], keys: Keys) -> dict[str, Any] | None:
    """Checks a `cloud` mapping: {remote: {etag, checksum, version_id, ...}}, at most one remote."""
    cloud = fields.get("cloud")
    if not cloud:
        return None
    if len(cloud) > 1:
        reader.fail("length of value must be at most 1", (*keys, "cloud"))
    for remote, entry in cloud.items():
        reader.mapping(entry, META, (*keys, "cloud", remote))
    return dict(cloud)


def read_files(
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
        if row.get("md5") and not is_object_name(str(row["md5"])):
            reader.fail(f"{row['md5']!r} is not an MD5 digest", (*at, "md5"))
        _read_cloud(reader, row, at)
    return tuple(rows)


def digest_of_files(reader: Reader, files: Iterable[dict[str, Any]], keys: Keys) -> Digest | None:
    """The directory's digest, recomputed from its list (docs/formats.md, section 9)."""
    rows = [(row["relpath"], str(row.get("md5") or "")) for row in files]
    if not all(name for _, name in rows):
        return None
    manifest = Manifest.of(rows)
    try:
        parse_manifest(manifest.to_bytes(), "files")  # duplicates; a file that is a directory too
    except CorruptObject as error:
        reader.fail(error.reason, (*keys, "files"))
    return Digest(MD5, manifest.digest_hex())


def _meta_of_files(files: tuple[dict[str, Any], ...]) -> Meta:
    return Meta(sum(row.get("size", 0) for row in files), len(files))


def version_at(entry: Mapping[str, Any], remote: str) -> str:
    """The version that an output or a row of `files` has at a remote, "" for none.

    DVC's `update` of a worktree leaves it without the remote's name.
    """
    told = (entry.get("cloud") or {remote: entry}).get(remote) or {}
    return str(told.get("version_id") or "")


def _kept(fields: dict[str, Any], without: str | None = None) -> dict[str, Any]:
    wanted = (*_INLINE, "cloud", "fs_config")
    return {key: fields[key] for key in wanted if fields.get(key) and key != without}


def out_fields(out: Out) -> dict[str, Any]:
    """One entry of `outs`, keys in the order in which DVC writes them, defaults left out."""
    fields: dict[str, Any] = {}
    if not out.files:
        _put_digest(fields, out.digest, out.meta)
        if not out.cloud:
            _put(fields, out.extra, _INLINE)
    if out.cloud:
        fields["cloud"] = out.cloud
    if out.digest is None or out.digest.algorithm != LEGACY:
        fields["hash"] = MD5
    fields["path"] = out.path
    _put(fields, out.extra, ("fs_config", "desc", "type", "labels", "meta"))
    if not out.cache:
        fields["cache"] = False
    _put(fields, out.extra, ("metric", "plot"))
    if out.persist:
        fields["persist"] = True
    if out.remote:
        fields["remote"] = out.remote
    if not out.push:
        fields["push"] = False
    if out.files:
        fields["files"] = list(out.files)
    return fields


def dep_fields(dep: Dep) -> dict[str, Any]:
    """One entry of `deps`; see `out_fields`. Imports from a project or a database have no hash."""
    if dep.db is not None:
        return {"db": dep.db}
    if dep.repo is not None:
        order = [key for key in _REPO_ORDER if dep.repo.get(key)]
        return {"path": dep.path, "repo": {key: dep.repo[key] for key in order}}
    if dep.path.startswith("ds://"):
        return {"path": dep.path}
    fields: dict[str, Any] = {}
    if dep.checksum and not dep.files:
        fields[dep.checksum[0]] = dep.checksum[1]
    if not dep.files:
        _put_digest(fields, dep.digest, dep.meta)
        _put(fields, dep.extra, _INLINE)
    _put(fields, dep.extra, ("cloud",))
    if dep.digest is None or dep.digest.algorithm != LEGACY:
        fields["hash"] = MD5
    fields["path"] = dep.path
    _put(fields, dep.extra, ("fs_config",))
    if dep.files:
        fields["files"] = list(dep.files)
    return fields


def _put_digest(fields: dict[str, Any], digest: Digest | None, meta: Meta) -> None:
    if digest is not None:
        fields["md5"] = digest.hex
    if meta.size_bytes is not None:
        fields["size"] = meta.size_bytes
    if meta.nfiles is not None:
        fields["nfiles"] = meta.nfiles
    if meta.is_exec:
        fields["isexec"] = True


def _put(fields: dict[str, Any], source: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if source.get(key):
            fields.setdefault(key, source[key])
