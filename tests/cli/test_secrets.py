"""Secrets that stand nowhere in the settings: `${NAME}` in the environment, `cmd:` in a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from pannier.core.errors import ConfigError
from pannier.formats.config_secrets import holds_secret
from pannier.formats.references import expand, from_environment, variables
from tests.support.buckets import Bucket
from tests.support.oracle import Oracle
from tests.support.programs import Completed
from tests.support.project import Project
from tests.support.wanted import is_wanted


@pytest.fixture
def remote(project: Project, s3_bucket: Bucket) -> Project:
    """A project with a file and a remote at a server that knows one key, which nobody told us."""
    project.write("f", "data")
    project.dvc("add", "-q", "f")
    project.dvc("remote", "add", "-d", "r", "s3://${PANNIER_BUCKET}/x")
    for option, value in {
        "endpointurl": s3_bucket.endpoint,
        "region": "us-east-1",
        "access_key_id": s3_bucket.key_id,
        "secret_access_key": "${PANNIER_KEY}",
    }.items():
        project.dvc("remote", "modify", "r", option, value)
    return project


def run(project: Project, *words: str, **env: str) -> Completed:
    return project.program(*words, cwd=project.root, check=False, env=env)


@pytest.mark.xdist_group("s3")
def test_a_committed_file_names_variables_and_each_user_sets_them(
    remote: Project, s3_bucket: Bucket
) -> None:
    key = {"PANNIER_KEY": s3_bucket.secret}

    unset = run(remote, "push", PANNIER_BUCKET=s3_bucket.name)
    wrong = run(remote, "push", PANNIER_BUCKET=s3_bucket.name, PANNIER_KEY="aWrongSecretKey")
    sent = run(remote, "push", "-vv", PANNIER_BUCKET=s3_bucket.name, **key)
    shown = run(remote, "remote", "list", PANNIER_BUCKET=s3_bucket.name, **key)

    assert (
        "ERROR: failed to push data to the cloud - config file error: 'secret_access_key' of remote"
        " 'r' in .dvc/config is taken from the environment variable 'PANNIER_KEY', which is not set"
        "\nHint: export PANNIER_KEY=...; or write $${PANNIER_KEY} where ${PANNIER_KEY} itself is"
        " meant\n" == unset.stderr
    )
    assert 0 not in (unset.rc, wrong.rc)
    assert "aWrongSecretKey" not in wrong.stdout + wrong.stderr
    assert (0, 1) == (sent.rc, len(s3_bucket.keys())), str(sent)
    assert s3_bucket.secret not in sent.stdout + sent.stderr
    assert "r       s3://${PANNIER_BUCKET}/x        (default)\n" == shown.stdout
    (remote.root / ".dvc/config").write_text(
        (remote.root / ".dvc/config").read_text().replace("PANNIER_KEY", "MY_KEY")
    )
    refused = run(remote, "push", "-vv", PANNIER_BUCKET=s3_bucket.name, MY_KEY=s3_bucket.secret)
    assert "may only name those that begin with 'PANNIER_'" in refused.stderr
    assert s3_bucket.secret not in refused.stdout + refused.stderr


@pytest.mark.xdist_group("s3")
def test_a_program_prints_the_secret_if_the_user_says_so(
    remote: Project, s3_bucket: Bucket, tmp_path: Path
) -> None:
    """Once a command, however many remotes are opened; never for the committed file."""
    ran = tmp_path / "ran"
    helper = tmp_path / "helper"
    helper.write_text(f"echo x >> {ran}; echo >&2 more; echo '{s3_bucket.secret}'\n")
    env = {"PANNIER_BUCKET": s3_bucket.name}
    remote.dvc("remote", "modify", "--local", "r", "secret_access_key", f"cmd: sh {helper}")
    local = remote.root / ".dvc/config.local"

    sent = run(remote, "push", "-vv", **env)
    known = run(remote, "status", "-c", **env)

    assert (0, 0) == (sent.rc, known.rc), str(sent)
    assert s3_bucket.secret not in sent.stdout + sent.stderr
    assert "x\nx\n" == ran.read_text()
    helper.write_text("echo half-a-secret; exit 3\n")
    failed = run(remote, "push", "-vv", **env)
    assert "the command of 'secret_access_key' of remote 'r' ended with exit code 3" in (
        failed.stderr
    )
    assert "half-a-secret" not in failed.stdout + failed.stderr
    ran.unlink()
    helper.write_text(f"touch {ran}\n")
    remote.git("add", "-f", ".dvc/config.local")
    committed = [run(remote, word, **env) for word in ("push", "status")]
    remote.git("rm", "-q", "--cached", ".dvc/config.local")
    lines = local.read_text()
    local.write_text("")
    shared = remote.root / ".dvc/config"
    shared.write_text(shared.read_text().replace("${PANNIER_KEY}", f"cmd: sh {helper}"))
    there = [run(remote, word, **env) for word in ("push", "status")]
    assert [1, 0, 1, 0] == [done.rc for done in (*committed, *there)], str(there)
    assert "'secret_access_key' of remote 'r' in .dvc/config runs a program" in there[0].stderr
    assert not ran.exists()
    local.write_text(lines)
    run(remote, "push", **env)
    assert ran.exists()


VALUES = {"PW": "p@ss/w:rd", "HOST": "h", "P": "/srv"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${PW}", "p@ss/w:rd"),
        ("a${HOST}b${HOST}", "ahbh"),
        ("$${PW} $PW ${} ${9} ${a-b}", "${PW} $PW ${} ${9} ${a-b}"),
        ("https://me:${PW}@${HOST}/${P}", "https://me:p%40ss%2Fw%3Ard@h//srv"),
        ("${P}/x@y", "/srv/x@y"),
        ("s3://b/${PW}@x", "s3://b/p@ss/w:rd@x"),
    ],
)
def test_variables_are_replaced_and_before_a_host_encoded(text: str, expanded: str) -> None:
    assert expanded == expand(text, VALUES.__getitem__)


def test_an_empty_variable_is_not_set_and_names_are_found_in_order() -> None:
    assert ["B", "A"] == variables("${B}$${C}${A}")
    with pytest.raises(ConfigError, match="'A', which is not set"):
        from_environment("${A}", {"A": ""}, "token", "remote 'r'", shared=False)


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("https://u:p@h/x", True),
        ("https://u@h/x", False),
        ("https://h/x?sv=1&sig=abc", True),
        ("https://h/x?access_token=abc", True),
        ("https://h/x?page=2&sig=", False),
        ("s3://b/a:b@c", False),
        ("/a:b@c", False),
    ],
)
def test_urls_with_a_secret_are_known(url: str, holds: bool) -> None:
    assert holds == holds_secret(url)


def test_a_path_may_begin_with_a_variable(project: Project, oracle: Oracle, tmp_path: Path) -> None:
    """It starts from where its file lies, as other paths do, and nothing is put before it."""
    assert is_wanted("config-variables")
    project.write("f", "data")
    project.dvc("add", "-q", "f")
    project.dvc("remote", "add", "-d", "r", "${PANNIER_STORE}/x")
    project.dvc("config", "core.autostage", "false")

    done = [
        run(project, "push", PANNIER_STORE=str(tmp_path / "store")),
        run(project, "push", PANNIER_STORE="../.."),
    ]
    theirs = oracle("push", cwd=project.root)

    assert [0, 0, 255] == [one.rc for one in (*done, theirs)], str(done)
    assert "url = ${PANNIER_STORE}/x\n" in (project.root / ".dvc/config").read_text()
    assert (tmp_path / "store/x/files/md5").is_dir()
    assert (tmp_path / "x/files/md5").is_dir()
