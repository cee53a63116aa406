"""Stages, outputs and dependencies, as frozen values. None of them touches the disk."""

from __future__ import annotations

import posixpath

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.path import join
from pannier.core.record import dataclass, field
from pannier.core.typed import Any


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of an output's bytes besides their digest.

    size_bytes: the sum for a directory. nfiles: directories only. is_exec: files only.
    """

    size_bytes: int | None = None
    nfiles: int | None = None
    is_exec: bool = False


@dataclass(frozen=True, slots=True)
class Out:
    """One output as recorded: a path relative to its stage's wdir, and what it should hold.

    digest None: not computed yet. cache False: Git keeps the bytes, not the store.
    remote: the only remote that this output goes to. files: content of a cloud-versioned
    directory, verbatim. extra: keys kept but not understood here (desc, type, labels, meta, ...).
    """

    path: str
    digest: Digest | None = None
    meta: Meta = field(default_factory=Meta)
    cache: bool = True
    persist: bool = False
    push: bool = True
    remote: str | None = None
    kind: str = "out"  # "out", "metric" or "plot"
    files: tuple[dict[str, Any], ...] | None = None
    cloud: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dep:
    """One dependency as recorded.

    path: relative to wdir, or a URL. repo: the `repo:` mapping of an import. digest: of a local
    file or directory; checksum: ("etag" | "checksum" | "md5", value) of a remote one.
    """

    path: str
    digest: Digest | None = None
    checksum: tuple[str, str] | None = None
    meta: Meta = field(default_factory=Meta)
    repo: dict[str, Any] | None = None
    db: dict[str, Any] | None = None
    files: tuple[dict[str, Any], ...] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def is_url(self) -> bool:
        return "://" in self.path

    @property
    def is_dataset(self) -> bool:
        """True for `ds://name`: an entry of `datasets`. Its record is in `extra["dataset"]`."""
        return self.path.startswith("ds://")

    @property
    def is_versioned(self) -> bool:
        """True when its place keeps cloud versions, and which of them is recorded."""
        config = self.extra.get("fs_config") or {}
        return bool(self.files) or str(config.get("version_aware", "")).lower() == "true"


@dataclass(frozen=True, slots=True)
class ParamsDep:
    """Parameters of one file. wanted: names as in dvc.yaml, empty for the whole file.

    locked: the values in dvc.lock, or None when the stage was never recorded.
    """

    path: str
    wanted: tuple[str, ...] = ()
    locked: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: a `.dvc` file (name None) or an entry of a `dvc.yaml`.

    file: root-relative POSIX path of the file that declares it. wdir: root-relative directory
    that all its paths start from ('' is the root).
    """

    file: str
    name: str | None = None
    wdir: str = ""
    outs: tuple[Out, ...] = ()
    deps: tuple[Dep, ...] = ()
    params: tuple[ParamsDep, ...] = ()
    cmd: str | tuple[str, ...] | None = None
    cmd_locked: str | tuple[str, ...] | None = None
    frozen: bool = False
    always_changed: bool = False
    md5: str | None = None
    computed_md5: str | None = None
    """The checksum of an import's own entry, as it should be; None for other stages."""
    desc: str | None = None
    meta: Any = None
    """Of a stage in a dvc.yaml: the user's own data, expressions replaced."""

    @property
    def address(self) -> str:
        """How users name it from the root: 'data.dvc', 'train', 'sub/dvc.yaml:train'."""
        return self.address_from("")

    def address_from(self, directory: str) -> str:
        file = self.file if not directory else posixpath.relpath("/" + self.file, "/" + directory)
        if self.name is None:
            return file
        return self.name if file == "dvc.yaml" else f"{file}:{self.name}"

    @property
    def is_data_source(self) -> bool:
        return self.cmd is None

    @property
    def is_import(self) -> bool:
        return self.cmd is None and len(self.deps) == 1 and len(self.outs) == 1

    @property
    def is_callback(self) -> bool:
        return bool(self.cmd) and not (self.deps or self.outs or self.params)

    def path_of(self, item: Out | Dep | ParamsDep) -> str:
        """The root-relative path of one of its items (starts with '..' outside the project)."""
        return join(self.wdir, item.path)


def digest_of(fields: dict[str, Any], hash_name: str | None) -> Digest | None:
    """The digest in an entry of a pointer or lock file; `hash: md5` absent means the legacy one."""
    value = fields.get("md5")
    if not value:
        return None
    return Digest(MD5 if hash_name == MD5 else LEGACY, value)
