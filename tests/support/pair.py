"""Two projects alike, real DVC's and ours, for what the two programs do otherwise on purpose.

Nothing is compared here: each test says what is to differ (see `twins` for what may not).
"""

from __future__ import annotations

from collections.abc import Callable

from tests.support.programs import Completed
from tests.support.project import Project

Pair = tuple[Project, Project]
"""Real DVC's, ours."""


def both(pair: Pair, prepare: Callable[[Project], object]) -> None:
    for project in pair:
        prepare(project)


def run(pair: Pair, *args: str) -> list[Completed]:
    return [project.dvc(*args, check=False) for project in pair]


def there(pair: Pair, path: str) -> list[bool]:
    return [(project.root / path).exists() for project in pair]


def text(pair: Pair, path: str) -> list[str]:
    return [(project.root / path).read_text() for project in pair]


def add(project: Project, *files: str) -> None:
    """Tracks files that hold their own names."""
    for file in files:
        project.write(file, f"{file}\n")
        project.dvc("add", file)
