"""Pointers: what is read, what is refused and with which words, what is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.errors import InvalidFile
from pannier.core.manifest import Manifest
from pannier.core.stage import Dep, Meta, Out, Stage
from pannier.formats import pointer

HEX = "344fd2323dd33d5c058b7cf27de029e8"
OTHER = "202e6dd7d4eb35c2bae3f51a79fea084"
FILE = "sub/x.dvc"


def parse(text: str, file: str = FILE, **options: Any) -> Stage:
    return pointer.parse(text.encode(), file, **options)


def refused(text: str, file: str = FILE) -> InvalidFile:
    with pytest.raises(InvalidFile) as caught:
        parse(text, file)
    return caught.value


def out_of(text: str) -> Out:
    (out,) = parse(text).outs
    return out


def test_a_pointer_of_a_file_is_read() -> None:
    text = f"outs:\n- md5: {HEX}\n  size: 8\n  hash: md5\n  path: f.csv\n"

    assert parse(text) == Stage(
        file=FILE, wdir="sub", outs=(Out("f.csv", Digest(MD5, HEX), Meta(8)),)
    )


def test_a_pointer_of_a_directory_is_read() -> None:
    text = f"outs:\n- md5: {HEX}.dir\n  size: 17\n  nfiles: 3\n  hash: md5\n  path: data\n"

    assert Out("data", Digest(MD5, HEX + ".dir"), Meta(17, 3)) == out_of(text)


def test_an_executable_is_read() -> None:
    text = f"outs:\n- md5: {HEX}\n  size: 8\n  isexec: true\n  hash: md5\n  path: run\n"

    assert Out("run", Digest(MD5, HEX), Meta(8, None, True)) == out_of(text)


def test_several_outputs_are_read_in_order() -> None:
    text = f"outs:\n- md5: {HEX}\n  path: b\n- hash: md5\n  path: a\n"

    assert (Out("b", Digest(LEGACY, HEX)), Out("a")) == parse(text).outs


def test_an_entry_without_hash_is_of_the_legacy_kind() -> None:
    assert Digest(LEGACY, HEX) == out_of(f"outs:\n- md5: {HEX}\n  path: a\n").digest


@pytest.mark.parametrize("value", ["''", "", "null"])
def test_an_empty_digest_is_none(value: str) -> None:
    assert out_of(f"outs:\n- md5: {value}\n  hash: md5\n  path: a\n").digest is None


def test_a_digest_of_digits_only_is_read_with_and_without_quotes() -> None:
    digits = "12345678901234567890123456789012"

    assert Digest(LEGACY, digits) == out_of(f"outs:\n- md5: {digits}\n  path: a\n").digest
    assert Digest(LEGACY, digits) == out_of(f"outs:\n- md5: '{digits}'\n  path: a\n").digest


def test_a_digest_in_capitals_is_lowered() -> None:
    assert Digest(LEGACY, HEX) == out_of(f"outs:\n- md5: {HEX.upper()}\n  path: a\n").digest


def test_every_key_of_an_output_is_read() -> None:
    text = f"""\
outs:
- md5: {HEX}
  size: 4
  version_id: v1
  hash: md5
  path: a
  fs_config: {{k: v}}
  desc: dd
  type: model
  labels: [x, y]
  meta: {{on: yes}}
  cache: false
  metric: true
  persist: true
  remote: r
  push: false
  cloud: {{r: {{etag: abc, version_id: z}}}}
"""

    assert Out(
        path="a",
        digest=Digest(MD5, HEX),
        meta=Meta(4),
        cache=False,
        persist=True,
        push=False,
        remote="r",
        cloud={"r": {"etag": "abc", "version_id": "z"}},
        extra={
            "version_id": "v1",
            "fs_config": {"k": "v"},
            "desc": "dd",
            "type": "model",
            "labels": ["x", "y"],
            "meta": {"on": "yes"},
            "metric": True,
        },
    ) == out_of(text)


def test_every_key_of_the_file_is_read() -> None:
    text = (
        "desc: d\nmd5: abc\nwdir: ..\nfrozen: true\nalways_changed: true\nmeta: {a: 1}\n"
        "outs:\n- path: a\n"
    )

    assert parse(text) == Stage(
        file=FILE,
        wdir="",
        outs=(Out("a"),),
        frozen=True,
        always_changed=True,
        md5="abc",
        desc="d",
    )


def test_locked_is_an_old_word_for_frozen() -> None:
    assert parse("locked: true\nouts:\n- path: a\n").frozen


def test_paths_start_at_the_working_directory() -> None:
    stage = parse("wdir: ../data\nouts:\n- path: ./a//b/\n")

    assert ("data", "a/b", "data/a/b") == (
        stage.wdir,
        stage.outs[0].path,
        stage.path_of(stage.outs[0]),
    )


def test_a_versioned_directory_has_the_digest_of_its_list() -> None:
    text = f"""\
outs:
- hash: md5
  path: data
  files:
  - relpath: b
    md5: {OTHER}
    size: 2
    cloud: {{r: {{etag: abc, version_id: z}}}}
  - relpath: a
    md5: {HEX}
    size: 3
"""
    out = out_of(text)

    expected = Manifest.of([("a", HEX), ("b", OTHER)]).digest_hex()
    assert (Digest(MD5, expected), Meta(5, 2)) == (out.digest, out.meta)
    assert out.files
    assert ["b", "a"] == [row["relpath"] for row in out.files]


def test_an_empty_list_of_files_is_no_list() -> None:
    """DVC once wrote it when an upload failed (docs/formats.md, section 9)."""
    out = out_of(f"outs:\n- md5: {HEX}.dir\n  path: a\n  files: []\n")

    assert (None, Digest(LEGACY, HEX + ".dir")) == (out.files, out.digest)


def test_an_import_from_a_project_is_read() -> None:
    text = """\
md5: be6c71a61c52255c3b407aa5348c5f46
frozen: true
deps:
- path: dd
  repo:
    url: ../src
    rev: v1
    rev_lock: eea514039fbe4714fa2c34742da2da9c23d30f11
outs:
- md5: 54b54253ad8811d32f23d02f8db37553.dir
  size: 4
  nfiles: 2
  hash: md5
  path: dd
"""
    stage = parse(text)

    repo = {
        "url": "../src",
        "rev": "v1",
        "rev_lock": "eea514039fbe4714fa2c34742da2da9c23d30f11",
    }
    assert (Dep("dd", repo=repo),) == stage.deps
    assert stage.is_import
    assert text.encode() == pointer.dump(stage, None)


def test_the_checksum_of_an_import_leaves_out_what_may_change_freely() -> None:
    """A real file of DVC (docs/formats.md, 8.2) and variations of it."""
    text = """\
md5: 459809842836381c0105857ab5b49da7
frozen: true
deps:
- checksum: '"ec1bebaea2c042beb68f7679ddd106a4"'
  size: 8
  hash: md5
  path: http://127.0.0.1:18765/f.txt
  fs_config:
    method: GET
outs:
- md5: ec1bebaea2c042beb68f7679ddd106a4
  size: 8
  hash: md5
  path: fc
"""
    stage = parse(text)
    described = replace(stage, desc="d", frozen=False, md5=None)
    moved = replace(stage, outs=(replace(stage.outs[0], path="other"),))

    assert stage.md5 == stage.computed_md5
    assert stage.md5 == pointer.stage_checksum(described)
    assert stage.md5 != pointer.stage_checksum(moved)


@pytest.mark.parametrize(
    ("fields", "dep"),
    [
        (
            f"md5: {HEX}\n  size: 3\n  hash: md5\n  path: ../../far/./f",
            Dep("../../far/f", Digest(MD5, HEX), meta=Meta(3)),
        ),
        ("path: /data/f", Dep("/data/f")),
        (
            "etag: AbC\n  size: 3\n  version_id: v\n  hash: md5\n  path: s3://b/k",
            Dep("s3://b/k", checksum=("etag", "AbC"), meta=Meta(3), extra={"version_id": "v"}),
        ),
        (
            f"md5: {HEX}.dir\n  size: 3\n  nfiles: 2\n  hash: md5\n  path: s3://b/k",
            Dep("s3://b/k", checksum=("md5", HEX + ".dir"), meta=Meta(3, 2)),
        ),
        (
            "hash: md5\n  path: remote://r/d\n  files:\n  - {relpath: x, etag: abc, size: 2}",
            Dep("remote://r/d", files=({"relpath": "x", "etag": "abc", "size": 2},)),
        ),
        (
            "db: {query: select 1, connection: c, file_format: json}",
            Dep("", db={"query": "select 1", "connection": "c", "file_format": "json"}),
        ),
        ("path: ds://name", Dep("ds://name")),
    ],
)
def test_dependencies_of_every_kind_are_read_and_written_back(fields: str, dep: Dep) -> None:
    text = f"deps:\n- {fields}\nouts:\n- hash: md5\n  path: a\n"
    stage = parse(text)

    assert (dep,) == stage.deps
    assert (dep,) == pointer.parse(pointer.dump(stage, None), FILE).deps
    assert (dep,) == pointer.parse(pointer.dump(stage, text.encode()), FILE).deps


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("", "it is empty", None),
        ("# only a comment\n", "it is empty", None),
        ("desc: x\n", "it names neither outputs nor dependencies", 1),
        ("outs: []\n", "it names neither outputs nor dependencies", 1),
        ("outs:\n", "it names neither outputs nor dependencies", 1),
        ("outs:\n- path: a", "its last line has no end, it may have been cut", 2),
        ("- a\n", "expected a dictionary", 1),
        ("outs: {a: b}\n", "expected a list, in outs", 1),
        ("outs: [a]\n", "expected a dictionary, in outs -> 0", 1),
        ("foo: 1\nouts:\n- path: a\n", "extra keys not allowed, in foo", 1),
        ("cmd: echo\nouts:\n- path: a\n", "extra keys not allowed, in cmd", 1),
        ("outs:\n- path: a\n  foo: 1\n", "extra keys not allowed, in outs -> 0 -> foo", 3),
        (f"outs:\n- md5: {HEX}\n", "required key not provided, in outs -> 0 -> path", 2),
        ("outs:\n- path: 3\n", "expected str, in outs -> 0 -> path", 2),
        ('outs:\n- path: "a\\0b"\n', "it contains a NUL character, in outs -> 0 -> path", 2),
        ("outs:\n- path: a\n  size: x\n", "expected int, in outs -> 0 -> size", 3),
        ("outs:\n- path: a\n  size: true\n", "expected int, in outs -> 0 -> size", 3),
        ("outs:\n- path: a\n  size: -1\n", "expected a number that is not negative, in outs", 3),
        ("outs:\n- path: a\n  isexec: yes\n", "expected bool, in outs -> 0 -> isexec", 3),
        ("outs:\n- path: a\n  labels: [1]\n", "expected str, in outs -> 0 -> labels", 3),
        ("outs:\n- path: a\n  hash: sha1\n", "not a valid value, in outs -> 0 -> hash", 3),
        ("outs:\n- path: a\n  md5: 12\n", "not a valid value, in outs -> 0 -> md5", 3),
        ("outs:\n- path: a\n  md5: [1]\n", "not a valid value, in outs -> 0 -> md5", 3),
        ("outs:\n- path: a\n  md5: 123\n", "123 is not an MD5 digest, in outs -> 0 -> md5", 3),
        (f"outs:\n- md5: ../{HEX[3:]}\n  path: a\n", "is not an MD5 digest", 2),
        (f"outs:\n- md5: {HEX}.dir.dir\n  path: a\n", "is not an MD5 digest", 2),
        (
            "outs:\n- path: a\n  cloud: {r: {etag: abc}, q: {etag: abc}}\n",
            "length of value must be at most 1, in outs -> 0 -> cloud",
            3,
        ),
        ("outs:\n- path: a\n  files: x\n", "expected a list, in outs -> 0 -> files", 3),
        (
            "outs:\n- path: a\n  files:\n  - md5: abc\n",
            "required key not provided, in outs -> 0 -> files -> 0 -> relpath",
            4,
        ),
        (f"outs:\n- path: a\n  files: [{{relpath: ../x, md5: {HEX}}}]\n", "is not allowed", 3),
        (
            "outs:\n- path: a\n  files:\n" + f"  - {{relpath: x, md5: {HEX}}}\n" * 2,
            "the path 'x' is listed twice, in outs -> 0 -> files",
            3,
        ),
        (
            "outs:\n- path: a\n  files: [{relpath: x, md5: ../../../etc}]\n",
            "is not an MD5 digest, in outs -> 0 -> files -> 0 -> md5",
            3,
        ),
        ("deps:\n- md5: abc\n", "required key not provided, in deps -> 0 -> path", 2),
        (
            "deps:\n- path: a\n  repo: {rev: x}\n",
            "required key not provided, in deps -> 0 -> repo -> url",
            3,
        ),
        (
            "deps:\n- path: a\n  repo: {url: u, path: b}\n",
            "extra keys not allowed, in deps -> 0 -> repo -> path",
            3,
        ),
        ("deps:\n- path: a\n  desc: x\n", "extra keys not allowed, in deps -> 0 -> desc", 3),
        (f"deps:\n- path: a\n  md5: {HEX[1:]}\n", "is not an MD5 digest, in deps", 3),
        ("frozen: 3\nouts:\n- path: a\n", "expected bool, in frozen", 1),
        ("wdir: 3\nouts:\n- path: a\n", "expected str, in wdir", 1),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, reason: str, line: int | None) -> None:
    error = refused(text)

    assert reason in error.reason
    assert (FILE, line) == (error.path, error.line)


@pytest.mark.parametrize(
    "path",
    [
        "../../x",
        "/abs",
        "a/../../../x",
        "s3://bucket/x",
        "..",
        ".git/config",
        "a/.GIT/hooks/x",
        "git~1/config",
        ".g\u200cit/config",
        ".dvc/config",
        "../.dvc/tmp/x",
        "a/.DVC/x",
        "a/.dvc",
        "y.dvc",
        "dvc.yaml",
        "dvc.lock",
        ".gitignore",
        "a/.gitattributes",
        ".dvcignore",
        ".",
        "../sub",
    ],
)
def test_a_path_that_no_output_may_have_is_refused(path: str) -> None:
    for text in (
        f"outs:\n- md5: {HEX}\n  size: 8\n  hash: md5\n  path: {path}\n",
        f"outs:\n- path: {path}\n  desc: slow form\n",
        f"wdir: ../sub\nouts:\n- path: {path}\n",
    ):
        assert f"the path '{path}' cannot be an output" in refused(text).reason.replace(
            "\\u200c", "\u200c"
        )


@pytest.mark.parametrize("file", ["x.dvc", "a/b/x.dvc"])
def test_the_project_itself_is_no_output(file: str) -> None:
    up = "/".join([".."] * file.count("/")) or "."

    assert "cannot be an output" in refused(f"outs:\n- path: {up}\n", file).reason


@pytest.mark.parametrize("file", [".git/x.dvc", ".dvc/tmp/x.dvc", "a/.dvc/x.dvc"])
def test_a_pointer_in_a_folder_of_git_or_dvc_declares_no_output(file: str) -> None:
    text = f"outs:\n- md5: {HEX}\n  size: 8\n  hash: md5\n  path: a\n"

    assert "cannot be an output" in refused(text, file).reason


@pytest.mark.parametrize(
    "path", [".hidden", "..data", "...", "a.dvc/b", "dvc.yaml.bak", "x.git", "a~b", ".dvcfoo/x"]
)
def test_a_path_that_only_looks_odd_is_an_output(path: str) -> None:
    text = f"outs:\n- md5: {HEX}\n  size: 8\n  hash: md5\n  path: {path}\n"

    assert path == out_of(text).path
    assert text.encode() == pointer.dump(parse(text), None)


@pytest.mark.parametrize("path", ["/abs/x", "s3://b/x", "../../x"])
def test_an_output_that_git_or_nobody_keeps_may_lie_outside(path: str) -> None:
    assert path == out_of(f"outs:\n- path: {path}\n  cache: false\n").path


def test_a_file_out_of_git_needs_no_newline_at_its_end() -> None:
    assert "a" == parse("outs:\n- path: a", whole=True).outs[0].path


def test_thirty_thousand_outputs_are_read_quickly() -> None:
    """Linear time: DVC took more than 20 s (docs/durability.md, S9b)."""
    text = "outs:\n" + "".join(f"- path: f{n}\n  desc: x\n" for n in range(30_000))

    assert 30_000 == len(parse(text).outs)


NEW = Stage(file=FILE, wdir="sub", outs=(Out("a", Digest(MD5, OTHER), Meta(5)),))


def test_what_stays_in_a_changed_pointer() -> None:
    """The example of docs/formats.md, 7.3."""
    before = """\
# a comment
desc: top desc
meta:
  owner: me
outs:
- md5: 575c5638d60271457e54ab7d07309502   # c2
  path: f2
  cache: true
  desc: some
  type: model
  labels: [x, y]
  remote: lr
  push: false
  persist: true
"""
    stage = parse(before)
    digest = Digest(MD5, "575c5638d60271457e54ab7d07309502")

    after = pointer.dump(
        replace(stage, outs=(replace(stage.outs[0], digest=digest, meta=Meta(3)),)),
        before.encode(),
    )

    expected = before.replace("  cache: true\n", "") + "  size: 3\n  hash: md5\n"
    assert expected == after.decode()


def test_text_that_stays_keeps_its_form() -> None:
    before = f"""\
desc: |
  two
  lines
outs:
- {{md5: {HEX}, hash: md5, path: a}}
meta: {{n: 010, o: 0x1F, b: [x, y]}}
"""
    stage = parse(before)
    out = replace(stage.outs[0], digest=Digest(MD5, OTHER))

    assert before.replace(HEX, OTHER) == (
        pointer.dump(replace(stage, outs=(out,)), before.encode()).decode()
    )


def test_keys_that_no_longer_hold_go() -> None:
    before = f"outs:\n- md5: {HEX}.dir\n  size: 9\n  nfiles: 2\n  hash: md5\n  path: a\n"

    assert f"outs:\n- md5: {OTHER}\n  size: 5\n  hash: md5\n  path: a\n" == (
        pointer.dump(NEW, before.encode()).decode()
    )


def test_an_entry_without_hash_and_digest_does_not_get_a_hash() -> None:
    before = b"outs:\n- path: a\n  desc: x\n"
    stage = pointer.parse(before, FILE)

    assert b"outs:\n- path: a\n  desc: x\nfrozen: true\n" == pointer.dump(
        replace(stage, frozen=True), before
    )


@pytest.mark.parametrize("before", [None, b"", b" \n"])
def test_a_missing_or_blank_file_is_written_anew(before: bytes | None) -> None:
    assert f"outs:\n- md5: {OTHER}\n  size: 5\n  hash: md5\n  path: a\n".encode() == (
        pointer.dump(NEW, before)
    )


def test_a_broken_file_is_not_written_over() -> None:
    with pytest.raises(InvalidFile):
        pointer.dump(NEW, b"outs: [\n")


def test_everything_is_written_in_the_order_of_dvc() -> None:
    stage = Stage(
        file=FILE,
        wdir="q",
        frozen=True,
        always_changed=True,
        md5="abc",
        desc="d",
        deps=(
            Dep(
                "s3://a/b",
                checksum=("etag", "abc"),
                meta=Meta(3, 2),
                extra={"version_id": "q", "checksum": "zzz", "fs_config": {"profile": "x"}},
            ),
        ),
        outs=(
            Out(
                "a",
                Digest(MD5, HEX),
                Meta(4, 3, True),
                cache=False,
                persist=True,
                push=False,
                remote="rr",
                cloud={"r": {"etag": "xyzw"}},
                extra={
                    "meta": {"z": 1},
                    "labels": ["x"],
                    "type": "t",
                    "desc": "dd",
                    "version_id": "gone: it stands in cloud",
                },
            ),
        ),
    )

    assert f"""\
desc: d
md5: abc
wdir: ../q
frozen: true
deps:
- etag: abc
  size: 3
  nfiles: 2
  version_id: q
  checksum: zzz
  hash: md5
  path: s3://a/b
  fs_config:
    profile: x
outs:
- md5: {HEX}
  size: 4
  nfiles: 3
  isexec: true
  cloud:
    r:
      etag: xyzw
  hash: md5
  path: a
  desc: dd
  type: t
  labels:
  - x
  meta:
    z: 1
  cache: false
  persist: true
  remote: rr
  push: false
always_changed: true
""" == pointer.dump(stage, None).decode()


def test_a_versioned_directory_is_written_as_its_list() -> None:
    files = ({"relpath": "a", "md5": HEX, "size": 2},)
    out = Out("data", Digest(MD5, HEX + ".dir"), Meta(2, 1), files=files)

    assert (
        f"outs:\n- hash: md5\n  path: data\n  files:\n  - relpath: a\n    md5: {HEX}\n    size: 2\n"
    ) == pointer.dump(replace(NEW, outs=(out,)), None).decode()


@pytest.mark.parametrize(
    ("file", "wdir", "text"),
    [
        ("x.dvc", "", None),
        ("x.dvc", "data", "data"),
        ("a/b/x.dvc", "", "../.."),
        ("a/x.dvc", "../out", "../../out"),
        ("x.dvc", "..", ".."),
        ("a/x.dvc", "..", "../.."),
        ("x.dvc", "/abs", "/abs"),
    ],
)
def test_the_working_directory_is_written_from_the_file(
    file: str, wdir: str, text: str | None
) -> None:
    out = Out("out", cache=False)
    data = pointer.dump(Stage(file=file, wdir=wdir, outs=(out,)), None)

    assert (b"wdir" in data) == (text is not None)
    if text is not None:
        assert f"wdir: {text}\n".encode() in data
    assert wdir == pointer.parse(data, file).wdir


def test_names_of_files() -> None:
    assert "data/x.csv.dvc" == pointer.pointer_name("data/x.csv")
    assert pointer.is_pointer_name("x.dvc")
    assert pointer.is_pointer_name("sub/..dvc")
    assert not pointer.is_pointer_name(".dvc")
    assert not pointer.is_pointer_name("sub/.dvc")
    assert not pointer.is_pointer_name("x.dvc.bak")
    assert pointer.is_pipeline_name("sub/dvc.yaml")
    assert not pointer.is_pipeline_name("mydvc.yaml")
