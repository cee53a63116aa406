"""Variables: what expressions in a `dvc.yaml` can name, and where each value came from.

Source: docs/formats.md, section 11.1.
"""

from __future__ import annotations

from collections.abc import Callable

from pannier.core.path import is_inside, join
from pannier.core.record import dataclass, field, replace
from pannier.core.typed import Any
from pannier.formats import values
from pannier.formats.template import Place, Resolver, Unresolved, has_expression

DEFAULT_FILE = "params.yaml"

Read = Callable[[str], bytes | None]
"""Root-relative path -> bytes, or None when it is not there."""

_PLAIN = (str, int, float, bool, bytes)


@dataclass(frozen=True, slots=True)
class Variables:
    """All values known in one place of the file. Adding to it makes a new one.

    sources: (name shown in messages, its values), in the order of loading. loaded: root-relative
    path -> names taken from that file, None for all of it. reserved: names that `vars` of a
    generated stage must leave alone.
    """

    values: dict[str, Any] = field(default_factory=dict)
    sources: tuple[tuple[str, dict[str, Any]], ...] = ()
    loaded: dict[str, frozenset[str] | None] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()


class VariableLoader:
    """Reads the variables of one `dvc.yaml`. resolver: names the file in messages."""

    def __init__(self, resolver: Resolver, read: Read) -> None:
        self.resolver = resolver
        self.read = read
        self.warnings: list[str] = []
        self._files: dict[str, dict[str, Any] | None] = {}

    def default(self, directory: str) -> Variables:
        """The variables of `params.yaml` in a directory; none when it is not there."""
        path = join(directory, DEFAULT_FILE)
        found = self._file(path)
        if found is None:
            return Variables()
        return Variables(found, ((path, found),), {path: None})

    def extended(
        self, base: Variables, items: list[Any], directory: str, stage: str | None, place: Place
    ) -> Variables:
        """Returns base with a list of `vars` added.

        items: file names (`file`, or `file:name,name`) and mappings. stage: the stage that has
        them, None for those at the top. Raises Unresolved when a value exists already.
        """
        what = f"'stages.{stage}.vars'" if stage else "'vars'"
        if has_expression(items):
            self.resolver.fail(what, " interpolating is not allowed", place)
        owner = f"stage '{stage}'" if stage else what
        known = base
        for index, item in enumerate(items):
            at = (*place, index)
            if isinstance(item, str):
                known = self._with_file(known, item, directory, what, owner, at)
            else:
                label = f"{stage}.vars[{index}]" if stage else f"vars[{index}]"
                known = self._merged(known, label, _usable(item, label, ()), owner, at)
        return known

    def _with_file(
        self, base: Variables, item: str, directory: str, what: str, owner: str, place: Place
    ) -> Variables:
        name, _, selection = item.partition(":")
        wanted = frozenset(selection.split(",")) if selection else None
        path = join(directory, name)
        if path in base.loaded:
            before = base.loaded[path]
            if before is None and wanted is not None:
                reason = f"\ncannot partially load '{item}' as it's already loaded."
                self.resolver.fail(what, reason, place)
            if before is not None and (wanted is None or before & wanted):
                reason = f"\ncannot load '{item}' as it's partially loaded already"
                self.resolver.fail(what, reason, place)
            if before is None:
                return base
            wanted_before = before
        else:
            wanted_before = frozenset()
        found = self._file(path)
        if found is None:
            self.resolver.fail(owner, f" '{path}' does not exist", place)
        if wanted is not None:
            for key in selection.split(","):
                if key not in found:
                    self.resolver.fail(owner, f" could not find '{key}' in '{path}'", place)
            found = {key: value for key, value in found.items() if key in wanted}
        merged = self._merged(base, path, found, owner, place)
        taken = None if wanted is None else wanted | wanted_before
        return replace(merged, loaded={**merged.loaded, path: taken})

    def _merged(
        self, base: Variables, label: str, new: dict[str, Any], owner: str, place: Place
    ) -> Variables:
        def merge(old: dict[str, Any], added: dict[str, Any], above: tuple[str, ...]) -> Any:
            result = dict(old)
            for key, value in added.items():
                if key not in old:
                    result[key] = value
                elif isinstance(old[key], dict) and isinstance(value, dict):
                    result[key] = merge(old[key], value, (*above, key))
                else:
                    first = _first_source(base, (*above, key))
                    self.resolver.fail(
                        owner,
                        f"\ncannot redefine '{'.'.join((*above, key))}' from '{label}' "
                        f"as it already exists in '{first}'",
                        place,
                    )
            return result

        for key in new:
            if key in base.reserved:
                self.resolver.fail(owner, f" attempted to modify reserved key {key}", place)
        merged = merge(base.values, new, ()) if base.values else new
        return replace(base, values=merged, sources=(*base.sources, (label, new)))

    def _file(self, path: str) -> dict[str, Any] | None:
        """The usable values of a file, read once; None when it is not there."""
        if path not in self._files:
            data = self.read(path)
            if data is not None and not is_inside(path):
                self.warnings.append(
                    f"'{self.resolver.file}' takes values from '{path}', outside of the project"
                )
            self._files[path] = (
                None if data is None else _usable(values.load_params(data, path), path, ())
            )
        return self._files[path]


def _first_source(known: Variables, keys: tuple[str, ...]) -> str:
    return next(label for label, node in known.sources if _holds(node, keys))


def _holds(node: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


def _usable(node: Any, source: str, keys: tuple[str | int, ...]) -> Any:
    """The node without keys that are no text. Raises InvalidFile for values such as dates.

    Returns the same object where nothing has to go.
    """
    if node is None or isinstance(node, _PLAIN):
        return node
    if isinstance(node, dict):
        kept = {
            key: _usable(item, source, (*keys, key))
            for key, item in node.items()
            if isinstance(key, str)
        }
        same = len(kept) == len(node) and all(kept[key] is node[key] for key in kept)
        return node if same else kept
    if isinstance(node, list):
        items = [_usable(item, source, (*keys, index)) for index, item in enumerate(node)]
        return node if all(a is b for a, b in zip(items, node, strict=True)) else items
    where = f"{source}:{'.'.join(map(str, keys))}"
    raise Unresolved(source, f"Unsupported value of type '{type(node).__name__}' in '{where}'")
