"""Settings, set-up and the frame of the command line beside real DVC: same answers, same files.

Wanted differences are rows of docs/compat.md; the tests of the rows stand at the end.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pannier.core.errors import ConfigError
from pannier.formats.config import dump, parse_lines
from pannier.formats.config_schema import SCHEMES, SECTIONS, validate
from pannier.formats.config_values import interpolate
from tests.servers.processes import end
from tests.support.oracle import Oracle
from tests.support.programs import Program, oracle_path
from tests.support.twins import Side, Twins, make_twins
from tests.support.wanted import is_wanted

FILES = (
    *("repo/.dvc/config", "repo/.dvc/config.local", "global/config", "system/config"),
    *("repo/.dvc/.gitignore", "repo/.dvcignore", "repo/.pre-commit-config.yaml"),
)


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> Twins:
    made = make_twins(tmp_path, oracle, dvc)
    for side in (made.theirs, made.ours):
        (side.repo / "sub").mkdir()
    return made


OWN_WORDS = re.compile(
    r"(?m),verify(?:,sync)?(?=})|^    (?:verify|sync) .*\n"
    r"| \[-f\]|^  -f, --force +Write a secret .*\n"
)
"""What the help says of the sub-commands and options that only we have."""

Answer = tuple[int, str, dict[str, str]]


def answers(side: Side, lines: list[str]) -> list[Answer]:
    """What one side says to each line: exit code, output, and the settings afterwards."""
    said: list[Answer] = []
    for line in lines:
        if line.startswith("file: "):
            (side.repo / ".dvc/config").write_text(eval(line[6:]))
            continue
        done = side.run(*shlex.split(line))
        output, commands, _ = side.plain(done.stdout).partition("\nAvailable Commands:")
        if commands:  # the list of what there is, here not yet all
            output = output.splitlines()[0]
        texts = {
            name: side.plain((side.base / name).read_text())
            for name in FILES
            if (side.base / name).exists()
        }
        said.append((done.rc, output, texts))
    return said


def without_own(line: str, answer: Answer) -> Answer:
    """Our answer, without our own words in the help of `dvc remote` and `dvc config`."""
    rc, output, texts = answer
    own = "own-commands" if line.startswith("remote") else "config-secret-refused"
    if not line.startswith(("remote", "config")) or " add" in line or not is_wanted(own):
        return answer
    return rc, OWN_WORDS.sub("", output), texts


def compare(twins: Twins, table: str) -> None:
    """Types every line of a table on both sides: output, exit code and settings must be equal.

    A line `file: text` writes .dvc/config. The sides know nothing of each other, so each has a
    thread of its own.
    """
    lines = [line.strip() for line in table.splitlines() if line.strip()]
    with ThreadPoolExecutor(2) as pool:
        theirs, ours = pool.map(lambda side: answers(side, lines), (twins.theirs, twins.ours))
    typed = [line for line in lines if not line.startswith("file: ")]
    wrong = [
        f"$ dvc {line}\n  DVC:  {left}\n  ours: {right}"
        for line, left, right in zip(typed, theirs, ours, strict=True)
        if left != without_own(line, right)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_frame_answers_as_dvc(twins: Twins) -> None:
    compare(
        twins,
        """
        root
        init
        root
        --cd sub root
        --cd .dvc root
        --cd nowhere root
        --cd / root
        root x
        root --x
        --x root
        root -h
        root --hel
        -h
        -h root
        --wait root
        --verb foo
        foo
        --cd
        --cd sub
        --ver root
        root -q
        root -q -v
        root --cd sub
        -v -q root
        root --cprofile-dump
        remote
        remote foo
        remote add
        remote default a b
        init -h
        config -h
        remote -h
        remote add -h
        remote default -h
        remote modify -h
        remote list -h
        remote remove -h
        remote rename -h
        cache dir -h
        install -h
        doctor -h
        git-hook pre-push -h
        """,
    )


def test_config_answers_as_dvc(twins: Twins) -> None:
    compare(
        twins,
        """
        config core.remote
        config core.remote x
        config -l
        init -q
        config core.remote store
        config core.remote
        config core.autostage
        config core.autostage True
        config core.checksum_jobs 0
        config core.checksum_jobs x
        config core.foo bar
        config foo.bar x
        config foo
        config
        config -l
        config -l --show-origin
        config --show-origin core.remote
        config -u core.autostage
        config -u core.nope
        config -u nope.x
        config core.analytics nope
        config --local core.remote other
        config core.remote
        config --project core.remote
        config --global core.remote user
        config --global core.nope
        config -l --show-origin
        config -l --local
        config --global -u core.remote
        config --local --global core.remote
        config -l core.remote
        config -u
        config -u core.remote x
        config cache.type "hardlink, symlink"
        config cache.type foo
        config cache.type ""
        config cache.shared other
        config feature.foo x
        config -u feature.foo
        config remote.x.url /tmp/foo
        config remote.x.jobs abc
        config remote.x.foo 3
        config remote.x
        config remote.x.y.z x
        config Core.Remote AbC
        config core.remote "a, b # c"
        config core.remote
        config core.remote " it's"
        config core.remote 'x"y'
        config core.remote ''
        config core.remote
        config core.remote -x
        config core.remote -- -x
        config -u core.remote
        --cd sub config cache.dir ../xx
        --cd sub config -l --show-origin
        config --global cache.dir elsewhere
        config --local cache.dir "~/foo"
        config --local cache.dir
        config hydra.config_dir foo
        config hydra.config_module bar
        config db.x.url postgres://
        config db.x.foo me
        config db.x
        config -u db.x.url
        config studio.offline maybe
        config --show-origin -u core.remote
        config --local remote.s.url
        config remote..url /y
        config .a y
        cache dir
        cache dir --local
        cache dir --local -u
        cache dir /abs
        cache dir
        cache dir -u
        cache dir -u
        file: "[core]\\n[[x]]\\na = 1\\nremote = a\\n"
        config -l
        file: "[core\\nremote = a\\n"
        config -l
        config core.remote b
        root
        file: '[cache]\\ndir=./x//y/../z/\\ntype = copy, symlink\\n[remote "A"]\\nurl=./x//y/\\n'
        config -l
        config core.analytics true
        file: "x=1\\n['remote \\"a\\"']\\nurl = s3://%(x)s-%(y)s\\nregion=r\\n[DEFAULT]\\ny=3\\n"
        config -l
        file: ''
        config core.analytics true
        """,
    )


def test_a_fault_is_seen_where_a_file_that_counts_for_more_would_hide_it(twins: Twins) -> None:
    compare(
        twins,
        """
        init -q
        config --local core.analytics false
        config core.analytics perhaps
        config --global core.analytics perhaps
        config core.analytics true
        config -l
        file: "[core]\\nanalytics = perhaps\\n"
        config --local core.autostage true
        config core.analytics true
        config core.autostage true
        """,
    )


def test_remote_answers_as_dvc(twins: Twins) -> None:
    compare(
        twins,
        """
        remote list
        remote default
        remote add a /x
        remote add --global u ../x
        remote list
        init -q
        remote add store ../data
        remote add store /tmp/data
        remote add -f store ../data
        remote add -d Other s3://Bucket/Path
        remote list
        remote default
        remote default store
        remote default nope
        remote default -u
        remote default
        remote default -u
        remote default --local store
        remote list
        remote list --project
        remote default -u --local
        remote modify store jobs x
        remote modify store jobs 3
        remote modify store foo x
        remote modify nope url x
        remote modify store
        remote modify store -u jobs
        remote modify store -u jobs
        remote modify --local store url sub
        remote list
        remote modify other region eu
        remote modify other Region eu2
        remote modify other use_ssl
        remote rename store st2
        remote rename nope st2
        remote rename st2 other
        remote default other
        remote rename other o3
        remote remove nope
        config --local --unset remote.store.url
        config --local --unset remote.store
        remote remove o3
        remote add --local loc /x
        remote remove loc
        remote remove --local loc
        remote add b b://x
        remote add c remote://st2/x
        remote add d ssh://host:22/x
        remote modify d port x
        remote modify d keyfile k/f
        remote modify d ask_password maybe
        remote add g webdavs://h/y
        remote modify g bearer_token_command 'echo "hi, there" # x'
        remote modify g timeout 1.5
        remote add k http://x
        remote modify k auth foo
        remote modify k read_timeout 1.5
        remote add p s3:x
        remote add q user@host:/path
        remote add r s3+foo://x
        remote add s gs:///
        remote add t ./x/../y/
        remote add v '~/foo'
        remote add "q.r" /x
        remote modify Q.R jobs 4
        --cd sub remote add rel x
        remote list
        remote modify --global st2 jobs 3
        remote default --global st2
        remote modify k -u url
        remote remove --global u
        config -l
        """,
    )


def test_init_answers_as_dvc(twins: Twins) -> None:
    compare(
        twins,
        """
        --cd sub init
        init --no-scm --subdir
        --cd sub init --subdir
        --cd sub root
        init -q
        init
        init -q
        init -f
        init nowhere/new
        init --no-scm sub/new
        --cd sub/new config -l
        init . x
        """,
    )
    assert [] == twins.compare()


def test_install_answers_as_dvc(twins: Twins) -> None:
    compare(
        twins,
        """
        install
        git-hook pre-commit
        git-hook pre-push origin url
        git-hook post-checkout a b 1
        init -q
        install
        install
        install --use-pre-commit-tool
        install --use-pre-commit-tool
        git-hook post-checkout
        git-hook post-checkout a b 0
        git-hook post-checkout a b 1
        """,
    )
    for name in ("post-checkout", "pre-commit", "pre-push"):
        theirs, ours = ((side.repo / ".git/hooks" / name) for side in (twins.theirs, twins.ours))
        assert theirs.read_bytes() == ours.read_bytes()
        assert 0o100 == ours.stat().st_mode & 0o122


# -- the dialect of the files, beside the library that DVC reads and writes them with ------------

SERVER = """
import json, logging, sys
from configobj import ConfigObj
from dvc.config import Config
logging.disable(logging.CRITICAL)
def read(text):
    return ConfigObj(text.splitlines()).dict()
def write(tree):
    file = ConfigObj(indent_type="    ")
    file.merge(tree)
    return "".join(line + "\\n" for line in file.write())
def validate(tree):
    Config.validate(tree)
for line in sys.stdin:
    verb, value = json.loads(line)
    try:
        answer = ["ok", globals()[verb](value)]
    except Exception as error:
        answer = ["error", str(error)]
    print(json.dumps(answer), flush=True)
"""
settings.register_profile("oracle", deadline=None, max_examples=400)


class Library:
    def __init__(self) -> None:
        python = oracle_path().with_name("python")
        self._process = subprocess.Popen(
            [python, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, verb: str, value: Any) -> list[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, value]) + "\n")
        self._process.stdin.flush()
        answer: list[Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        end(self._process)


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    started = Library()
    yield started
    started.close()


MARKS = ('"', "'", '"""', "'''", ",", "#", "=", "[", "]", "\\", "%(a)s", "%(")
WORDS = (" ", "a", "b", "\t", "\xa0", "\n", "[s]\n", "a=", "  k = ", "[[t]]\n", '"q"')
PIECES = st.sampled_from(MARKS + WORDS)
TEXTS = st.lists(PIECES, max_size=14).map("".join)


@settings(settings.get_profile("oracle"), suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(TEXTS, TEXTS.map(lambda t: "k = " + t), TEXTS.map(lambda t: f"[s]\na=1\nk = {t}")))
def test_any_text_is_read_as_configobj_reads_it(library: Library, text: str) -> None:
    kind, theirs = library("read", text)
    try:
        ours: Any = interpolate(parse_lines(text.splitlines())[0])
    except ConfigError as error:
        ours = error.message.removeprefix("config file error: ")

    # A list in place of a text makes the library's interpolation fail in ways of its own.
    if kind == "ok" or "interpolation" not in ours:
        assert theirs == ours


VALUES = st.text("ab ,#=()[]'\"\\;:é\t\n", max_size=10).filter(
    # The library picks the quotes that are in the value, and cannot read it back itself.
    lambda value: "'''" not in value and '"""' not in value
)
SECTION = st.dictionaries(st.text("ab_- é", min_size=1, max_size=5), VALUES, min_size=1, max_size=3)


@settings(settings.get_profile("oracle"))
@given(st.dictionaries(st.text("abc _-é", min_size=1, max_size=6), SECTION, min_size=1, max_size=3))
def test_what_can_be_read_back_is_written_as_configobj_writes_it(
    library: Library, tree: dict[str, dict[str, str]]
) -> None:
    try:
        ours = dump(tree)
    except ConfigError:
        return

    assert ["ok", ours] == library("write", tree)


URLS = ["/x", "file:///x", "gs://", "S3://x", "foo://x", "remote://x"]
URLS += [f"{scheme}://x" for scheme in SCHEMES if scheme]
OPTIONS = sorted({option for options in SCHEMES.values() for option in options} | {"jobs", "nope"})


def same_verdict(library: Library, tree: dict[str, Any]) -> bool:
    kind, theirs = library("validate", tree)
    try:
        validate(tree)
    except ConfigError as error:
        return [kind, theirs] == ["error", str(error)]
    return kind == "ok"


def test_every_option_of_a_remote_takes_what_it_takes_in_dvc(library: Library) -> None:
    wrong = [
        tree
        for url in URLS
        for option in OPTIONS
        for value in ("true", "x", "3", "0", "symlink", "group", "digest", "1.5")
        if not same_verdict(library, tree := {"remote": {"a": {"url": url, option: value}}})
    ]

    assert [] == wrong


def test_every_option_of_a_section_takes_what_it_takes_in_dvc(library: Library) -> None:
    wrong = [
        tree
        for section, options in {**SECTIONS, "nope": {}, "feature": {"machine": None}}.items()
        for option in [*options, "nope"]
        for value in ("true", "FALSE", "x", "", "3", "0", "-1", "copy", "group", "append", ["copy"])
        if not same_verdict(library, tree := {section: {option: value}})
    ]

    assert [] == wrong
