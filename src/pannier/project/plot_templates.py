"""Where plot templates come from: the project's own folder, a file, or those built in."""

from __future__ import annotations

import os

from pannier.core.plot_errors import BadTemplate, TemplateMissing
from pannier.disk import fsio
from pannier.disk.reading import read_small
from pannier.formats.plot_templates import TEMPLATES, Spec
from pannier.formats.values import load_json
from pannier.project.project import Project


def find_template(project: Project, name: str, cwd: str) -> Spec:
    """The template of that name. cwd: absolute; paths start there.

    Raises TemplateMissing, BadTemplate, InvalidFile, DiskError.
    """
    own = f"{project.dvc_dir}/plots/{name}"
    for path in (own, f"{os.path.splitext(own)[0]}.json", os.path.join(cwd, name)):
        if os.path.isfile(path):
            return _read(path)
    if name not in TEMPLATES:
        raise TemplateMissing(name)
    return TEMPLATES[name]()


def _read(path: str) -> Spec:
    try:
        data = read_small(path)
    except OSError as error:
        fsio.fail(error, path)
    found = load_json(data, path)
    if not isinstance(found, dict):
        raise BadTemplate(f"'{path}' is no template: expected a dictionary")
    return found
