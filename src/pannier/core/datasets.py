"""Data sets: what `dvc.yaml` names under `datasets`, and what was recorded of it. Pure.

A stage depends on one by `ds://name`. Source: docs/formats.md, section 12.
"""

from __future__ import annotations

from pannier.core.errors import PannierError
from pannier.core.record import dataclass, field
from pannier.core.typed import Any
from pannier.core.verdict import MODIFIED, NEW, NOT_IN_SYNC

PREFIX = "ds://"
_DECLARED = ("name", "url", "type")
_OF_GIT = ("path", "rev")


class DatasetNotFound(PannierError, KeyError):
    exit_code = 1

    def __init__(self, name: str) -> None:
        super().__init__(
            f"dataset not found: '{name}'", hint="'dvc dataset add' enters one into 'dvc.yaml'"
        )


class NotInSync(PannierError, ValueError):
    """A data set of which what is recorded is not what `dvc.yaml` names: asked for by a program."""

    def __init__(self, name: str) -> None:
        super().__init__(f"dataset not in sync. Sync with 'dvc ds update {name}'.")


class NotRecorded(PannierError):
    """A data set of which the lock file says nothing, or what no longer holds."""

    def __init__(self, name: str, lock_file: str, *, is_known: bool) -> None:
        super().__init__(
            f"Dataset information is not in sync. Run 'dvc ds update {name}' to sync."
            if is_known
            else f"Dataset information missing from {lock_file} file",
            hint=None if is_known else f"'dvc dataset update {name}' records it",
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set. file: the root-relative `dvc.yaml` that names it. declared: its keys there,
    expressions replaced. locked: its entry in the lock file, None without."""

    file: str
    declared: dict[str, Any]
    locked: dict[str, Any] | None = None

    @property
    def is_in_sync(self) -> bool:
        return self.locked is not None and spec_of(self.locked) == spec_of(self.declared)


@dataclass(slots=True)
class Datasets:
    """Those of a project. known: name -> all that have it, in the order in which they were read."""

    known: dict[str, list[Dataset]] = field(default_factory=dict)

    def add(self, one: Dataset) -> None:
        """In one file the last of a name counts."""
        name = str(one.declared["name"])
        others = [other for other in self.known.get(name, ()) if other.file != one.file]
        self.known[name] = [*others, one]

    def find(self, name: str) -> Dataset | None:
        """Raises PannierError for a name that several files have."""
        found = self.known.get(name, [])
        if len(found) > 1:
            files = " and ".join(f"'{one.file}'" for one in found)
            raise PannierError(
                f"the dataset '{name}' is in {files}", hint="give one of them another name"
            )
        return found[0] if found else None

    def get(self, name: str) -> Dataset:
        """Raises DatasetNotFound, PannierError as `find`."""
        found = self.find(name)
        if found is None:
            raise DatasetNotFound(name)
        return found

    def current(self, path: str) -> dict[str, Any]:
        """What is to be recorded of a dependency `ds://name`. Raises NotRecorded,
        DatasetNotFound."""
        name = path.removeprefix(PREFIX)
        found = self.get(name)
        if found.locked is None or not found.is_in_sync:
            lock_file = f"{found.file.removesuffix('.yaml')}.lock"
            raise NotRecorded(name, lock_file, is_known=found.locked is not None)
        return found.locked

    def state(self, path: str, recorded: dict[str, Any] | None) -> str | None:
        """How a dependency `ds://name` differs from what its stage recorded; None when it does not.

        Raises DatasetNotFound.
        """
        found = self.get(path.removeprefix(PREFIX))
        if not found.is_in_sync:
            return NOT_IN_SYNC
        if recorded is None:
            return NEW
        return None if recorded == found.locked else MODIFIED


def spec_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What says which data is meant, keys in the order in which DVC writes them."""
    keys = (*_DECLARED, *_OF_GIT) if entry.get("type") == "dvc" else _DECLARED
    return {key: entry[key] for key in keys if entry.get(key)}
