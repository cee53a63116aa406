"""Lists of what was imported from a project, where only that project still knows them.

It seldom happens, so what opens such a project is imported when it does.
"""

from __future__ import annotations

from contextlib import closing

from pannier.core.errors import CorruptObject, GitError, ListMissing, SourceError
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.source_errors import PathMissing
from pannier.project.index import OutRef
from pannier.project.sources import Place, origin_folder


def ask_further(place: Place, progress: Progress) -> None:
    """From now on a place asks the source of an import for a list that its cache does not have."""
    place.further = lambda ref: _list_of(place, ref, progress)


def _list_of(place: Place, ref: OutRef, progress: Progress) -> Manifest | None:
    """None where the source does not know it either, or cannot be reached. Raises CorruptObject for
    a list that is not the recorded one."""
    digest, project = ref.out.digest, place.project
    if project is None or digest is None or not (ref.stage.is_import and ref.stage.deps[0].repo):
        return None
    from pannier.project.imported import open_further
    from pannier.project.origins import cargo_at

    is_here = place.source.mirror is None
    base = project.root if is_here else origin_folder(place.source, place.prefix)
    try:
        with closing(open_further(project, ref.stage, base, progress)) as source:
            path = ref.stage.deps[0].path
            with closing(cargo_at(source, path, progress, depth=1)) as cargo:
                rows = [(inner, name) for lot in cargo.lots for inner, _, name in lot.items]
    except (SourceError, GitError, PathMissing, ListMissing):
        return None
    found = Manifest.of(rows)
    # Of files of Git no digest is known before they are read.
    if all(name for _, name in rows) and found.digest_hex() != digest.hex:
        raise CorruptObject(digest.hex, found=found.digest_hex(), where="what was imported there")
    return found
