"""version: what this installation and this project are made of, for reports of trouble."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib import metadata

from pannier.core.errors import DiskError
from pannier.core.record import dataclass, field
from pannier.disk import fsio, link
from pannier.git.mirror import mirrors_in
from pannier.git.repo import GitRepo
from pannier.project.config_files import GLOBAL, SYSTEM, config_dir
from pannier.project.settings import Settings, own_cache
from pannier.store.schemes import scheme_of

_LIBRARIES = ("PyYAML", "ruamel.yaml", "tomlkit", "pathspec", "rich")
_TRANSPORTS: dict[str, tuple[str, ...]] = {
    "azure": ("obstore",),
    "gdrive": ("google-auth", "httpx"),
    "gs": ("obstore",),
    "hdfs": ("hdfs-native",),
    "http": ("httpx",),
    "oss": ("obstore", "botocore"),
    "s3": ("obstore", "botocore"),
    "ssh": ("asyncssh",),
    "webdav": ("httpx",),
    "webhdfs": ("httpx",),
}
NO_CACHE = "<https://error.dvc.org/no-dvc-cache>"


@dataclass(frozen=True, slots=True)
class MirrorsReport:
    """What copies of other people's Git repositories take, and where; see decision 40."""

    count: int
    size_bytes: int
    folder: str


@dataclass(slots=True)
class InstallationReport:
    """libraries, transports: (name, version), (scheme, [(library, version)]) of what is there."""

    platform: str
    libraries: list[tuple[str, str]]
    transports: list[tuple[str, list[tuple[str, str]]]]
    global_dir: str
    system_dir: str
    mirrors: MirrorsReport


@dataclass(slots=True)
class ProjectReport:
    """link_kinds: that work between cache and workspace; None while there is no cache.

    cache_disk, workspace_disk: (file system, device), None where the system does not tell.
    kind: as DVC names it.
    """

    link_kinds: list[str] | None
    cache_disk: tuple[str, str] | None
    workspace_disk: tuple[str, str] | None
    remotes: list[str] = field(default_factory=list)
    kind: str = ""


def installation() -> InstallationReport:
    return InstallationReport(
        platform=f"Python {platform.python_version()} on {platform.platform()}",
        libraries=_versions(_LIBRARIES),
        transports=[
            (scheme, found)
            for scheme, names in _TRANSPORTS.items()
            if len(found := _versions(names)) == len(names)
        ],
        global_dir=config_dir(GLOBAL),
        system_dir=config_dir(SYSTEM),
        mirrors=_mirrors(f"{own_cache()}/sources"),
    )


def _mirrors(folder: str) -> MirrorsReport:
    found = mirrors_in(folder)
    size = 0
    for mirror in found:
        for path, _, names in os.walk(mirror):
            for name in names:
                with suppress(FileNotFoundError):  # a fetch is at work there
                    size += os.lstat(f"{path}/{name}").st_size
    return MirrorsReport(len(found), size, folder)


def _versions(names: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for name in names:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_project(root: str, settings: Settings) -> ProjectReport:
    """Links are tried, not guessed: between the cache and the project's own temporary folder."""
    cache_dir = settings.get("cache.dir") or f"{root}/.dvc/cache"
    there = os.path.isdir(cache_dir)
    names = settings.remote_names()
    own = settings.own_remotes()
    urls = [settings.get(f"remote.{n}.url") or own.get(n, {}).get("url", "") for n in names]
    remotes = {scheme_of(url) for url in urls}
    return ProjectReport(
        link_kinds=_link_kinds(cache_dir, f"{root}/.dvc/tmp/pannier") if there else None,
        cache_disk=_disk_of(cache_dir) if there else None,
        workspace_disk=_disk_of(root),
        remotes=sorted(remotes),
        kind=_kind(root, settings),
    )


def _link_kinds(cache_dir: str, scratch: str) -> list[str]:
    try:
        fsio.make_dirs(scratch)
        return [kind for kind in link.probe(cache_dir, scratch) if kind != link.COPY]
    except (OSError, DiskError):
        return []  # a place that cannot be written has no links either


def _kind(root: str, settings: Settings) -> str:
    if settings.flag("core.no_scm"):
        return "dvc (no_scm)"
    git = GitRepo.find(root)
    if git is None:
        return "dvc"
    return "dvc, git" if os.path.realpath(git.root) == root else "dvc (subdir), git"


def _disk_of(path: str) -> tuple[str, str] | None:
    """(file system, device) that holds path, from the kernel's table of mounts."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return None
    real = os.path.realpath(path)
    best: tuple[str, str] | None = None
    longest = -1
    for device, point, kind, *_ in mounts:
        point = point.replace("\\040", " ").rstrip("/")
        if (real == point or real.startswith(point + "/")) and len(point) >= longest:
            best, longest = (kind, device), len(point)
    return best
