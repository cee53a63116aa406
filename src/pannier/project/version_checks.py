"""Versions that pointers record of a remote: each is read again and compared with its digest.

Nothing is moved or removed there: a version that is wrong stays what it is, and a repair uploads
good bytes as a new one, which the pointer then names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pannier.core.digest import MD5
from pannier.core.errors import CorruptObject, NotThere
from pannier.core.events import Progress
from pannier.core.path import is_within
from pannier.core.record import dataclass
from pannier.disk import fsio
from pannier.formats.entries import version_at
from pannier.project.index import load_index
from pannier.project.project import Project
from pannier.project.targets import Selected
from pannier.project.used import by_versions
from pannier.project.version_keys import recorded_files
from pannier.project.versions import push_versions, versioned_outs
from pannier.store.checking import Checked, Damage, some_of, unread_of
from pannier.store.pace import Pace
from pannier.store.publishing import Staging
from pannier.store.transfer import Transferred, retrying
from pannier.store.transport import Result, key_of_version, split_version
from pannier.store.versioned import VersionedRemote

GONE = "the version that is recorded is not there"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the workspace records of a remote: outputs, and key (with its version) -> digest."""

    outs: list[Selected]
    versions: Mapping[str, str]


def recorded_at(project: Project, remote: str) -> Recorded:
    """remote: its name."""
    every = [Selected(ref) for ref in load_index(project).outs()]
    mine = versioned_outs(by_versions(project, every, remote)[1].get(remote, []))
    versions: dict[str, str] = {}
    for item in mine:
        for path, md5, entry in recorded_files(item.ref):
            version = version_at(entry, remote)
            if version:
                versions[key_of_version(path, version)] = md5
    return Recorded(mine, versions)


def check_versions(
    remote: VersionedRemote,
    recorded: Recorded,
    sample: float | None,
    staging: Staging,
    jobs: int,
    progress: Progress,
) -> tuple[Checked, dict[str, Damage], dict[str, Damage]]:
    """Reads versions. Returns what was read; what is wrong, and what could not be read, by key."""
    keys = some_of(recorded.versions, sample)
    paths = {key: staging.file(at) for at, key in enumerate(keys)}
    items = [(key, paths[key], recorded.versions[key]) for key in keys]
    checked, asked = Checked(), Transferred()
    wrong = dict[str, Damage]()
    task = progress.task(f"Verifying {remote.name}", len(items))
    pace = Pace(jobs)

    def bring(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        return remote.transport.download_many(some, jobs, pace)

    for result in retrying(items, bring, lambda item: item[0], pace):
        task.advance()
        md5, error = recorded.versions[result.key], result.error
        asked.note(result.key, error)
        fsio.remove_if_there(paths[result.key])
        if error is None:
            checked.count += 1
            checked.size_bytes += result.size_bytes
            continue
        if isinstance(error, NotThere):
            damage = Damage(MD5, md5, GONE)
        elif isinstance(error, CorruptObject):
            checked.count += 1
            damage = Damage(MD5, md5, f"its bytes have the digest {error.found}")
        else:
            continue
        wrong[result.key] = damage
    task.close()
    checked.gone, problems = unread_of(asked)
    unread = {key: Damage(MD5, recorded.versions[key], why) for key, why in problems.items()}
    checked.damaged += wrong.values()
    checked.unread += unread.values()
    return checked, wrong, unread


def upload_again(
    project: Project,
    remote: VersionedRemote,
    wrong: Iterable[str],
    jobs: int,
    progress: Progress,
) -> set[str]:
    """Uploads the files of wrong keys from the cache, and records their new versions. Returns the
    paths for which that was done: not those of outputs that are not pushed, or that changed
    meanwhile. Raises LockBusy."""
    bad = frozenset(split_version(key) for key in wrong)
    with project.lock():
        # Read again: while nobody was kept out, somebody may have changed a pointer.
        outs = recorded_at(project, remote.name).outs
        moved = push_versions(project, remote, outs, Pace(jobs), progress, bad)
    for path, why in moved.failures:
        if any(is_within(key, path) for key, _ in bad):
            progress.warn(f"'{path}' was not uploaded: {why}")
    return moved.recorded
