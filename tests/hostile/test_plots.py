"""A cloned project that defines plots decides nothing outside of itself (D6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.wanted import is_wanted


@pytest.fixture
def plotted(project: Project) -> Project:
    project.write("dvc.yaml", "plots: [a.json, p.png]\n")
    project.write("a.json", '[{"x": 1, "</script><script>evil()": 2}]')
    project.write("p.png", b"PNG")
    return project


def test_plots_are_written_within_the_project_unless_the_user_says_where(
    plotted: Project, tmp_path: Path
) -> None:
    assert is_wanted("plots-within")
    outside = tmp_path / "outside"
    outside.mkdir()
    (plotted.root / "dvc_plots").symlink_to(outside)

    refused = plotted.dvc("plots", "show", check=False)
    (plotted.root / "dvc_plots").unlink()
    plotted.dvc("config", "plots.out_dir", "../outside")
    refused_too = plotted.dvc("plots", "show", "--json", check=False)

    assert (1, 1) == (refused.rc, refused_too.rc)
    assert "within itself" in refused.stderr
    assert [] == list(outside.iterdir())
    plotted.dvc("plots", "show", "-o", "../outside")
    assert ["index.html", "static"] == sorted(path.name for path in outside.iterdir())


def test_no_link_in_the_folder_of_plots_is_followed(plotted: Project, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    plotted.write("dvc_plots/static/x", "")
    for name in ("index.html", "static/workspace_p.png"):
        (plotted.root / "dvc_plots" / name).symlink_to(victim)

    plotted.dvc("plots", "show")

    assert "mine" == victim.read_text()
    assert b"PNG" == (plotted.root / "dvc_plots/static/workspace_p.png").read_bytes()


def test_a_project_opens_no_browser(
    plotted: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path / "opened"}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    plotted.dvc("config", "plots.auto_open", "true")

    plotted.dvc("plots", "show")
    assert not (tmp_path / "opened").exists()

    shown = plotted.dvc("plots", "show", "--open")
    assert (tmp_path / "opened").read_text() == shown.lines[0] + "\n"


def test_names_of_columns_end_no_script(plotted: Project) -> None:
    plotted.dvc("plots", "show")

    assert "<script>evil()" not in (plotted.root / "dvc_plots/index.html").read_text()


def test_targets_are_no_patterns_that_never_end(plotted: Project) -> None:
    """A target that is no regular expression is the beginning of a name."""
    assert json.loads(plotted.dvc("plots", "show", "a.json(", "--json").stdout) == {}


def test_two_pictures_never_have_one_name(plotted: Project) -> None:
    plotted.write("dvc.yaml", "plots: [d/x.png, d_x.png]\n")
    plotted.write("d/x.png", b"one")
    plotted.write("d_x.png", b"two")

    data = plotted.dvc("plots", "show", "--json").json["data"]

    found = {name: Path(entries[0]["url"]).read_bytes() for name, entries in data.items()}
    assert found == {"d/x.png": b"one", "d_x.png": b"two"}
