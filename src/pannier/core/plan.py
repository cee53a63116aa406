"""Plans: state in, actions out. Deciding is here, doing is elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CheckoutPlan:
    """How to turn what a directory (or file) holds into what was recorded.

    Paths are relative to the output; a single file is the path ''. create: nothing is there.
    replace: other bytes are there. delete: not wanted. missing: wanted, but the object is not in
    the store, so nothing is done about the path. unsaved: paths among replace and delete whose
    present bytes are nowhere in the store.
    """

    create: list[tuple[str, str]] = field(default_factory=list)
    replace: list[tuple[str, str]] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)
    kept: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.create or self.replace or self.delete or self.missing)


def plan_checkout(
    have: Mapping[str, str | None],
    want: Mapping[str, str],
    stored: Collection[str],
    redo: Collection[str] = (),
) -> CheckoutPlan:
    """Decides per path.

    have: path -> digest of what is there, None where it is no file that could be hashed. want:
    path -> digest. stored: digests whose objects exist and are good.
    """
    if not have and set(want.values()).issubset(stored):
        return CheckoutPlan(create=list(want.items()))
    plan = CheckoutPlan()
    kept = 0
    for path, name in want.items():
        current = have.get(path, "")
        if current == name and path not in redo:
            kept += 1
        elif name not in stored:
            plan.missing.append((path, name))
        elif path not in have:
            plan.create.append((path, name))
        else:
            plan.replace.append((path, name))
            if current not in stored:
                plan.unsaved.append(path)
    for path, current in have.items():
        if path not in want:
            plan.delete.append(path)
            if current not in stored:
                plan.unsaved.append(path)
    return CheckoutPlan(plan.create, plan.replace, plan.delete, plan.missing, plan.unsaved, kept)


def prefer_listing(wanted: int, estimated_total: int, per_page: int = 1000) -> bool:
    """Whether listing a remote beats asking for each object: a pure cost rule.

    wanted: objects to be asked for, one request each. estimated_total: objects there. Requests
    overlap in both cases, so the number of requests decides.
    """
    return estimated_total / per_page < wanted


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """What is to travel, in order: files first, manifests when all of theirs arrived.

    files: digests of plain objects. manifests: digest of a `.dir` -> the files it names.
    missing: digests that the sending side does not have.
    """

    files: list[str]
    manifests: dict[str, list[str]]
    missing: list[str]

    @property
    def total(self) -> int:
        return len(self.files) + len(self.manifests)


def plan_transfer(
    wanted: Mapping[str, Collection[str]],
    plain: Collection[str],
    there: Collection[str],
    here: Collection[str],
) -> TransferPlan:
    """Decides what to send.

    wanted: manifest digest -> digests of its files. plain: digests of single files. there: what
    the receiving side has. here: what the sending side has. A manifest travels after its files,
    also when they were there before; it is sent only if everything it names is, or will be, there.
    """
    files = {name for names in wanted.values() for name in names} | set(plain)
    missing = sorted(files - set(there) - set(here))
    gone = set(missing)
    manifests: dict[str, list[str]] = {}
    for name, members in wanted.items():
        if name in there:
            continue
        if name not in here:
            missing.append(name)
        elif not gone.intersection(members):
            manifests[name] = list(members)
    return TransferPlan(sorted((files & set(here)) - set(there)), manifests, missing)
