"""`import dvc.api` is ours where real DVC is not installed, and real DVC's wherever it is."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support.programs import REPOSITORY, oracle_path, run

SOURCE = REPOSITORY / "src"
WHO = "import dvc.api; print(dvc.api.__file__); import dvc.exceptions as e; print(e.__file__)"


def test_our_part_of_the_package_is_one_file_that_real_dvc_does_not_have() -> None:
    ours = {path.name for path in (SOURCE / "dvc").iterdir() if path.name != "__pycache__"}

    assert {"api.py"} == ours
    assert not (real_package() / "api.py").exists()


def real_package() -> Path:
    python = oracle_path().with_name("python")
    (path,) = run([python, "-c", "import dvc; print(dvc.__path__[0])"], check=True).lines
    return Path(path)


def test_it_is_ours_where_only_ours_is_installed(tmp_path: Path) -> None:
    program = (
        "import dvc.api, pannier.api\n"
        "from dvc.exceptions import DvcException, PathMissingError, NotDvcRepoError\n"
        "from dvc.scm import RevError, CloneError\n"
        "from dvc.config import RemoteNotFoundError\n"
        "print(dvc.api.open is pannier.api.open)\n"
        "try: dvc.api.read('x')\n"
        "except NotDvcRepoError as error: print(isinstance(error, DvcException))\n"
        "try: dvc.api.exp_show\n"
        "except AttributeError as error: print(error)\n"
    )

    done = run([sys.executable, "-c", program], cwd=tmp_path, check=True)

    assert ["True", "True", "module 'pannier.api' has no attribute 'exp_show'"] == done.lines


@pytest.mark.parametrize("order", ["ours first", "one folder"])
def test_it_is_real_dvcs_where_that_is_installed_too(tmp_path: Path, order: str) -> None:
    """Ours first on the path; and both in one site-packages, as pip would put them there."""
    folder = SOURCE
    if order == "one folder":
        folder = tmp_path
        shared = tmp_path / "dvc"
        shared.mkdir()
        for path in real_package().iterdir():
            (shared / path.name).symlink_to(path)
        (shared / "api.py").symlink_to(SOURCE / "dvc" / "api.py")
        (tmp_path / "pannier").symlink_to(SOURCE / "pannier")

    python = oracle_path().with_name("python")
    done = run([python, "-c", WHO], env={"PYTHONPATH": str(folder)}, check=True)

    assert ["dvc/api/__init__.py", "dvc/exceptions.py"] == [
        "/".join(line.split("/")[-len(end.split("/")) :])
        for line, end in zip(done.lines, ("dvc/api/__init__.py", "dvc/exceptions.py"), strict=True)
    ]


def test_fsspec_knows_the_file_system_by_the_name_that_dvc_has_for_it() -> None:
    found = entry_points(group="fsspec.specs")["dvc"]

    assert "dvc.api:DVCFileSystem" == found.value


def test_the_import_costs_next_to_nothing() -> None:
    """No third party, none of the program but the errors' names when they are asked for."""
    program = (
        "import sys; before = set(sys.modules); import dvc.api; "
        "print(*sorted(set(sys.modules) - before))"
    )

    done = run([sys.executable, "-S", "-c", program], env={"PYTHONPATH": str(SOURCE)}, check=True)

    expected = {
        "dvc",
        "dvc.api",
        "dvc.config",
        "dvc.exceptions",
        "dvc.scm",
        "pannier",
        "pannier.api",
    }
    ours = {name for name in done.stdout.split() if name.startswith(("dvc", "pannier"))}
    assert expected == ours
    assert len(done.stdout.split()) <= 25, done.stdout
