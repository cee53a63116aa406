"""`get_dataset`: where the data of a data set lies, as it was recorded."""

from __future__ import annotations

import os
from contextlib import closing

from pannier.core.typed import Any
from pannier.project.datasets import described
from pannier.project.project import open_project


def get_dataset(name: str) -> dict[str, Any]:
    """A data set of the project around the working folder, by its name in `dvc.yaml`.

    Of a Git repository {"type": "dvc", "url", "path", "sha"}; of another place {"type": "url",
    "path", "files"}, the addresses of all and of each file, which name its version where there are
    versions. Raises DatasetNotFoundError, a KeyError; ValueError for one that is not recorded as
    `dvc.yaml` has it; NotInProject.
    """
    with closing(open_project(os.getcwd())) as project:
        return described(project, name)
