"""The merge driver: two versions of a `.dvc` file or of a `dvc.lock` into one, for Git.

What both sides changed in different ways is never decided here: it is a MergeConflict, and Git
leaves the path to the user. Source: docs/formats.md, section 19; decision 50.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from pannier.core.digest import LEGACY, MD5, Digest, is_object_name
from pannier.core.errors import (
    ConfigError,
    CorruptObject,
    InvalidFile,
    MergeConflict,
    MissingObject,
    PannierError,
    TransportError,
)
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.merge import (
    Merged,
    MergedManifest,
    exact,
    merge_manifests,
    merge_mappings,
)
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.disk import batches, fsio
from pannier.disk.walk import FIELDS
from pannier.formats import lockfile, pointer, yamlio
from pannier.project.project import Project
from pannier.project.tracking import read_bytes
from pannier.project.workspace import sweep
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote

_CONTENT = ("md5", "size", "nfiles", "hash")
_EMPTY = Manifest([], [])


@dataclass(frozen=True, slots=True)
class MergeFiles:
    """Absolute paths, as Git hands them over. The result goes to `our`."""

    ancestor: str
    our: str
    their: str


@dataclass(frozen=True, slots=True)
class _Sides:
    """The three documents. ancestor is empty when both sides added the file."""

    ancestor: dict[str, Any]
    our: dict[str, Any]
    their: dict[str, Any]

    def merged(self, part: Callable[[dict[str, Any]], dict[str, Any]]) -> Merged:
        """The merge of a part of each."""
        return merge_mappings(part(self.ancestor), part(self.our), part(self.their), exact)


def _without(*keys: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda fields: {key: value for key, value in fields.items() if key not in keys}


def merge(project: Project, files: MergeFiles, progress: Progress) -> None:
    """Writes the merge of two versions over `our`.

    Everything that it names anew is durable before. Raises MergeConflict, InvalidFile,
    PannierError for a list of files that is nowhere; `our` is as it was then, but for a lock file
    with conflicts, which gets Git's usual marks.
    """
    sweep(project)
    texts = {path: _read(path) for path in (files.ancestor, files.our, files.their)}
    our, their = texts[files.our], texts[files.their]
    sides = _Sides(
        _document(texts[files.ancestor], files.ancestor, may_be_empty=True),
        _document(our, files.our),
        _document(their, files.their),
    )
    if "schema" in sides.our or "schema" in sides.their:
        try:
            merged = _merged_lock(texts, sides, files)
        except MergeConflict:
            if project.git is not None:
                marked = project.git.merge_text(files.ancestor, files.our, files.their)
                _write(project, files.our, marked)
            raise
    else:
        wanted = _Pointers(project, sides, progress).merged()
        merged = pointer.patched(our, wanted, files.our)
    if merged != our:
        _write(project, files.our, merged)


def _write(project: Project, path: str, data: bytes) -> None:
    fsio.make_dirs(project.scratch)
    fsio.write_atomic(path, data, scratch=project.scratch)


def _read(path: str) -> bytes:
    data = read_bytes(path)
    if data is None:
        raise PannierError(f"'{path}' does not exist")
    return data


def _document(data: bytes, path: str, *, may_be_empty: bool = False) -> dict[str, Any]:
    document = yamlio.load(data, path)
    if document is None and may_be_empty:
        return {}
    if not isinstance(document, dict):
        raise InvalidFile(path, "expected a dictionary")
    return document


# -- lock files ----


def _merged_lock(texts: dict[str, bytes], sides: _Sides, files: MergeFiles) -> bytes:
    for path in (files.our, files.their):
        lockfile.parse(texts[path], path, whole=True)
    if sides.ancestor:
        lockfile.parse(texts[files.ancestor], files.ancestor, whole=True)
    stages = sides.merged(lambda side: side.get("stages", {}))
    rest = sides.merged(_without("stages"))
    if stages.conflicts or rest.conflicts:
        raise MergeConflict(
            "both sides recorded these, each in its own way:",
            [*map(str, stages.conflicts), *map(str, rest.conflicts)],
            hint="take one side's entry of each, or run 'dvc repro' after the merge",
        )
    ours = sides.our.get("stages", {})
    gone = [name for name in ours if name not in stages.entries]
    text = lockfile.without(texts[files.our], gone, files.our)
    if text is None:
        text = lockfile.update(None, {})
    text = lockfile.update(text, stages.entries, files.our)
    if exact(rest.entries) != exact(_without("stages")(sides.our)):
        wanted = {**rest.entries, "stages": stages.entries}
        text = pointer.patched(text, wanted, files.our)
    return text


# -- pointers ----


class _Pointers:
    """The three versions of one `.dvc` file."""

    def __init__(self, project: Project, sides: _Sides, progress: Progress) -> None:
        self._project, self._progress = project, progress
        self._sides = sides
        self._outs = [_only_out(side) for side in (sides.ancestor, sides.our, sides.their)]

    def merged(self) -> dict[str, Any]:
        """The whole file as values."""
        top = self._sides.merged(_without("outs"))
        out = _Sides(*self._outs).merged(_without(*_CONTENT))
        conflicts = [*map(str, top.conflicts), *map(str, out.conflicts)]
        if conflicts:
            raise MergeConflict(
                "unable to auto-merge outputs with different options", conflicts, hint=_BY_HAND
            )
        content = self._content()
        return {**top.entries, "outs": [{**content, **out.entries}]}

    def _content(self) -> dict[str, Any]:
        """Digest, size and count of the merged output."""
        ancestor, our, their = (
            {key: side[key] for key in _CONTENT if key in side} for side in self._outs
        )
        if _digest(our) == _digest(their) or _digest(their) == _digest(ancestor):
            return our
        if _digest(our) == _digest(ancestor):
            return their
        digests = [_digest(side) for side in (ancestor, our, their)]
        known = [digest for digest in digests if digest is not None]
        if digests[1] is None or digests[2] is None or not all(d.is_dir for d in known):
            raise MergeConflict("unable to auto-merge outputs that are not directories")
        if len({digest.algorithm for digest in known}) > 1:
            raise MergeConflict(
                "one side records its files in the way of DVC before 3.0",
                hint="bring both sides to one form with 'dvc cache migrate --dvc-files'",
            )
        manifests = [
            self._manifest(digest, where)
            for digest, where in zip(
                digests, ("the common ancestor", "our side", "their side"), strict=True
            )
        ]
        result = merge_manifests(*manifests)
        if result.manifest is None:
            raise MergeConflict(
                "unable to auto-merge the following paths:", result.conflicts, hint=_BY_HAND
            )
        name = result.manifest.digest_hex()
        put_bytes(self._project.store_of(known[0].algorithm), name, result.manifest.to_bytes())
        fields: dict[str, Any] = {"md5": name}
        size = self._size(result, (ancestor, our, their), known[0].algorithm)
        if size is not None:
            fields["size"] = size
        fields["nfiles"] = len(result.manifest)
        if "hash" in our:
            fields["hash"] = our["hash"]
        return fields

    def _manifest(self, digest: Digest | None, where: str) -> Manifest:
        """A directory's list of files, from the cache or else from the remote."""
        if digest is None:
            return _EMPTY
        try:
            return self._project.store_of(digest.algorithm).manifest(digest.hex)
        except (MissingObject, CorruptObject):
            pass
        try:
            with Remote(self._project.settings.remote(self._outs[1].get("remote"))) as remote:
                data = remote.read(digest.algorithm, digest.hex)
            return parse_manifest(data, digest.hex)
        except (ConfigError, CorruptObject, TransportError) as error:
            self._progress.debug(str(error))
            raise PannierError(
                f"the list of files of {where}, {digest.hex}, is neither in the cache nor in the "
                "remote",
                hint="bring it with 'dvc fetch --all-branches', then merge again",
            ) from None

    def _size(
        self, result: MergedManifest, sides: tuple[dict[str, Any], ...], algorithm: str
    ) -> int | None:
        """The sum of the sizes of all files; None when some of them are not known here."""
        assert result.manifest is not None
        found = [side.get("size", None if side else 0) for side in sides]
        sizes = [size for size in found if isinstance(size, int)]
        if not result.both and len(sizes) == len(found):
            return sizes[1] + sizes[2] - sizes[0]
        store = self._project.store_of(algorithm)
        stats = array("q", batches.stat_batch(store.root, result.manifest.hexes))
        if not all(stats[3::FIELDS]):
            return None
        return sum(stats[2::FIELDS])


_BY_HAND = (
    "bring the directory to what it shall hold, then 'dvc add' it and 'git add' the .dvc file"
)


def _only_out(document: dict[str, Any]) -> dict[str, Any]:
    """The one output; empty for the ancestor of a file that both sides added."""
    if not document:
        return {}
    outs = document.get("outs")
    if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], dict):
        raise MergeConflict("unable to auto-merge files that do not have one output")
    if "files" in outs[0] or "cloud" in outs[0]:
        raise MergeConflict("unable to auto-merge outputs that are kept by cloud versions")
    return outs[0]


def _digest(out: dict[str, Any]) -> Digest | None:
    value = out.get("md5")
    if not value:
        return None
    if not is_object_name(value):
        raise MergeConflict(f"{value!r} is not an MD5 digest")
    return Digest(MD5 if out.get("hash") == MD5 else LEGACY, value)
