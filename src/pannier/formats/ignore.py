"""What `.dvcignore` files leave out, and the lines that DVC keeps in `.gitignore` files.

Source: docs/formats.md, section 14.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from pannier.core.errors import InvalidFile
from pannier.core.path import is_within
from pannier.core.pattern import pattern
from pannier.core.record import dataclass, replace

NAME = ".dvcignore"

_ANYWHERE = "(?:.+/)?"

_LINE_END = pattern(r"\r\n|\r|\n")
_SPECIAL = pattern(r"[*?\[\]\\]")
# Patterns whose meaning needs no library: words with single stars and question marks.
_SIMPLE = pattern(r"/?(?:[\w.@+=%,~ -]|\*(?!\*)|\?)+(?:/(?:[\w.@+=%,~ -]|\*(?!\*)|\?)+)*/?\Z")


@dataclass(frozen=True, slots=True)
class _Rule:
    """One pattern. regex: matches paths from the root, a directory's with a slash at its end.

    group: the same for neighbours that are not negated and equally for directories only.
    prefix: the directory that all matches are in, or are themselves.
    """

    regex: str
    negated: bool
    dirs_only: bool
    group: int
    origin: str
    line: int
    pattern: str
    prefix: str


class IgnoreRules:
    """The `.dvcignore` files of one tree, those of outer directories first. A value.

    Matching is what DVC 3.67.1 does, because the digest of a tracked directory depends on it: the
    last pattern that matches a path, or a directory that it lies in, decides, and what lies in an
    ignored directory stays ignored. So `!sub` also takes back what other patterns ignore inside
    `sub`, which Git does not do; `!sub/` does not. `.git`, `.hg/` and `.dvc/` are always ignored.
    """

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        """files: (root-relative directory, text of its `.dvcignore`).

        Raises InvalidFile for a pattern that means nothing; DVC does not start with one either.
        """
        ordered = sorted(files, key=lambda item: item[0].count("/") + bool(item[0]))
        self._rules: list[_Rule] = []
        self._forget()
        for directory, text in ordered:
            # An ignored file of patterns counts for nothing.
            if directory and self.matches(f"{directory}/{NAME}", False):
                continue
            for rule in _rules(directory, text):
                last = self._rules[-1] if self._rules else rule
                alike = last.dirs_only == rule.dirs_only and not (last.negated or rule.negated)
                self._rules.append(replace(rule, group=last.group + (not alike)))
            self._forget()

    def _forget(self) -> None:
        self._compiled: dict[bool, list[tuple[re.Pattern[str], bool]]] = {}
        self._known: dict[str, bool] = {"": False}

    def active(self, directory: str) -> bool:
        """False when no pattern of a user can match below directory, so nobody need ask.

        The three names that are always ignored are then the walker's own business.
        """
        return any(
            is_within(rule.prefix, directory) or is_within(directory, rule.prefix)
            for rule in self._rules
        )

    def matches(self, path: str, is_dir: bool) -> bool:
        """Tells whether a root-relative path is ignored, itself or by a directory above it."""
        return self._ignores_directory(path.rpartition("/")[0]) or self._decide(path, is_dir)

    def explain(self, path: str, is_dir: bool) -> tuple[str, int, str] | None:
        """The pattern that decides about path: (its file, line, pattern), or None.

        It may be a negated one; then path is not ignored. Of neighbours that say the same the
        first is named, and of those for a directory one that does not need its slash, as DVC
        does. ('', 0, pattern) for a built-in name.
        """
        found, path = self._matching(path, is_dir)
        deciding = [rule for rule in found if rule.group == found[-1].group]
        exact = [rule for rule in deciding if re.match(rule.regex, path, re.DOTALL)]
        return _shown((exact or deciding)[0]) if found else None

    def explain_all(self, path: str, is_dir: bool) -> list[tuple[str, int, str]]:
        """All patterns that match path, in order; if a directory above is ignored, that one's."""
        return [_shown(rule) for rule in self._matching(path, is_dir)[0]]

    def _ignores_directory(self, directory: str) -> bool:
        known = self._known.get(directory)
        if known is None:
            known = self._known[directory] = self.matches(directory, True)
        return known

    def _decide(self, path: str, is_dir: bool) -> bool:
        if _built_in(path, is_dir):
            return True
        text = path + "/" if is_dir else path
        for regex, negated in self._groups(is_dir):
            if regex.match(text):
                return not negated
        return False

    def _matching(self, path: str, is_dir: bool) -> tuple[list[_Rule], str]:
        """The rules that match path, or the first ignored directory above it; and which it is."""
        parts = path.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if self._decide(above, True):
                path, is_dir = above, True
                break
        built_in = _built_in(path, is_dir)
        if built_in:
            return [_Rule("", False, False, 0, "", 0, built_in, "")], path
        text = path + "/" if is_dir else path
        return [
            rule
            for rule in self._rules
            if (is_dir or not rule.dirs_only) and re.match(rule.regex, text, re.DOTALL)
        ], path

    def _groups(self, is_dir: bool) -> list[tuple[re.Pattern[str], bool]]:
        """The last patterns first, neighbours of one kind as one regular expression."""
        known = self._compiled.get(is_dir)
        if known is None:
            rules = [rule for rule in reversed(self._rules) if is_dir or not rule.dirs_only]
            known = self._compiled[is_dir] = [
                (_one_of([rule.regex for rule in each]), negated)
                for negated, each in groupby(rules, key=lambda rule: rule.negated)
            ]
        return known


def _shown(rule: _Rule) -> tuple[str, int, str]:
    return rule.origin, rule.line, rule.pattern


def _one_of(regexes: list[str]) -> re.Pattern[str]:
    """One regular expression for many; what starts anywhere is looked for in one go."""
    loose = [regex[len(_ANYWHERE) :] for regex in regexes if regex.startswith(_ANYWHERE)]
    parts = [regex for regex in regexes if not regex.startswith(_ANYWHERE)]
    if loose:
        parts.append(f"{_ANYWHERE}(?:{'|'.join(loose)})")
    return re.compile("|".join(parts), re.DOTALL)


def _built_in(path: str, is_dir: bool) -> str | None:
    name = path.rpartition("/")[2]
    if name == ".git":
        return ".git"
    return name + "/" if is_dir and name in (".hg", ".dvc") else None


def _rules(directory: str, text: str) -> Iterable[_Rule]:
    origin = f"{directory}/{NAME}" if directory else NAME
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), 1):
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated = pattern.startswith("!")
        body = pattern[1:] if negated else pattern
        anchored = "/" in body[:-1]
        try:
            regex = _regex(directory, body, anchored)
        except ValueError:
            raise InvalidFile(
                origin, f"the pattern {pattern!r} has no meaning", line=number, text=line
            ) from None
        if regex is not None:
            prefix = _literal_prefix(directory, body) if anchored else directory
            dirs_only = body.endswith("/")
            yield _Rule(regex, negated, dirs_only, 0, origin, number, pattern, prefix)


def _regex(directory: str, body: str, anchored: bool) -> str | None:
    """The pattern's regular expression; None when it matches nothing. ValueError for nonsense."""
    if not body:
        raise ValueError
    if not body.strip("/"):
        return None
    simple = _simple_regex(directory, body, anchored)
    if simple is not None:
        return simple
    regex = _library_regex(_from_root(directory, body, anchored))
    # A nested file says nothing about its own directory, not even with `**`.
    return f"(?={re.escape(directory)}/.){regex}" if directory and regex else regex


def _from_root(directory: str, body: str, anchored: bool) -> str:
    """The pattern of a nested file as one of the root's. Source: docs/formats.md, 14.1."""
    if not directory:
        return "\\" + body if body[0] in "!#" else body
    where = _SPECIAL.sub(r"\\\g<0>", directory)
    return f"/{where}/{body.removeprefix('/')}" if anchored else f"/{where}/**/{body}"


def _simple_regex(directory: str, body: str, anchored: bool) -> str | None:
    """The regular expression of a pattern without `**`, sets and escapes; None for others.

    A lone star in the root's file goes to the library: DVC lets it mean something of its own.
    """
    if not _SIMPLE.match(body) or (not directory and body in ("*", "*/")):
        return None
    parts = body.strip("/").split("/")
    inner = "/".join("[^/]+" if part == "*" else _segment(part) for part in parts)
    end = "/" if body.endswith("/") else r"(?:/|\Z)"
    if anchored:
        return (re.escape(directory) + "/" if directory else "") + inner + end
    return (re.escape(directory) + "(?:/.+)?/" if directory else _ANYWHERE) + inner + end


def _segment(part: str) -> str:
    """One part of a pattern. What stands between two stars is taken where it comes first, once and
    for all: trying every way to divide a long name among many stars would take for ever."""
    first, *pieces = [re.escape(piece).replace(r"\?", "[^/]") for piece in part.split("*")]
    if not pieces:
        return first
    between = "".join(f"(?>[^/]*?{piece})" for piece in pieces[:-1])
    return f"{first}{between}[^/]*{pieces[-1]}"


def _library_regex(pattern: str) -> str | None:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    regex, _ = GitIgnoreSpecPattern.pattern_to_regex(pattern)
    # A name may occur once in an expression only, and these become parts of a big one.
    return None if regex is None else re.sub(r"\(\?P<\w+>", "(?:", regex.removeprefix("^"))


def _literal_prefix(directory: str, body: str) -> str:
    """The directory of an anchored pattern as far as it is spelled out."""
    parts = [directory] if directory else []
    for part in body.strip("/").split("/"):
        if _SPECIAL.search(part) or not part:
            break
        parts.append(part)
    return "/".join(parts)


def gitignore_entry(name: str) -> str:
    """The line that makes Git ignore `name` beside the `.gitignore`: `/name`, escaped.

    DVC escapes `[]!*#?` and no more; a backslash and a blank at the end need it too, or Git does
    not ignore the file. A line break cannot be written: any one character stands for it.
    """
    escaped = re.sub(r"[\[\]!*#?\\]", r"\\\g<0>", name)
    if escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return "/" + re.sub(r"[\r\n]", "?", escaped)


def add_entry(text: bytes | None, entry: str) -> bytes | None:
    """A `.gitignore` with the entry at its end, or None when it holds it. text None: no file."""
    line = _encoded(entry)
    if text is None:
        return line + b"\n"
    if line in (known.rstrip(b"\r") for known in text.split(b"\n")):
        return None
    gap = b"" if not text or text.endswith(b"\n") else b"\n"
    return text + gap + line + b"\n"


def remove_entry(text: bytes, name: str) -> bytes | None:
    """A `.gitignore` without the lines for name; None when nothing is left of it.

    Both spellings go: DVC removes `/name` as it is, without its own escapes, so that entries with
    special characters stayed for ever.
    """
    entries = {_encoded("/" + name), _encoded(gitignore_entry(name))}
    kept = [
        line
        for line in text.splitlines(keepends=True)
        if line.strip() not in entries and line.rstrip(b"\r\n") not in entries
    ]
    return b"".join(kept) or None


def _encoded(entry: str) -> bytes:
    return entry.encode("utf-8", "surrogateescape")
