"""DVC's config files: INI text in the dialect of ConfigObj 5, to values and back.

A tree is what the rest of the program sees: `{"core": {"remote": "store"}, "remote": {"store":
{"url": ...}}}`. Keys are lower case; a value is a str, a list of str or, for a sub-section, a
dict. Named sections (`['remote "store"']`) come first in a tree, as in DVC's listings, and last
in a file. Source: docs/formats.md, section 13.
"""

from __future__ import annotations

import re

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.formats.config_schema import SECRETS
from pannier.formats.config_values import (
    BadValue,
    blanks,
    interpolate,
    is_comment,
    is_plain,
    quote,
    scan_value,
    unquote,
)

Tree = dict[str, Any]
NAMED = ("remote", "machine", "db")
"""Kinds of section that carry a name, in the order in which a file has them."""

INDENT = "    "
NAMED_SECTION = r'({})\s*"(.*)"\s*'.format("|".join(NAMED))


@dataclass(frozen=True, slots=True)
class Line:
    """What the lines first..last of a file are: an option, or the head of a section (key None)."""

    first: int
    last: int
    section: tuple[str, ...]
    key: str | None
    comment: str


def parse(text: str) -> Tree:
    """Reads a config file. An empty one is valid: `init` writes it.

    Raises ConfigError in ConfigObj's words, with the line.
    """
    return named(interpolate(parse_lines(text.splitlines())[0]))


def dump(tree: Tree) -> str:
    """The file that DVC writes for tree. Raises ConfigError for what no such file can hold."""
    return checked("\n".join(_dumped(in_file_order(tree), 0)) + "\n", tree)


def checked(text: str, tree: Tree) -> str:
    """text, if reading it gives tree: else a value cannot be written so that DVC reads it."""
    try:
        if _shown_part(parse(text)) == _shown_part(tree):
            return text
    except ConfigError:
        pass
    raise ConfigError(
        "a value cannot be stored in a config file: it holds line breaks or quotes that cannot "
        "be quoted, or '%(...)s', which stands for another option"
    )


def _shown_part(tree: Tree) -> Tree:
    """What a file can show of a tree: DVC writes no empty section, unless it has a name."""
    return {key: value for key, value in tree.items() if value != {}}


# -- trees and sections --------------------------------------------------------------------------


def named(raw: Tree) -> Tree:
    """A tree from the sections of a file: named ones unpacked, keys in lower case."""
    tree: Tree = {}
    others: Tree = {}
    for name, value in _lower(raw).items():
        found = re.fullmatch(NAMED_SECTION, name) if '"' in name else None
        if found and isinstance(value, dict):
            tree.setdefault(found[1], {})[found[2]] = value
        else:
            others[name] = value
    tree = {kind: tree[kind] for kind in NAMED if kind in tree}
    for name, value in others.items():
        if isinstance(value, dict) and isinstance(tree.get(name), dict):
            tree[name].update(value)
        else:
            tree[name] = value
    return tree


def head(kind: str, name: str) -> str:
    """The name of a named section as it stands between the brackets."""
    return f'{kind} "{name}"'


def _lower(section: Tree) -> Tree:
    return {
        key.lower(): _lower(value) if isinstance(value, dict) else value
        for key, value in section.items()
    }


def in_file_order(tree: Tree) -> Tree:
    """Sections in the order of a file: plain ones, then remotes, machines, databases."""
    flat = {key: value for key, value in tree.items() if key not in NAMED and value != {}}
    for kind in NAMED:
        if not isinstance(tree.get(kind, {}), dict):
            flat[kind] = tree[kind]
            continue
        for name, section in tree.get(kind, {}).items():
            if isinstance(section, dict):
                flat[head(kind, name)] = section
            else:
                flat.setdefault(kind, {})[name] = section
    return flat


def _dumped(section: Tree, depth: int) -> list[str]:
    indent = INDENT * depth
    out = [
        f"{indent}{quote(key, lines=False)} = {quote(value)}"
        for key, value in section.items()
        if not isinstance(value, dict)
    ]
    for key, value in section.items():
        if isinstance(value, dict):
            opened, closed = "[" * (depth + 1), "]" * (depth + 1)
            out.append(f"{indent}{opened}{quote(key, lines=False)}{closed}")
            out += _dumped(value, depth + 1)
    return out


# -- reading -------------------------------------------------------------------------------------


def parse_lines(lines: list[str]) -> tuple[Tree, list[Line]]:
    """The sections of a file as they stand there, and what its lines are."""
    root: Tree = {}
    marks: list[Line] = []
    faults: list[tuple[str, int]] = []
    path: tuple[str, ...] = ()
    here = root
    at = -1
    while at + 1 < len(lines):
        at += 1
        line = lines[at].strip()
        if not line or line.startswith("#"):
            continue
        try:
            if opened := _section_head(line):
                depth, name, comment = opened
                path = _entered(path, depth, name, root)
                here = _at(root, path)
                marks.append(Line(at, at, path, None, comment))
                continue
            key, text = _split(lines[at])
            first = at
            value, at, comment = _value(text, lines, at)
            if key in here:
                raise BadValue("Duplicate keyword name")
            here[key] = value
            marks.append(Line(first, at, path, key, comment))
        except BadValue as error:
            faults.append((str(error), at + 1))
    if len(faults) > 1:
        number = faults[0][1]
        raise ConfigError(f"Parsing failed with several errors.\nFirst error at line {number}.")
    if faults:
        raise ConfigError(f"{faults[0][0]} at line {faults[0][1]}.")
    return root, marks


def _section_head(line: str) -> tuple[int, str, str] | None:
    """(depth, name, comment) of a line like `[core]`, or None for another kind of line."""
    if line[0] != "[":
        return None
    if line[-1] == "]" and line.count("[") == 1 == line.count("]"):
        name = line[1:-1].strip()
        if name and (name[0] not in "'\"" or (name[-1] == name[0] and name[1:-1].strip())):
            return 1, unquote(name), ""
    skip = blanks(line)
    closers = _closers(line, skip)
    opened = [0]
    while line.startswith("[", start := skip[opened[-1] + 1]):
        opened.append(start)
    end = _name_end(line, start, skip, closers)
    seen = len(line)
    while not end and len(opened) > 1:  # a bracket may be the first sign of a name, too
        start = opened.pop()
        end = next((at for at in range(start + 1, seen) if closers[at]), 0)
        seen = start + 1
    if not end:
        return None
    if len(opened) != closers[end]:
        raise BadValue("Cannot compute the section depth")
    comment = line.find("#", _behind(line, end, skip))
    return len(opened), unquote(line[start:end]), line[comment:] if comment >= 0 else ""


def _closers(line: str, skip: list[int]) -> list[int]:
    """How many brackets close a section from each place on, when only a comment follows them."""
    found = [0] * (len(line) + 2)
    for at in range(len(line) - 1, -1, -1):
        close = skip[at]
        if close > at:
            found[at] = found[close]
        elif line[at] == "]":
            last = is_comment(line, skip[at + 1])
            found[at] = 1 if last else found[at + 1] and found[at + 1] + 1
    return found


def _behind(line: str, at: int, skip: list[int]) -> int:
    """The place behind the brackets that close a section."""
    while line.startswith("]", skip[at]):
        at = skip[at] + 1
    return at


def _name_end(line: str, start: int, skip: list[int], closers: list[int]) -> int:
    """Where the name of a section that starts here ends; 0 when it cannot."""
    mark = line[start : start + 1]
    if mark not in ("'", '"'):
        return next((at for at in range(start + 1, len(line)) if closers[at]), 0)
    end = line.find(mark, skip[start + 1] + 1)
    while end >= 0 and not closers[end + 1]:
        end = line.find(mark, end + 1)
    return end + 1


def _entered(path: tuple[str, ...], depth: int, name: str, root: Tree) -> tuple[str, ...]:
    """The path of a section that opens at a depth while path is open; makes it in root."""
    if depth > len(path) + 1:
        raise BadValue("Section too nested")
    parent = path[: depth - 1]
    holder = _at(root, parent)
    if name in holder:
        raise BadValue("Duplicate section name")
    holder[name] = {}
    return (*parent, name)


def _at(root: Tree, path: tuple[str, ...]) -> Tree:
    for name in path:
        root = root[name]
    return root


def _split(line: str) -> tuple[str, str]:
    """(key, text of the value) of an option's line."""
    body = line.lstrip()
    lead = line[: len(line) - len(body)]
    quoted = body[0] in "'\""
    if quoted:
        end = body.find(body[0], 1)
        skip = blanks(body) if end > 0 else []
        while end > 0:
            if body.startswith("=", equals := skip[end + 1]):
                return body[1:end], body[equals + 1 :].lstrip()
            end = body.find(body[0], end + 1)
    key, sign, text = body.partition("=")
    if quoted or not key:
        # A key may begin with a blank when nothing else makes it a key; ConfigObj reads it so.
        key = lead[-1:] + key
    if not sign or not key or (quoted and not lead):
        shown = line if body.split()[0].lower() not in SECRETS else f"{body.split()[0]} ***"
        raise BadValue(f"Invalid line ({shown!r}) (matched as neither section nor keyword)")
    return key.rstrip() or key[0], text.lstrip()


def _value(text: str, lines: list[str], at: int) -> tuple[str | list[str], int, str]:
    """(value, its last line, comment) of the text behind `=`."""
    if is_plain(text):
        return text.rstrip(), at, ""
    if text[:3] not in ('"""', "'''"):
        value, comment = scan_value(text)
        return value, at, comment
    return _long_value(text[:3], text[3:], lines, at)


def _long_value(mark: str, body: str, lines: list[str], at: int) -> tuple[str, int, str]:
    """The rest of a value in triple quotes, which may take several lines."""
    if closed := _closed(body, mark):
        return closed[0], at, closed[1]
    wrong = BadValue("Parse error in multiline value")
    if mark in body:
        raise wrong
    for end in range(at + 1, len(lines)):
        if mark in lines[end]:
            if closed := _closed(lines[end], mark):
                return "\n".join([body, *lines[at + 1 : end], closed[0]]), end, closed[1]
            raise wrong
    raise wrong


def _closed(text: str, mark: str) -> tuple[str, str] | None:
    """(value, comment) when text ends a triple-quoted value."""
    end = text.find(mark)
    skip = blanks(text) if end >= 0 else []
    while end >= 0:
        if is_comment(text, skip[end + 3]):
            return text[:end], text[end + 3 :].strip()
        end = text.find(mark, end + 1)
    return None
