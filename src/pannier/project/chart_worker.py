"""The process in which vl-convert draws: some texts that a template makes end the process they are
drawn in, and none of its errors can be caught then.

It takes its calls on stdin and answers on stdout, until stdin closes; see
pannier.project.chart_images.
"""

from __future__ import annotations

import importlib
import marshal
import os
import signal

from pannier.core.typed import Any
from pannier.disk.messages import read_message, write_message

_LANGUAGE = "5."  # the version of Vega-Lite that templates are written in, as on our pages
_SCALE = 2.0
"""Pixels of a PNG for each unit of length: 1 is blurred on most of today's screens."""

DONE, REFUSED, ABSENT = "done", "refused", "absent"


def serve() -> None:
    """The life of the process. The first answer says whether vl-convert is there; each later one
    is (DONE, what was drawn) or (REFUSED, why)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sink = os.dup(1)
    os.dup2(2, 1)  # whatever the library prints
    try:
        library: Any = importlib.import_module("vl_convert")
    except ImportError:
        write_message(sink, marshal.dumps((ABSENT, "")))
        return
    known = [str(name) for name in library.get_vegalite_versions()]
    version = ([name for name in known if name.startswith(_LANGUAGE)] or known)[-1]
    write_message(sink, marshal.dumps((DONE, "")))
    while (data := read_message(0)) is not None:
        operation, text = marshal.loads(data)
        try:
            if operation == "svg":
                drawn: Any = library.vegalite_to_svg(text, vl_version=version, allowed_base_urls=[])
            else:
                drawn = library.svg_to_png(text, scale=_SCALE)
        except ValueError as error:
            write_message(sink, marshal.dumps((REFUSED, str(error))))
        else:
            write_message(sink, marshal.dumps((DONE, drawn)))
