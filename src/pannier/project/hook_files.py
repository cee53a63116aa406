"""Our Git hooks as files: writing them, and knowing them again (docs/formats.md, section 19)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from pannier.disk import fsio
from pannier.disk.reading import read_small

HOOKS = ("post-checkout", "pre-commit", "pre-push")


def write_hooks(folder: str, names: Iterable[str]) -> None:
    """folder: where Git looks for them."""
    shell = shutil.which("sh") or "/bin/sh"
    fsio.make_dirs(folder)
    for name in names:
        text = f"#!{shell}\n{_call_of(name)}"
        # DVC makes them writable for everybody: what anybody may change, Git then runs as us.
        fsio.write_atomic(os.path.join(folder, name), text.encode(), mode=0o755)


def remove_hooks(folder: str, names: Iterable[str]) -> None:
    """Removes those that are ours."""
    for name in names:
        if is_ours(folder, name):
            fsio.unlink(os.path.join(folder, name))


def is_ours(folder: str, name: str) -> bool:
    """True when a hook is there and does nothing but call us."""
    try:
        first, _, rest = read_small(os.path.join(folder, name)).partition(b"\n")
    except OSError:
        return False
    return name in HOOKS and first.startswith(b"#!") and rest == _call_of(name).encode()


def _call_of(name: str) -> str:
    return f"exec dvc git-hook {name} $@\n"
