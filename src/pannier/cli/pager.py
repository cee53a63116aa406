"""A pager for pictures and tables that are bigger than a terminal, as DVC chooses it.

DVC_PAGER, else PAGER, else `less`; only where a person looks at a terminal.
"""

from __future__ import annotations

import os

from pannier.cli.context import Context

_LESS = "less --RAW-CONTROL-CHARS --chop-long-lines"
_ONCE = " --quit-if-one-screen --no-init"


def page(ctx: Context, text: str) -> None:
    """Writes a result, by the pager when there is somebody to turn its pages."""
    if ctx.ui.quiet or not ctx.ui.is_terminal:
        ctx.ui.write(text)
        return
    import subprocess

    chosen = os.environ.get("DVC_PAGER") or os.environ.get("PAGER") or "less"
    if chosen == "less":
        chosen = _LESS if os.environ.get("LESS") else _LESS + _ONCE
    ctx.ui.flush()
    shown = (ctx.ui.mask(text, result=True) + "\n").encode("utf-8", "surrogateescape")
    pager = subprocess.Popen(chosen, shell=True, stdin=subprocess.PIPE)
    try:
        pager.communicate(shown)
    except BrokenPipeError:
        pass
    except KeyboardInterrupt:
        pager.wait()  # it answers Ctrl-C itself
    if pager.returncode == 127:  # the shell does not find it
        ctx.ui.write(text)
