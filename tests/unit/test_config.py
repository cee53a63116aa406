"""DVC's config files: reading, writing, editing with comments, and what all levels say together."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pannier.core.errors import ConfigError, NoRemote, UnknownRemote
from pannier.formats.config import Tree, dump, parse
from pannier.formats.config_edit import edit
from pannier.formats.config_schema import validate
from pannier.formats.settings import edit_settings, parse_settings, parse_value
from pannier.project.settings import Settings, load_settings

# -- reading -------------------------------------------------------------------------------------


def test_an_empty_file_says_nothing() -> None:
    assert {} == parse("")
    assert {} == parse("\n\n")


def test_named_sections_come_first_and_all_keys_are_lower_case() -> None:
    text = "[Core]\n    Remote = My\n['REMOTE \"Store\"']\n    URL = s3://Bucket/Path\n"

    assert {"remote": {"store": {"url": "s3://Bucket/Path"}}, "core": {"remote": "My"}} == parse(
        text
    )
    assert ["remote", "core"] == list(parse(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", "x"),
        ("x y  # comment", "x y"),
        ("a#b", "a"),
        ('"a#b"', "a#b"),
        ("'a, b'", "a, b"),
        ("a, b", ["a", "b"]),
        ("a,", ["a"]),
        (",", []),
        ("", ""),
        ('""', ""),
        ('a"b', 'a"b'),
        ('"""a"b\'c"""', "a\"b'c"),
        ("'''one\ntwo''' # c", "one\ntwo"),
    ],
)
def test_a_value_is_read_as_configobj_reads_it(text: str, value: object) -> None:
    assert {"core": {"k": value}} == parse(f"[core]\nk = {text}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[core\nremote = a\n",
            "Invalid line ('[core') (matched as neither section nor keyword) at line 1.",
        ),
        ("[core]\na = 1\na = 2\n", "Duplicate keyword name at line 3."),
        ("[core]\n[core]\n", "Duplicate section name at line 2."),
        ('[core]\nk = "a\n', "Parse error in value at line 2."),
        ("[core]]\n", "Cannot compute the section depth at line 1."),
        ("[[[core]]]\n", "Section too nested at line 1."),
        ("[a\nb\n", "Parsing failed with several errors.\nFirst error at line 1."),
        ("[core]\na = %(b)s\n", 'missing option "b" in interpolation.'),
        ("[core]\na = %(b)s\nb = %(a)s\n", 'interpolation loop detected in value "a".'),
    ],
)
def test_what_is_wrong_is_said_in_configobjs_words(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text)

    assert f"config file error: {message}" == str(raised.value)


def test_a_broken_line_does_not_show_its_secret() -> None:
    with pytest.raises(ConfigError, match="password \\*\\*\\*"):
        parse("['remote \"a\"']\n    password hunter2\n")


def test_a_name_in_brackets_stands_for_another_option() -> None:
    text = "x = 1\n[core]\na = %(b)s-%(x)s\nb = two\n"

    assert "two-1" == parse(text)["core"]["a"]


@pytest.mark.parametrize("value", ['"",' * 1300 + ",,", "'," * 2000 + ",", "a," * 2000 + '"'])
def test_a_hostile_value_is_refused_at_once(value: str) -> None:
    """ConfigObj's own expression tries 2^n ways to split the first of these (row S9)."""
    with pytest.raises(ConfigError, match="Parse error in value at line 2"):
        parse(f"[core]\nk = {value}\n")


HOSTILE: dict[str, Callable[[int], str]] = {
    "quotes that never close": lambda n: "k = " + "'\"'," * (n // 4) + 'x"',
    "quotes and commas": lambda n: "k = " + '",' * (n // 2) + ",,",
    "an item's quote that never closes": lambda n: "k = " + "'a, " * (n // 4) + '"',
    "quotes and blanks": lambda n: "k = " + '"' + ' "' * (n // 2) + "x",
    "a list before a bad end": lambda n: "k = " + "a " * (n // 4) + "," + "b," * (n // 4) + '"#',
    "a section's blanks": lambda n: "[a" + " " * n + "x",
    "brackets that close": lambda n: "[a" + "]" * n + "x",
    "brackets that open": lambda n: "[" * n + "x",
    "a quoted key": lambda n: "'" * n + "x",
    "three quotes": lambda n: "k = '''" + "'" * n + "x",
    "a text of many lines": lambda n: "k = '''\n" + "x\n" * (n // 2) + "'''x",
    "options that never end": lambda n: "k = " + "%(" * (n // 2),
    "options that are none": lambda n: "k = " + "%(a)" * (n // 4),
}


def _steps(text: str) -> int:
    """How many lines of the reader run for a text, refused or not."""
    count = 0

    def counted(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line" and "/formats/config" in frame.f_code.co_filename
        return counted

    before = sys.gettrace()
    sys.settrace(counted)
    try:
        with contextlib.suppress(ConfigError):
            parse(f"[core]\n{text}\n")
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_steps_of_reading_grow_as_the_length_and_no_faster(kind: str) -> None:
    """S9: twice the length, twice the steps; and nothing is too long to be read."""
    few, many = (_steps(HOSTILE[kind](size)) for size in (2000, 4000))

    assert many <= 2.2 * few + 200
    assert many <= 60 * 4000


def test_a_long_list_is_read() -> None:
    items = [f"item {number}" for number in range(3000)]

    assert items == parse(f"[core]\nk = {', '.join(items)}\n")["core"]["k"]


@pytest.mark.parametrize("last", ["", "x"])
def test_options_that_multiply_each_other_are_answered_at_once(last: str) -> None:
    lines = [f"k{n} = {f'%(k{n + 1})s' * 10}" for n in range(50)]
    text = "\n".join(["[core]", *lines, f"k50 = {last}", ""])

    if last:
        with pytest.raises(ConfigError, match="longer than"):
            parse(text)
    else:
        assert "" == parse(text)["core"]["k0"]


# -- writing -------------------------------------------------------------------------------------

NAMES = st.text("abcxyz._- é", min_size=1, max_size=6).map(str.strip).filter(bool)
VALUES = st.text("ab ,#=%()[]'\"\\;:/é\n\t", max_size=12)
OPTIONS = st.dictionaries(st.sampled_from(["url", "dir", "type", "jobs"]), VALUES, max_size=3)
TREES = st.fixed_dictionaries(
    {},
    optional={
        "remote": st.dictionaries(NAMES, OPTIONS, min_size=1, max_size=3),
        "db": st.dictionaries(NAMES, OPTIONS, min_size=1, max_size=2),
        "core": OPTIONS.filter(bool),
        "cache": OPTIONS.filter(bool),
    },
)


@given(TREES)
def test_what_is_written_reads_back_the_same_or_is_refused(tree: Tree) -> None:
    try:
        text = dump(tree)
    except ConfigError:
        return

    assert tree == parse(text)


@given(st.text("abc/:.-_@ ,#='", max_size=20))
def test_values_without_both_quotes_can_always_be_written(value: str) -> None:
    assert {"core": {"k": value}} == parse(dump({"core": {"k": value}}))


@pytest.mark.parametrize("value", ["%(x)s", "a\rb", "a\x85b = c", "'''\"\"\"", "a\u2028b"])
def test_a_value_that_dvc_could_not_read_is_not_written(value: str) -> None:
    with pytest.raises(ConfigError):
        dump({"core": {"k": value}})


def test_a_file_has_plain_sections_first_and_no_empty_ones() -> None:
    tree = {"remote": {"a": {"url": "/x"}, "b": {}}, "exp": {}, "core": {"remote": "a"}}

    assert "[core]\n    remote = a\n['remote \"a\"']\n    url = /x\n['remote \"b\"']\n" == dump(
        tree
    )


# -- editing -------------------------------------------------------------------------------------

COMMENTED = """\
# all of us
[core]  # main
    remote = a   # the default
    autostage = true

# the bucket
['remote "a"']
    # where it is
    url = s3://x
    jobs = 3
[REMOTE "B"]
  url = q
# the end
"""


def edited(change: Callable[[Tree], object], **renamed: str) -> str:
    tree = parse(COMMENTED)
    change(tree)
    return edit(COMMENTED, tree, {f'remote "{a}"': f'remote "{b}"' for a, b in renamed.items()})


def test_an_edit_touches_only_the_line_it_is_about() -> None:
    after = edited(lambda tree: tree["core"].update(remote="b"))

    assert COMMENTED.replace("remote = a   # the", "remote = b  # the") == after


def test_a_new_option_stands_behind_the_last_of_its_section() -> None:
    after = edited(lambda tree: tree["remote"]["b"].update(region="x, y"))

    assert COMMENTED.replace("url = q\n", 'url = q\n  region = "x, y"\n') == after


def test_a_removed_option_leaves_the_comments() -> None:
    after = edited(lambda tree: tree["remote"]["a"].pop("url"))

    assert COMMENTED.replace("    url = s3://x\n", "") == after


def test_a_renamed_section_keeps_its_place() -> None:
    def rename(tree: Tree) -> None:
        tree["remote"]["c"] = tree["remote"].pop("b")

    assert COMMENTED.replace('[REMOTE "B"]', "['remote \"c\"']") == edited(rename, b="c")


def test_a_new_section_stands_at_the_end() -> None:
    after = edited(lambda tree: tree["remote"].update(n={"url": "/n"}))

    assert COMMENTED + "['remote \"n\"']\n    url = /n\n" == after


@given(TREES)
def test_any_edit_says_what_was_wanted_and_keeps_every_comment_line(tree: Tree) -> None:
    try:
        after = edit(COMMENTED, tree)
    except ConfigError:
        return

    assert tree == {name: section for name, section in parse(after).items() if section}
    comments = [line for line in COMMENTED.splitlines() if line.lstrip().startswith("#")]
    assert comments == [line for line in after.splitlines() if line in comments]


def test_a_text_without_comments_becomes_what_dvc_writes() -> None:
    assert "[core]\n    remote = a\n" == edit("[core]\n\nremote=b", {"core": {"remote": "a"}})


# -- what may be said ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"core": {"foo": "x"}}, "extra keys not allowed @ data['core']['foo']"),
        ({"foo": {"x": "y"}}, "extra keys not allowed @ data['foo']"),
        (
            {"core": {"analytics": "yes"}},
            "expected true or false for dictionary value @ data['core']['analytics']",
        ),
        (
            {"remote": {"a": {"url": "/x", "jobs": "q"}}},
            "expected int for dictionary value @ data['remote']['a']['jobs']",
        ),
        (
            {"remote": {"a": {"url": "b://x"}}},
            "Unsupported URL type b:// for dictionary value @ data['remote']['a']",
        ),
        (
            {"remote": {"a": {"jobs": "3"}}},
            "expected 'url' for dictionary value @ data['remote']['a']",
        ),
        (
            {"cache": {"type": "copy,foo"}},
            "Unsupported cache type(s): foo for dictionary value @ data['cache']['type']",
        ),
    ],
)
def test_a_setting_that_dvc_refuses_is_refused_in_its_words(tree: Tree, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        validate(tree)

    assert f"config file error: {message}" == str(raised.value)


def test_an_unknown_feature_is_only_worth_a_warning() -> None:
    assert ["'feature.x' config option is unsupported"] == validate({"feature": {"x": "1"}})


# -- all levels together -------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Writes config files by level and reads them together: `write(repo=..., local=...)`."""
    dvc = tmp_path / "project" / ".dvc"
    dvc.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "system"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    paths = {
        "system": tmp_path / "system" / "config",
        "global_": tmp_path / "global" / "config",
        "repo": dvc / "config",
        "local": dvc / "config.local",
        "own": dvc / "pannier.toml",
        "own_local": dvc / "pannier.local.toml",
        "own_global": tmp_path / "xdg" / "pannier" / "config.toml",
    }

    def write(**texts: str) -> Settings:
        for level, text in texts.items():
            paths[level].parent.mkdir(parents=True, exist_ok=True)
            paths[level].write_text(text)
        return load_settings(str(dvc))

    return write


def test_a_later_level_wins_and_is_named_as_the_origin(write: Callable[..., Settings]) -> None:
    settings = write(
        system="[core]\nremote = s\n[exp]\nauto_push = true\n",
        global_="[core]\nremote = g\n",
        repo='[core]\nremote = R\n[remote "r"]\nurl = /x\n',
    )

    assert "r" == settings.get("core.remote")
    assert ".dvc/config" == settings.origin("core.remote")
    assert settings.flag("exp.auto_push")
    assert ["r"] == settings.remote_names()
    assert settings.get("core.nothing") is None


def test_paths_are_relative_to_the_folder_of_their_file(
    write: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = write(
        repo='[cache]\ndir = ../../c\n[remote "a"]\nurl = ../d\n[remote "b"]\nurl = ~/e\n',
        global_='[remote "g"]\nurl = f\n',
    )

    assert str(tmp_path / "c") == settings.get("cache.dir")
    assert str(tmp_path / "project" / "d") == settings.remote("a").url
    assert str(tmp_path / "e") == settings.remote("b").url
    assert str(tmp_path / "global" / "f") == settings.remote("g").url


def test_a_remote_joins_the_options_of_all_levels(write: Callable[..., Settings]) -> None:
    settings = write(
        repo='[remote "a"]\nurl = ssh://h/p\nport = 1\n',
        local='[remote "a"]\nport = 2\nkeyfile = /k\n',
    )

    remote = settings.remote("A")

    assert ("a", "ssh://h/p") == (remote.name, remote.url)
    assert {"port": "2", "keyfile": "/k"} == remote.options
    assert {"port", "keyfile"} == remote.protected


def test_a_remote_of_a_remote_is_resolved(write: Callable[..., Settings]) -> None:
    settings = write(
        repo='[core]\nremote = c\n[remote "a"]\nurl = s3://bucket/base\nregion = x\nprofile = p\n'
        '[remote "b"]\nurl = remote://a/one\nregion = y\n[remote "c"]\nurl = remote://b/two\n'
    )

    remote = settings.remote()

    assert ("c", "s3://bucket/base/one/two") == (remote.name, remote.url)
    assert {"region": "y", "profile": "p"} == remote.options


def test_remotes_in_a_circle_are_an_error(write: Callable[..., Settings]) -> None:
    settings = write(repo='[remote "a"]\nurl = remote://b/x\n[remote "b"]\nurl = remote://a/x\n')

    with pytest.raises(ConfigError, match="leads back to itself: a -> b"):
        settings.remote("a")


def test_a_remote_that_is_not_there_is_named(write: Callable[..., Settings]) -> None:
    settings = write(repo='[remote "a"]\nurl = remote://b/x\n')

    with pytest.raises(NoRemote, match="no remote specified in"):
        settings.remote()
    with pytest.raises(UnknownRemote, match="remote 'nope' doesn't exist"):
        settings.remote("nope")
    with pytest.raises(UnknownRemote, match="remote 'b' doesn't exist"):
        settings.remote("a")


@pytest.mark.parametrize(
    ("url", "option", "value"),
    [
        ("webdav://h/p", "bearer_token_command", "touch /tmp/owned"),
        ("s3://b", "configpath", "../aws.cfg"),
        ("s3://b", "credentialpath", "/x"),
        ("s3://b", "ssl_verify", "ca.pem"),
        ("ssh://h/p", "keyfile", "key"),
    ],
)
def test_what_runs_programs_or_names_credentials_counts_only_from_the_users_levels(
    write: Callable[..., Settings], url: str, option: str, value: str
) -> None:
    """Hostile input S5: reading a cloned repository runs nothing."""
    settings = write(repo=f'[remote "a"]\nurl = {url}\n{option} = {value}\n')
    with pytest.raises(ConfigError, match=f"'{option}' of remote 'a' in .dvc/config") as raised:
        settings.remote("a")
    assert "--local a" in str(raised.value.hint)

    trusted = write(local=f'[remote "a"]\n{option} = {value}\n').remote("a")

    assert {option} == trusted.protected == set(trusted.options)


def test_a_switch_of_certificate_checks_is_no_path(write: Callable[..., Settings]) -> None:
    settings = write(repo='[remote "a"]\nurl = s3://b\nssl_verify = False\n')

    assert not settings.remote("a").flag("ssl_verify", True)


def test_a_folder_of_plugins_counts_only_from_the_users_levels(
    write: Callable[..., Settings],
) -> None:
    text = "[hydra]\nplugins_path = ../p\n[core]\nsite_cache_dir = /s\n"

    assert write(repo=text).get("hydra.plugins_path") is None
    assert write(repo=text).get("core.site_cache_dir") is None
    assert "../p" == write(local=text).get("hydra.plugins_path")


def test_a_cache_beside_the_project_is_taken_when_it_is_there(
    write: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()

    settings = write(repo="[cache]\ndir = ../../shared\n")

    assert str(tmp_path / "shared") == settings.get("cache.dir")


def test_a_broken_file_is_named(write: Callable[..., Settings], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        write(local="[core\n")

    assert f"mend the file '{tmp_path}/project/.dvc/config.local'" == raised.value.hint


# -- our own settings ----------------------------------------------------------------------------


def test_our_own_settings_come_from_files_of_their_own(write: Callable[..., Settings]) -> None:
    settings = write(own_global='fsync = "all"\njobs = 3\n', own='fsync = "none"\nnew = 1\n')

    assert "none" == settings.own("fsync", "batch")
    assert 3 == settings.own_integer("jobs")
    assert "" == settings.own("nothing")


def test_the_local_file_of_our_own_settings_wins(write: Callable[..., Settings]) -> None:
    assert "all" == write(own='fsync = "none"', own_local='fsync = "all"').own("fsync")


@pytest.mark.parametrize(
    "text", ["fsync = 1", 'fsync = "some"', "jobs = 0", "jobs = true", "x =", "gc_grace = -1"]
)
def test_a_wrong_value_of_our_own_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_settings(text)


def test_editing_our_own_settings_keeps_comments() -> None:
    text = "# ours\njobs = 2  # few\n"

    assert "# ours\njobs = 4  # few\n" == edit_settings(text, "jobs", parse_value("jobs", "4"))
    assert "# ours\n" == edit_settings(text, "jobs", None)


def test_no_hours_of_grace_is_a_value() -> None:
    assert 0 == parse_value("gc_grace", "0") == parse_settings("gc_grace = 0")["gc_grace"]


def test_an_unknown_setting_of_our_own_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"there is no setting 'pannier\.foo'") as raised:
        parse_value("foo", "x")

    assert (
        "the settings are: pannier.executor.<name>.<option>, pannier.fallback, pannier.fsync,"
        " pannier.gc_grace, pannier.jobs, pannier.remote.<name>.<option>, pannier.undo_days"
        == raised.value.hint
    )
