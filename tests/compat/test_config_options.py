"""Every option of DVC's config files has its effect, or is named as one that has none here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pannier.formats.config_schema import SECTIONS
from tests.support.oracle import Oracle
from tests.support.programs import REPOSITORY, Program
from tests.support.project import Project, make_project
from tests.support.terminal import answer_on_terminal

TESTS = Path(REPOSITORY, "tests")
EFFECTS = {
    "cache.dir": "cli/test_remote.py::test_a_new_cache_folder_is_used_and_shown",
    "cache.shared": "crash/test_second_user.py::"
    "test_nobody_meets_a_folder_of_the_cache_before_the_group_may_write_to_it",
    "cache.type": "compat/test_in_turn.py::"
    "test_data_added_by_one_is_clean_and_restored_by_the_other",
    "core.autostage": "compat/test_editing_oracle.py::"
    "test_a_move_is_staged_where_that_is_configured",
    "core.checksum_jobs": "cost/test_syscalls.py::"
    "test_core_checksum_jobs_says_how_many_workers_hash",
    "core.hardlink_lock": "crash/test_link_lock.py::"
    "test_dvcs_lock_is_respected_and_ours_leaves_nothing",
    "core.interactive": "compat/test_config_options.py::test_core_interactive_asks_before_a_stage",
    "core.no_scm": "cli/test_init.py::test_a_project_without_git_says_so_in_its_config",
    "core.remote": "cli/test_remote.py::test_a_default_follows_its_remote_whatever_its_case",
    "parsing.bool": "compat/pipelines.py::",
    "parsing.list": "compat/pipelines.py::",
    "plots.auto_open": "hostile/test_plots.py::test_a_project_opens_no_browser",
    "plots.html_template": "compat/test_config_options.py::test_plots_html_template_names_the_page",
    "plots.out_dir": "hostile/test_plots.py::"
    "test_plots_are_written_within_the_project_unless_the_user_says_where",
}
"""Option -> where its effect is tested: a file below tests/, and one test of it or all."""

WITHOUT = {
    "cache.slow_link_warning": "false",
    "cache.verify": "true",
    "cache.protected": "true",
    "cache.local": "x",
    "cache.s3": "x",
    "cache.gs": "x",
    "cache.ssh": "x",
    "cache.hdfs": "x",
    "cache.webhdfs": "x",
    "cache.azure": "x",
    "core.analytics": "true",
    "core.check_update": "true",
    "core.experiments": "true",
    "core.machine": "x",
    "core.site_cache_dir": "elsewhere",
    "exp.auto_push": "true",
    "exp.code": "src",
    "exp.data": "data",
    "exp.git_remote": "origin",
    "exp.live": "live",
    "exp.metrics": "metrics.json",
    "exp.models": "models",
    "exp.params": "params.yaml",
    "exp.plots": "plots",
    "hydra.config_dir": "conf",
    "hydra.config_module": "",
    "hydra.config_name": "config",
    "hydra.enabled": "false",
    "hydra.plugins_path": "plugins",
    "index.dir": "elsewhere",
    "state.dir": "elsewhere",
    "state.row_cleanup_quota": "10",
    "state.row_limit": "10",
    "studio.offline": "true",
    "studio.repo_url": "https://example.org/r",
    "studio.token": "secret",
    "studio.url": "https://example.org",
}
"""Option -> a value that DVC takes; '' for one that excludes another."""


def all_options() -> set[str]:
    return {f"{section}.{option}" for section, options in SECTIONS.items() for option in options}


def test_every_option_has_its_effect_or_is_known_to_have_none() -> None:
    assert all_options() == EFFECTS.keys() | WITHOUT.keys()
    assert set() == EFFECTS.keys() & WITHOUT.keys()


def test_every_option_is_documented() -> None:
    """docs/formats.md, section 13.1: in its table, or below it among those without an effect."""
    text = Path(REPOSITORY, "docs/formats.md").read_text()
    part = text[text.index("### 13.1") : text.index("### 13.2")]
    table, _, rest = part.partition("\n\n`core.analytics`")
    rest = "`core.analytics`" + rest

    in_table = set(re.findall(r"`([a-z0-9_]+\.[a-z0-9_]+)`", "\n".join(_rows(table))))
    below = set(re.findall(r"`([a-z0-9_]+\.[a-z0-9_]+)`", rest))
    assert EFFECTS.keys() == in_table
    assert WITHOUT.keys() == below


def _rows(table: str) -> list[str]:
    """The first cells of its rows."""
    return [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("option", EFFECTS)
def test_a_test_is_there_for_every_effect(option: str) -> None:
    file, _, name = EFFECTS[option].partition("::")
    text = (TESTS / file).read_text()
    section, _, word = option.partition(".")

    assert name in text
    assert re.search(rf"\b{section}\b", text), f"{file} does not name {option}"
    assert re.search(rf"\b{word}\b", text), f"{file} does not name {option}"


def test_options_without_an_effect_change_nothing(project: Project, oracle: Oracle) -> None:
    """And what is written here, DVC takes."""
    project.write("f", "data\n")
    project.dvc("remote", "add", "-q", "x", "elsewhere-too")  # what `cache.s3` and others must name
    before = [project.dvc(*words).stdout for words in (("add", "f"), ("status",), ("checkout",))]
    for option, value in WITHOUT.items():
        if value:
            project.dvc("config", "--local", option, value)
    project.dvc("status", "-q")
    (project.root / "f.dvc").unlink()

    after = [project.dvc(*words).stdout for words in (("add", "f"), ("status",), ("checkout",))]

    assert before[1:] == after[1:]
    assert (project.root / "f.dvc").exists()
    assert not (project.root / "elsewhere").exists()
    # Real DVC asks its usage server when it may, and a test asks nobody.
    project.dvc("config", "--local", "core.analytics", "false")
    project.dvc("config", "--local", "core.check_update", "false")
    assert 0 == oracle("status", cwd=project.root, check=False).rc


STAGE = "stages:\n  s:\n    cmd: echo made > out\n    outs: [out]\n"
QUESTION = "Going to reproduce stage: 's'. Are you sure you want to continue?"


@pytest.mark.parametrize("words", [("repro", "-i"), ("repro",)])
def test_core_interactive_asks_before_a_stage(
    words: tuple[str, ...], tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    """`core.interactive` is `--interactive` of every `dvc repro`."""
    told = []
    for program in (oracle, dvc):
        project = make_project(tmp_path / str(program is dvc), program)
        project.write("dvc.yaml", STAGE)
        if words == ("repro",):
            project.dvc("config", "core.interactive", "true")
        done = project.dvc(*words, check=False)
        told.append((done.rc, done.stderr.strip(), (project.root / "out").exists()))
    refused = answer_on_terminal([dvc.path, *words], cwd=project.root, question="[", answer="n")
    left = (project.root / "out").exists()
    agreed = answer_on_terminal([dvc.path, *words], cwd=project.root, question="[", answer="y")

    assert told[0] == told[1]
    assert (255, False) == (refused[0], left)
    assert QUESTION in refused[1]
    assert (0, "made\n") == (agreed[0], (project.root / "out").read_text())


def test_plots_html_template_names_the_page(project: Project) -> None:
    project.write("p.csv", "a,b\n1,2\n")
    project.write(".dvc/page.html", "<html><!-- mine -->{plot_divs}</html>\n")
    project.dvc("config", "plots.html_template", "page.html")

    project.dvc("plots", "show", "p.csv")

    assert "<!-- mine -->" in (project.root / "dvc_plots/index.html").read_text()
