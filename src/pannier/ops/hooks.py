"""install: Git hooks that call us, and the entries of the pre-commit tool.

Source: docs/formats.md, section 19.
"""

from __future__ import annotations

import os
import shlex

from pannier import DVC_LEVEL
from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.reading import read_small, unreadable
from pannier.formats import yamlio
from pannier.formats.oplog import HooksChange
from pannier.git.repo import GitRepo
from pannier.project.hook_files import HOOKS, write_hooks
from pannier.project.recording import Recording

_TOOL_REPOSITORY = "https://github.com/treeverse/dvc"


def install_merge_drivers(git: GitRepo, root: str) -> None:
    """Tells Git how to merge files with the attributes `merge=dvc` and `merge=dvc-lock`.

    The first is DVC's own, word for word. The second is ours, and under our program's name: DVC
    has no driver for lock files (decision 50). root: the project's; below the repository's top,
    where Git calls the drivers, they are told to go there first.
    """
    inside = os.path.relpath(root, git.root).replace("%", "%%")
    words = {"dvc": "dvc", "dvc-lock": "pannier"}
    for driver, program in words.items():
        if inside == ".":
            command = f"{program} git-hook merge-driver --ancestor %O --our %A --their %B "
        else:
            command = (
                f"{program} --cd {shlex.quote(inside)} git-hook merge-driver"
                ' --ancestor "$PWD/%O" --our "$PWD/%A" --their "$PWD/%B"'
            )
        what = "DVC merge driver" if driver == "dvc" else "Pannier merge driver for dvc.lock"
        git.config_set(f"merge.{driver}.name", what)
        git.config_set(f"merge.{driver}.driver", command)


def install_hooks(git: GitRepo, recording: Recording | None) -> list[str]:
    """Writes the three hooks where Git looks for them; returns their paths. All or none.

    Git says where: core.hooksPath, linked work trees and submodules have other places than
    `.git/hooks`.
    """
    folder = git.hooks_dir()
    paths = {name: os.path.join(folder, name) for name in HOOKS}
    for name, path in paths.items():
        if os.path.lexists(path):
            raise PannierError(
                f"Hook '{name}' already exists. Please refer to <https://man.dvc.org/install> for"
                " more info.",
                hint=f'call us from it: dvc git-hook {name} "$@"',
            )
    if recording is not None:
        recording.hooks(HooksChange(HOOKS, placed=True))
    write_hooks(folder, HOOKS)
    return list(paths.values())


def add_to_pre_commit_tool(root: str) -> str:
    """Adds our hooks to `.pre-commit-config.yaml`; returns its path. Nothing if they are there."""
    path = os.path.join(root, ".pre-commit-config.yaml")
    entry = _tool_entry()
    before = _read(path)

    def change(document: Any) -> None:
        repositories = document.setdefault("repos", [])
        if entry not in repositories:
            repositories.append(entry)

    if not before or yamlio.load(before, path) is None:
        after = yamlio.dump({"repos": [entry]})
    else:
        after = yamlio.edit(before, change, path)
    if after != before:
        fsio.write_atomic(path, after)
    return path


def _tool_entry() -> dict[str, Any]:
    hooks: list[dict[str, Any]] = [
        {
            "id": f"dvc-{stage}",
            "additional_dependencies": [".[all]"],
            "language_version": "python3",
            "stages": [stage],
        }
        for stage in ("pre-commit", "pre-push", "post-checkout")
    ]
    hooks[-1]["always_run"] = True
    return {"repo": _TOOL_REPOSITORY, "rev": DVC_LEVEL, "hooks": hooks}


def _read(path: str) -> bytes | None:
    try:
        return read_small(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(error, path) from None
