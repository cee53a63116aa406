"""Charts as pictures: SVG and PNG, drawn by vl-convert without a browser and without a network.

A specification may come with a cloned repository, so it draws from its own rows and nothing else:
neither drawing a picture nor looking at it opens an address or a file (docs/durability.md, D6).
"""

from __future__ import annotations

import contextlib
import json
import marshal
import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from pannier.core.errors import PannierError
from pannier.core.pattern import pattern
from pannier.core.plot_errors import BadTemplate, PlotError
from pannier.core.typed import Any
from pannier.disk.messages import read_message, write_message
from pannier.formats.plot_templates import Spec
from pannier.project.chart_worker import ABSENT, REFUSED

PNG, SVG = "png", "svg"
_SVG_NAME = "{http://www.w3.org/2000/svg}"
_REFERENCE = pattern(r"url\(\s*['\"]?(?!#)")
_NO_XML = pattern("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for (its rule 2): vl-convert ends the whole process over it."""
_HALF_A_CHARACTER = "Failed to deserialize text info"
"""What vl-convert says of a text that is no Unicode."""
_LONGEST_TEXT = 1000
"""Characters of a text that are drawn, far more than a label shows: each costs time to measure."""
_PROGRAMS = frozenset(
    {"calculate", "expr", "filter", "labelExpr", "signal", "test", "update", "url", "values"}
)
"""Keys whose texts are no use in parts: expressions, addresses, tables written as one text."""
_HREFS = ("href", "{http://www.w3.org/1999/xlink}href")


class _Ended(Exception):
    """The process that draws ended over what it was to draw."""


class Drawer:
    """Draws specifications, in a process of its own. Use as a context manager. Raises PannierError,
    with a hint, when vl-convert is not installed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def __enter__(self) -> Drawer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def draw(self, name: str, spec: Spec, form: str) -> bytes:
        """The picture of a specification. name: of the plot, for messages. Raises PlotError."""
        for address in _addresses(spec):
            raise _reaches_out(name, address)
        try:
            svg: str = self._ask(SVG, _text(_drawable(spec)))
            tree = ElementTree.fromstring(svg)
        except ValueError as error:
            if _HALF_A_CHARACTER in str(error):
                raise _beyond(name) from None
            raise BadTemplate(f"'{name}' cannot be drawn: {_reason(error)}") from None
        except (_Ended, ElementTree.ParseError):
            raise _beyond(name) from None
        # What loads the pictures of an SVG asks for no leave: see to it that there are none.
        for address in _references(tree):
            raise _reaches_out(name, address)
        if _is_blank(tree):
            raise BadTemplate(f"'{name}' cannot be drawn: nothing of its template can be seen")
        if form == SVG:
            return svg.encode()
        try:
            png: bytes = self._ask(PNG, svg)
        except (_Ended, ValueError):
            raise _beyond(name) from None
        return png

    def _ask(self, operation: str, text: str) -> Any:
        """Raises ValueError with what the library said, _Ended."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            try:
                write_message(process.stdin.fileno(), marshal.dumps((operation, text)))
                data = read_message(process.stdout.fileno())
            except BrokenPipeError:
                data = None
        except BaseException:
            process.kill()
            self._stop()
            raise
        if data is None:
            self._stop()
            raise _Ended
        how, answer = marshal.loads(data)
        if how == REFUSED:
            raise ValueError(answer)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            "from pannier.project import chart_worker; chart_worker.serve()"
        )
        process = self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where it fails we say so, in one sentence
            bufsize=0,
        )
        assert process.stdout is not None
        data = read_message(process.stdout.fileno())
        if data is None or marshal.loads(data)[0] == ABSENT:
            self._stop()
            raise PannierError(
                "to draw plots as pictures, vl-convert is needed, which is not installed",
                hint="pip install 'pannier[plots]'",
            )
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()
            process.wait()


def _beyond(name: str) -> PlotError:
    return BadTemplate(
        f"'{name}' cannot be drawn: its template makes something that vl-convert gives up on",
        hint="let a browser draw it: --format html",
    )


def _reaches_out(name: str, address: str) -> PlotError:
    return BadTemplate(
        f"'{name}' would load '{address}', and a picture is drawn from the data of its plot only",
        hint="leave addresses out of its template, or let a browser draw it: --format html",
    )


def _addresses(value: Any) -> Iterator[str]:
    """Where a specification says that data lies; its own rows are not looked at."""
    if isinstance(value, list):
        for item in value:
            yield from _addresses(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "data" and isinstance(item, dict):
                if "url" in item:
                    yield str(item["url"])
            elif key not in ("values", "datasets"):
                yield from _addresses(item)


def _is_blank(tree: ElementTree.Element) -> bool:
    """Vega draws nothing at all, and does not fail, when one of its steps failed."""
    shown = (node.get("class", "") for node in tree.iter())
    return not any("role-" in name and "role-frame" not in name for name in shown)


def _references(tree: ElementTree.Element) -> Iterator[str]:
    """What is shown with an SVG and lies outside of it. Links that a reader may follow are none."""
    for element in tree.iter():
        shown = element.tag != f"{_SVG_NAME}a"
        for key, value in element.attrib.items():
            if key in _HREFS:
                if shown and not value.startswith(("data:", "#")):
                    yield value
            elif not key.startswith("aria-") and _REFERENCE.search(value):
                yield value


def _drawable(value: Any, whole: bool = False, in_rows: bool = False) -> Any:
    """The same with texts that can be drawn. whole: they are not cut."""
    if isinstance(value, str):
        if not whole and len(value) > _LONGEST_TEXT and not value.startswith("data:"):
            value = f"{value[:_LONGEST_TEXT]}\u2026"
        return _in_xml(value)
    if isinstance(value, list):
        return [_drawable(item, whole and not in_rows, in_rows) for item in value]
    if isinstance(value, dict):
        return {
            _in_xml(key): _drawable(
                item, not in_rows and key in _PROGRAMS, in_rows or key in ("values", "datasets")
            )
            for key, item in value.items()
        }
    return value


def _in_xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _text(spec: Spec) -> str:
    try:
        return json.dumps(spec, allow_nan=False)
    except ValueError:  # JSON has no word for them; in a chart they are gaps
        return json.dumps(_finite(spec))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def _reason(error: Exception) -> str:
    """What is said, without who says it and where in its program."""
    lines = [line.strip() for line in str(error).splitlines()]
    found = lines[1] if len(lines) > 1 else lines[0]
    return found.removeprefix("Error: ")
