"""Editing a config file without losing what its author wrote: comments, order, layout."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pannier.formats.config import (
    INDENT,
    NAMED_SECTION,
    Line,
    Tree,
    checked,
    dump,
    head,
    in_file_order,
    parse_lines,
)
from pannier.formats.config_values import interpolate, quote


def has_comments(text: str) -> bool:
    return any(line.comment for line in parse_lines(text.splitlines())[1]) or any(
        line.lstrip().startswith("#") for line in text.splitlines()
    )


def edit(text: str, tree: Tree, renamed: Mapping[str, str] | None = None) -> str:
    """The text changed as little as makes it say tree: comments, order and layout stay.

    renamed: old to new heads of sections that keep their place, as `remote "a"`. A text without
    comments becomes what DVC writes.
    """
    if not has_comments(text):
        return dump(tree)
    lines = text.splitlines()
    raw, marks = parse_lines(lines)
    old = _by_section(interpolate(raw), renamed or {})
    return checked(
        _Editor(lines, marks, old, _by_section(in_file_order(tree), {}), renamed or {}).text(), tree
    )


def _by_section(flat: Tree, renamed: Mapping[str, str]) -> dict[tuple[str, ...], Tree]:
    """Options of every section, by its path in lower case; `()` holds those before the first."""
    found: dict[tuple[str, ...], Tree] = {}

    def collect(section: Tree, path: tuple[str, ...]) -> None:
        options = found.setdefault(path, {})
        for key, value in section.items():
            if isinstance(value, dict):
                collect(value, (*path, _shown(key, renamed) if not path else key.lower()))
            else:
                options[key.lower()] = value

    collect(flat, ())
    return found


def _shown(name: str, renamed: Mapping[str, str]) -> str:
    """A section's name in the one way a tree gives it: `Remote  "X"` is `remote "x"`."""
    found = re.fullmatch(NAMED_SECTION, name.lower())
    plain = head(found[1], found[2]) if found else name.lower()
    return renamed.get(plain, plain)


class _Editor:
    """One edit of a text with comments: lines are kept, replaced, dropped or added."""

    def __init__(
        self,
        lines: list[str],
        marks: list[Line],
        old: dict[tuple[str, ...], Tree],
        new: dict[tuple[str, ...], Tree],
        renamed: Mapping[str, str],
    ) -> None:
        self._lines, self._marks, self._old, self._new = lines, marks, old, new
        self._renamed = renamed

    def text(self) -> str:
        out: dict[int, list[str]] = {}
        ends: dict[tuple[str, ...], int] = {}
        seen: dict[tuple[str, ...], set[str]] = {}
        for mark in self._marks:
            section = self._path(mark.section)
            want = self._new.get(section)
            kept = want is not None and (bool(want) or self._stays(section))
            if mark.key is None:
                if not kept:
                    self._drop(mark, out)
                    continue
                if self._is_renamed(mark.section):
                    self._replace(mark, f"[{quote(section[-1], lines=False)}]", out)
            else:
                key = mark.key.lower()
                if not want or key not in want:
                    self._drop(mark, out)
                    continue
                seen.setdefault(section, set()).add(key)
                if want[key] != self._old[section][key]:
                    name = quote(mark.key, lines=False)
                    self._replace(mark, f"{name} = {quote(want[key])}", out)
            ends[section] = mark.last
        for section, options in self._new.items():
            added = {k: v for k, v in options.items() if k not in seen.get(section, set())}
            if added or (section and section not in ends and self._stays(section)):
                self._add(section, added, ends, out)
        shown = [
            line for number, line in enumerate(self._lines) for line in out.get(number, [line])
        ]
        shown = out.get(-1, []) + shown + out.get(len(self._lines), [])
        return "\n".join(shown) + "\n"

    def _path(self, section: tuple[str, ...]) -> tuple[str, ...]:
        lower = tuple(name.lower() for name in section[1:])
        return (_shown(section[0], self._renamed), *lower) if section else ()

    def _is_renamed(self, section: tuple[str, ...]) -> bool:
        return len(section) == 1 and _shown(section[0], {}) in self._renamed

    def _stays(self, section: tuple[str, ...]) -> bool:
        """True for a section that stays without options: for its name, or for what is below."""
        depth = len(section)
        below = any(path[:depth] == section and path != section for path in self._new)
        return below or '"' in section[0]

    def _drop(self, mark: Line, out: dict[int, list[str]]) -> None:
        for number in range(mark.first, mark.last + 1):
            out[number] = []

    def _replace(self, mark: Line, text: str, out: dict[int, list[str]]) -> None:
        self._drop(mark, out)
        first = self._lines[mark.first]
        indent = first[: len(first) - len(first.lstrip())]
        comment = f"  {mark.comment}" if mark.comment else ""
        out[mark.first] = [f"{indent}{text}{comment}"]

    def _add(
        self,
        section: tuple[str, ...],
        options: Tree,
        ends: dict[tuple[str, ...], int],
        out: dict[int, list[str]],
    ) -> None:
        """Adds options behind the last one of their section, or a new section at the end."""
        written = [f"{quote(k, lines=False)} = {quote(v)}" for k, v in options.items()]
        if section in ends:
            last = ends[section]
            indent = self._indent(section)
            out.setdefault(last, [self._lines[last]])
            out[last] += [indent + line for line in written]
        elif not section:
            out.setdefault(-1, []).extend(written)
        else:
            opened, closed = "[" * len(section), "]" * len(section)
            out.setdefault(len(self._lines), []).extend(
                [f"{opened}{quote(section[-1], lines=False)}{closed}"]
                + [INDENT + line for line in written]
            )

    def _indent(self, section: tuple[str, ...]) -> str:
        for mark in self._marks:
            if self._path(mark.section) == section and mark.key is not None:
                line = self._lines[mark.first]
                return line[: len(line) - len(line.lstrip())]
        return INDENT * len(section)
