"""Errors of plots; part of the tree in pannier.core.errors.

Tools read the names that DVC gives to such errors in its JSON: `name` is that.
"""

from __future__ import annotations

from collections.abc import Iterable

from pannier.core.errors import PannierError


class PlotError(PannierError):
    """A plot that cannot be drawn as it was asked for."""

    name = "DvcException"


class NotPlottable(PlotError):
    """A file whose ending is that of no kind of data."""

    name = "PlotMetricTypeError"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"'{path}' - file type error\nOnly JSON, YAML, CSV and TSV formats are supported."
        )


class FieldMissing(PlotError):
    """A column that a plot names and that its data does not have. found: those it has."""

    name = "FieldNotFoundError"

    def __init__(self, field: str, found: Iterable[object]) -> None:
        shown = ", ".join(map(str, found))
        super().__init__(f"Could not find provided field ('{field}') in data fields ('{shown}').")


class TemplateMissing(PlotError):
    name = "TemplateNotFoundError"

    def __init__(self, template: str) -> None:
        super().__init__(
            f"Template '{template}' not found.",
            hint="'dvc plots templates' names those that are built in; your own are in .dvc/plots/",
        )


class BadTemplate(PlotError):
    name = "BadTemplateError"
