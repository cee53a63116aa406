"""A project in the other work trees of its Git repository."""

from __future__ import annotations

import os

from pannier.git.locate import other_work_trees
from pannier.project.project import Project


def in_other_work_trees(project: Project) -> list[str]:
    """Where other work trees of the repository have this project: absolute folders."""
    if project.git is None:
        return []
    inner = os.path.relpath(os.path.realpath(project.root), project.git.root)
    trees = other_work_trees(project.git.root, project.git.common_dir)
    places = (os.path.normpath(os.path.join(tree, inner)) for tree in trees)
    return [place for place in places if os.path.isdir(f"{place}/.dvc")]
