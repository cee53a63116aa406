"""dvc config: DVC's settings and our own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

COMMENTED = "# ours\n[core]  # main\n    autostage = true  # always\n"


@pytest.fixture
def theirs(tmp_path: Path, oracle: Oracle) -> Project:
    """A project that real DVC made and works in."""
    return make_project(tmp_path / "theirs", oracle)


def test_comments_stay_and_dvc_reads_the_same(project: Project, theirs: Project) -> None:
    assert is_wanted("config-comments")
    for made in (project, theirs):
        made.write(".dvc/config", COMMENTED)
        made.dvc("config", "core.remote", "x")

    after = (project.root / ".dvc/config").read_text()
    assert "[core]\n    autostage = true\n    remote = x\n" == (
        (theirs.root / ".dvc/config").read_text()
    )
    assert COMMENTED + "    remote = x\n" == after
    theirs.write(".dvc/config", after)
    assert project.dvc("config", "-l").stdout == theirs.dvc("config", "-l").stdout


def test_a_value_that_dvc_cannot_read_back_is_not_written(
    project: Project, theirs: Project
) -> None:
    assert is_wanted("config-interpolation")
    for made in (project, theirs):
        made.dvc("remote", "add", "r", "ssh://h/x")

    refused, taken = (
        made.dvc("remote", "modify", "r", "user", "a%(b)s", check=False)
        for made in (project, theirs)
    )

    assert 251 == refused.rc
    assert "'%(...)s', which stands for another option" in refused.stderr
    assert "user" not in (project.root / ".dvc/config").read_text()
    assert 255 == taken.rc == theirs.dvc("status", check=False).rc


def test_a_name_that_cannot_be_quoted_leaves_the_file_alone(
    project: Project, theirs: Project
) -> None:
    assert is_wanted("config-unstorable")
    for made in (project, theirs):
        made.dvc("remote", "add", "a", "/x")

    codes = [made.dvc("remote", "add", "q'r", "/y", check=False).rc for made in (project, theirs)]

    assert [251, 255] == codes
    assert "['remote \"a\"']\n    url = /x\n" == (project.root / ".dvc/config").read_text()
    assert "" == (theirs.root / ".dvc/config").read_text()


def test_a_section_in_place_of_a_value_is_a_wrong_setting(
    project: Project, theirs: Project
) -> None:
    assert is_wanted("config-wrong-kind")

    codes = [made.dvc("config", "remote.x", "y", check=False).rc for made in (project, theirs)]

    assert [251, 255] == codes


def test_a_list_shows_no_secret_and_asking_for_one_does(project: Project) -> None:
    project.write(".dvc/config", "['remote \"r\"']\n    url = ssh://me:pa55word@h/x\n")
    project.dvc("remote", "modify", "--local", "r", "password", "hunter2")

    listed = project.dvc("config", "-l").stdout

    assert "remote.r.url=ssh://me:***@h/x\nremote.r.password=***\n" == listed
    assert "hunter2\n" == project.dvc("config", "remote.r.password").stdout
    assert "{'password': '***'}\n" == project.dvc("config", "--local", "remote.r").stdout


def test_a_file_with_a_secret_is_for_its_owner_only(
    project: Project, theirs: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_wanted("config-private")
    for made in (project, theirs):
        made.dvc("remote", "add", "r", "ssh://h/x")
        made.dvc("config", "--local", "core.analytics", "false")
        made.dvc("remote", "modify", "--local", "r", "password", "hunter2")

    ours, dvcs = (
        stat.S_IMODE((made.root / ".dvc/config.local").stat().st_mode) for made in (project, theirs)
    )

    assert 0o600 == ours
    assert dvcs & 0o044


def test_a_secret_for_the_committed_file_is_refused(project: Project, theirs: Project) -> None:
    assert is_wanted("config-secret-refused")
    words = ("remote", "modify", "r", "password", "p")
    for made in (project, theirs):
        made.dvc("remote", "add", "r", "ssh://h/x")
    before = (project.root / ".dvc/config").read_bytes()

    refused, silent = (made.dvc(*words, check=False) for made in (project, theirs))

    assert [251, 0] == [refused.rc, silent.rc]
    assert "" == refused.stdout == silent.stderr
    assert (
        "ERROR: configuration error - config file error: 'remote.r.password' is a secret, and"
        " .dvc/config is committed to Git, where others can read it\n"
        "Hint: keep it to yourself: dvc remote modify --local r password <value>;"
        " or --force, to let them read it\n" == refused.stderr
    )
    assert before == (project.root / ".dvc/config").read_bytes()
    forced = project.dvc(*words, "--force")
    assert "WARNING: 'remote.r.password' is a secret" in forced.stderr
    assert (project.root / ".dvc/config").read_bytes() == (theirs.root / ".dvc/config").read_bytes()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("remote", "add", "n", "https://u:pw@h/x"), "dvc remote add --local n <value>"),
        (("remote", "add", "n", "https://h/x?sig=pw"), "dvc remote add --local n <value>"),
        (
            ("remote", "modify", "r", "endpointurl", "https://u:pw@h"),
            "dvc remote modify --local r endpointurl <value>",
        ),
        (("config", "studio.token", "pw"), "dvc config --local studio.token <value>"),
        (("config", "db.d.url", "postgresql://u:pw@h/d"), "dvc config --local db.d.url <value>"),
        (("config", "remote.r.session_token", "pw"), "dvc remote modify --local r session_token"),
        (("remote", "modify", "r", "password", "cmd:pass r"), "--local r password"),
        (("remote", "modify", "r", "region", "${HOME}"), "call it PANNIER_HOME"),
    ],
    ids=" ".join,
)
def test_no_way_of_writing_the_committed_file_takes_a_secret(
    words: tuple[str, ...], hint: str, project: Project
) -> None:
    project.write(".dvc/config", "['remote \"r\"']\n    url = s3://b\n")

    done = project.dvc(*words, check=False)

    assert (251, "") == (done.rc, done.stdout)
    assert hint in done.stderr
    assert "['remote \"r\"']\n    url = s3://b\n" == (project.root / ".dvc/config").read_text()
    if not {"${HOME}", "cmd:pass r"} & set(words):
        assert 0 == project.dvc(*words, "-f").rc


def test_what_is_no_secret_for_others_may_be_committed(tmp_path: Path, dvc: Program) -> None:
    """A name without a password, a variable that is made for it; anything where there is no Git."""
    inside = make_project(tmp_path / "inside", dvc)
    outside = tmp_path / "outside"
    outside.mkdir()
    dvc("init", "-q", "--no-scm", cwd=outside)

    inside.dvc("remote", "add", "r", "https://user@h/x?list=all")
    inside.dvc("remote", "modify", "r", "password", "${PANNIER_PASSWORD}")
    inside.dvc("remote", "modify", "r", "url", "https://user:${PANNIER_PASSWORD}@h/x")
    done = dvc("remote", "add", "r", "https://user:pw@h/x", cwd=outside)

    assert (0, "") == (done.rc, done.stderr)


def test_a_change_that_breaks_the_other_levels_is_refused(
    project: Project, theirs: Project
) -> None:
    assert is_wanted("config-half-done")
    for made in (project, theirs):
        made.dvc("remote", "add", "r", "s3://b")
        made.dvc("remote", "modify", "--local", "r", "region", "x")

    codes = [made.dvc("remote", "remove", "r", check=False).rc for made in (project, theirs)]

    assert [251, 251] == codes
    assert [0, 251] == [made.dvc("status", check=False).rc for made in (project, theirs)]
    project.dvc("remote", "remove", "--local", "r")
    project.dvc("remote", "remove", "r")
    assert "" == project.dvc("remote", "list").stdout


def test_a_fault_that_was_there_before_can_be_mended_step_by_step(project: Project) -> None:
    project.write(".dvc/config", "[core]\n    foo = 1\n    bar = 2\n")

    first = project.dvc("config", "-u", "core.bar", check=False)

    assert 251 == first.rc
    assert "data['core']['foo']" in first.stderr
    assert "[core]\n    foo = 1\n" == (project.root / ".dvc/config").read_text()
    project.dvc("config", "-u", "core.foo")


def test_what_runs_programs_is_refused_from_the_committed_file(
    project: Project, theirs: Project, tmp_path: Path
) -> None:
    assert is_wanted("config-protected")
    canary = tmp_path / "program-ran"
    for made in (project, theirs):
        made.write("f", "1")
        made.dvc("add", "f")
        made.write("aws.cfg", f"[default]\ncredential_process = touch {canary}\n")
        made.dvc("remote", "add", "-d", "r", "s3://b")
        made.dvc("remote", "modify", "r", "endpointurl", "http://127.0.0.1:9")
        made.dvc("remote", "modify", "r", "configpath", "aws.cfg")

    done = project.dvc("push", check=False)

    assert 1 == done.rc
    assert "'configpath' of remote 'r' in .dvc/config runs a program or names a file" in done.stderr
    assert "Hint: if you trust it: dvc remote modify --local r configpath" in done.stderr
    assert not canary.exists()
    theirs.dvc("push", check=False)
    assert canary.exists()


# -- pannier.* -----------------------------------------------------------------------------------


def test_our_own_settings_never_touch_dvcs_files(project: Project, oracle: Oracle) -> None:
    project.dvc("config", "pannier.fsync", "none")
    project.dvc("config", "--local", "pannier.jobs", "7")

    assert 'fsync = "none"\n' == (project.root / ".dvc/pannier.toml").read_text()
    assert "jobs = 7\n" == (project.root / ".dvc/pannier.local.toml").read_text()
    assert "" == (project.root / ".dvc/config").read_text()
    assert 0 == oracle("status", cwd=project.root).rc


def test_our_own_settings_are_read_with_the_options_of_the_others(project: Project) -> None:
    project.dvc("config", "pannier.fsync", "none")
    project.dvc("config", "--global", "pannier.fsync", "all")

    assert "none\n" == project.dvc("config", "pannier.fsync").stdout
    assert "all\n" == project.dvc("config", "--global", "pannier.fsync").stdout
    assert ".dvc/pannier.toml\tnone\n" == (
        project.dvc("config", "--show-origin", "pannier.fsync").stdout
    )
    assert project.dvc("config", "-l").lines == ["pannier.fsync=all", "pannier.fsync=none"]
    project.dvc("config", "-u", "pannier.fsync")
    assert "all\n" == project.dvc("config", "pannier.fsync").stdout
    assert "" == project.dvc("config", "pannier.jobs").stdout


@pytest.mark.parametrize(
    "words", [("pannier.nope",), ("pannier.nope", "1"), ("pannier.fsync", "x")]
)
def test_a_setting_of_our_own_that_is_none_is_refused(
    project: Project, words: tuple[str, ...]
) -> None:
    done = project.dvc("config", *words, check=False)

    assert 251 == done.rc
    assert not (project.root / ".dvc/pannier.toml").exists()


def test_the_local_file_of_our_own_is_ignored_by_git_without_a_change_to_others_files(
    project: Project,
) -> None:
    project.dvc("config", "--local", "pannier.jobs", "2")
    project.dvc("config", "--local", "pannier.jobs", "3")

    assert "" == git("status", "--porcelain", cwd=project.root).stdout
    exclude = (project.root / ".git/info/exclude").read_text()
    assert 1 == exclude.count("/.dvc/pannier.local.toml\n")


def test_settings_of_the_user_are_private_when_they_hold_a_secret(
    dvc: Program, clean_machine: Path, tmp_path: Path
) -> None:
    dvc("remote", "add", "--global", "r", "ssh://h/x", cwd=tmp_path)
    dvc("remote", "modify", "--global", "r", "password", "hunter2", cwd=tmp_path)

    assert 0o600 == stat.S_IMODE(os.stat(clean_machine / ".config/dvc/config").st_mode)
