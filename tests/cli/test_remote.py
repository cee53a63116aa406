"""dvc remote and dvc cache dir. What is alike is in tests/compat/test_config_oracle.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted


@pytest.fixture
def theirs(tmp_path: Path, oracle: Oracle) -> Project:
    """A project that real DVC made and works in."""
    return make_project(tmp_path / "theirs", oracle)


def test_a_list_hides_the_password_of_a_url(project: Project, theirs: Project) -> None:
    assert is_wanted("remote-list-secrets")
    for made in (project, theirs):
        made.dvc("remote", "add", "-f", "-d", "r", "ssh://me:pa55word@h/x")

    assert "r       ssh://me:***@h/x        (default)\n" == project.dvc("remote", "list").stdout
    assert "pa55word" in theirs.dvc("remote", "list").stdout


def test_a_level_with_options_alone_can_be_listed(project: Project, theirs: Project) -> None:
    assert is_wanted("remote-list-no-url")
    for made in (project, theirs):
        made.dvc("remote", "add", "r", "s3://b")
        made.dvc("remote", "modify", "--local", "r", "region", "x")

    codes = [made.dvc("remote", "list", "--local", check=False).rc for made in (project, theirs)]

    assert [0, 255] == codes


def test_a_default_follows_its_remote_whatever_its_case(project: Project, theirs: Project) -> None:
    assert is_wanted("remote-default-case")
    for made in (project, theirs):
        made.dvc("remote", "add", "d", "/x")
        made.dvc("config", "core.remote", "D")
        made.dvc("remote", "rename", "d", "e")

    assert ["e\n", "D\n"] == [made.dvc("remote", "default").stdout for made in (project, theirs)]


def test_a_users_remote_is_removed_outside_of_a_project(
    tmp_path: Path, dvc: Program, oracle: Oracle
) -> None:
    assert is_wanted("remote-outside")
    codes = []
    for program in (dvc, oracle):
        program("remote", "add", "--global", "r", "/x", cwd=tmp_path)
        codes.append(program("remote", "remove", "--global", "r", cwd=tmp_path).rc)
        assert "" == program("remote", "list", cwd=tmp_path).stdout

    assert [0, 251] == codes


def test_a_name_is_asked_for_as_it_is_written(project: Project) -> None:
    project.dvc("remote", "add", "Store", "/x")

    assert "store   /x\n" == project.dvc("remote", "list").stdout
    done = project.dvc("remote", "add", "STORE", "/y", check=False)
    assert 251 == done.rc
    assert "remote 'store' already exists. Use `-f|--force` to overwrite it." in done.stderr


def test_every_kind_of_dvcs_remotes_can_be_set_up(project: Project, oracle: Oracle) -> None:
    urls = "/x s3://b gs://b azure://c ssh://h/p http://h https://h webdav://h webdavs://h"
    urls += " hdfs://h webhdfs://h oss://b gdrive://id remote://r0/x file:///y"
    for number, url in enumerate(urls.split()):
        project.dvc("remote", "add", f"r{number}", url)

    assert project.dvc("remote", "list").stdout == oracle("remote", "list", cwd=project.root).stdout


def test_a_new_cache_folder_is_used_and_shown(project: Project, tmp_path: Path) -> None:
    project.dvc("cache", "dir", "../cache")
    project.write("f", "1")
    project.dvc("add", "f")

    assert f"{tmp_path}/cache\n" == project.dvc("cache", "dir").stdout
    assert (tmp_path / "cache/files/md5/c4/ca4238a0b923820dcc509a6f75849b").exists()
