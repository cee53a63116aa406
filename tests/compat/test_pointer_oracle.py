"""Pointers go back and forth between DVC and us without a byte of difference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pannier.core.digest import LEGACY, MD5, Digest
from pannier.core.stage import Meta, Out, Stage
from pannier.formats import pointer
from tests.support.oracle import Oracle
from tests.support.programs import Program, run
from tests.support.project import make_project

CONTENT = b"old\n"
NEW_CONTENT = b"new content\n"

NAMES = (
    "plain.csv",
    "two words.txt",
    "a  b",
    "é ü.bin",
    "日本.txt",
    "'quoted'",
    '"double"',
    "#hash",
    "!bang",
    "st*r",
    "[list]",
    "{map}",
    "a: b",
    "a:b",
    "a #b",
    "a#b",
    "- dash",
    "-dash",
    "? mark",
    "@at",
    "`tick",
    "%pc",
    "&and",
    "=",
    "null",
    "true",
    "on",
    "yes",
    "~",
    "1234",
    "010",
    "0x1F",
    "1e3",
    "1.5",
    "1_000",
    ".5",
    "12:30",
    "2024-01-31",
    "2024-01-31 10:00:00",
    ".inf",
    "3.14.15",
    "back\\slash",
    "trailing ",
    "comma, name",
    "a,b",
    "pipe|",
    "x" * 120,
    "long name with blanks " * 6 + "end",
    "word " * 12 + "y" * 40,
    "tab\there",
    "emoji 😀",
)

# What a person may have made of a pointer before the data changed. {md5} is the old content's.
EDITED = {
    "generated": "outs:\n- md5: {md5}\n  size: 4\n  hash: md5\n  path: {name}\n",
    "legacy": "outs:\n- md5: {md5}\n  size: 4\n  path: {name}\n",
    "legacy-bare": "outs:\n- md5: {md5}\n  path: {name}\n",
    "path-first": "outs:\n- path: {name}\n  hash: md5\n  md5: {md5}\n  size: 4\n",
    "comments": "# top\nouts:  # outs\n# before\n- md5: {md5}  # c\n  size: 4\n  hash: md5\n"
    "  path: {name}  # p\n# end\n",
    "annotations": "desc: top desc\nmeta:\n  owner: me\nouts:\n- md5: {md5}   # c2\n"
    "  path: {name}\n  cache: true\n  desc: some\n  type: model\n  labels: [x, y]\n"
    "  remote: lr\n  push: false\n  persist: true\n",
    "flow": "outs: [{{md5: {md5}, size: 4, hash: md5, path: {name}}}]\n",
    "quoted": "outs:\n- md5: '{md5}'\n  size: 4\n  hash: 'md5'\n  path: \"{name}\"\n",
    "indented": "outs:\n    -   md5: {md5}\n        size: 4\n        hash: md5\n"
    "        path: {name}\n",
    "frozen": "frozen: true\nouts:\n- md5: {md5}\n  size: 4\n  hash: md5\n  path: {name}\n",
    "defaults": "frozen: false\nwdir: .\nouts:\n- md5: {md5}\n  size: 4\n  hash: md5\n"
    "  path: ./{name}\n  isexec: false\n  persist: false\n  push: true\n",
    "meta": "outs:\n- md5: {md5}\n  size: 4\n  hash: md5\n  path: {name}\n"
    "  meta: {{on: yes, n: 010, f: 1e3}}\nmeta: [1, two, null]\n",
    "no-digest": "outs:\n- hash: md5\n  path: {name}\n",
    "block-text": "desc: |\n  two\n  lines\nouts:\n- md5: {md5}\n  hash: md5\n  path: {name}\n"
    "  desc: >-\n    folded\n    text\n",
}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("pointers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(root / "site"))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        folder = root / "project"
        folder.mkdir()
        oracle("init", "--no-scm", cwd=folder, check=True)
        (folder / ".dvc/config").write_text(
            "[core]\n    no_scm = True\n['remote \"lr\"']\n    url = /nowhere\n"
        )
        yield folder


def stage_of(name: str, data: bytes) -> Stage:
    out = Out(path=name, digest=Digest(MD5, md5(data)), meta=Meta(len(data)))
    return Stage(file=name + ".dvc", outs=(out,))


def test_new_pointers_are_those_of_dvc_whatever_the_name(shared: Path, oracle: Oracle) -> None:
    folder = shared / "names"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())

    oracle("add", "--", *NAMES, cwd=folder, check=True)

    assert {name: (folder / f"{name}.dvc").read_bytes() for name in NAMES} == {
        name: pointer.dump(stage_of(name, name.encode()), None) for name in NAMES
    }


def test_what_dvc_wrote_is_read_and_written_back_unchanged(shared: Path, oracle: Oracle) -> None:
    folder = shared / "kinds"
    (folder / "tree/sub").mkdir(parents=True)
    (folder / "tree/sub/f").write_bytes(b"1")
    (folder / "empty").mkdir()
    (folder / "none").touch()
    (folder / "run.sh").write_bytes(b"#!")
    (folder / "run.sh").chmod(0o755)
    names = ["tree", "empty", "none", "run.sh"]

    oracle("add", *names, cwd=folder, check=True)

    for name in names:
        data = (folder / f"{name}.dvc").read_bytes()
        assert data == pointer.dump(pointer.parse(data, f"kinds/{name}.dvc"), None)


def test_pointers_of_ours_are_clean_for_dvc(shared: Path, oracle: Oracle) -> None:
    folder = shared / "ours"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
        stage = stage_of(name, name.encode())
        (folder / f"{name}.dvc").write_bytes(pointer.dump(stage, None))

    oracle("commit", "-f", "-R", ".", cwd=folder, check=True)
    status = oracle("status", "--json", "-R", ".", cwd=folder, check=True)

    assert {} == json.loads(status.stdout)


def test_an_edited_pointer_changes_as_dvc_changes_it(shared: Path, oracle: Oracle) -> None:
    """Comments, order and flow style stay; only what DVC changes is changed, in the same way."""
    folder = shared / "edited"
    folder.mkdir()
    before = {}
    for name, text in EDITED.items():
        before[name] = text.format(md5=md5(CONTENT), name=name).encode()
        (folder / f"{name}.dvc").write_bytes(before[name])
        (folder / name).write_bytes(NEW_CONTENT)

    oracle("add", *EDITED, cwd=folder, check=True)

    for name, text in before.items():
        stage = pointer.parse(text, f"edited/{name}.dvc")
        out = replace(
            stage.outs[0], digest=Digest(MD5, md5(NEW_CONTENT)), meta=Meta(len(NEW_CONTENT))
        )
        ours = pointer.dump(replace(stage, outs=(out,)), text)
        assert (folder / f"{name}.dvc").read_bytes() == ours, name


def test_a_file_that_becomes_a_directory_changes_as_dvc_changes_it(
    shared: Path, oracle: Oracle
) -> None:
    folder = shared / "turned"
    (folder / "d").mkdir(parents=True)
    (folder / "d/f").write_bytes(b"1")
    previous = EDITED["generated"].format(md5=md5(CONTENT), name="d").encode()
    (folder / "d.dvc").write_bytes(previous)

    oracle("add", "d", cwd=folder, check=True)

    written = (folder / "d.dvc").read_bytes()
    stage = pointer.parse(written, "turned/d.dvc")
    assert written == pointer.dump(stage, previous)
    assert previous == pointer.dump(pointer.parse(previous, "turned/d.dvc"), written)


def test_several_outputs_of_one_pointer_change_as_dvc_changes_them(
    shared: Path, oracle: Oracle
) -> None:
    folder = shared / "several"
    folder.mkdir()
    names = ("a", "b", "c")
    previous = "outs:\n" + "".join(
        f"- md5: {md5(CONTENT)}\n  size: 4\n  path: {name}\n" for name in names
    )
    (folder / "all.dvc").write_text(previous)
    for name in names:
        (folder / name).write_bytes(NEW_CONTENT)

    oracle("commit", "-f", "all.dvc", cwd=folder, check=True)

    stage = pointer.parse(previous.encode(), "several/all.dvc")
    assert [LEGACY] * 3 == [out.digest.algorithm for out in stage.outs if out.digest]
    outs = tuple(
        replace(out, digest=Digest(MD5, md5(NEW_CONTENT)), meta=Meta(len(NEW_CONTENT)))
        for out in stage.outs
    )
    assert (folder / "all.dvc").read_bytes() == pointer.dump(
        replace(stage, outs=outs), previous.encode()
    )


@pytest.fixture(scope="module")
def imports(shared: Path, oracle: Oracle) -> list[Path]:
    """Pointers of every kind of import that needs no network."""
    folder = shared / "imports"
    folder.mkdir()
    source = shared.parent / "source"
    (source / "dd").mkdir(parents=True)
    (source / "dd/f").write_bytes(b"1")
    (source / "file").write_bytes(b"2")
    run(["git", "init", "-q"], cwd=source, check=True)
    oracle("init", cwd=source, check=True)
    oracle("add", "dd", cwd=source, check=True)
    run(["git", "add", "."], cwd=source, check=True)
    run(["git", "commit", "-qm", "data"], cwd=source, check=True)
    url, path = ["import-url"], str(source)
    oracle(*url, f"{path}/file", "one", cwd=folder, check=True)
    oracle(*url, f"{path}/dd", "two", cwd=folder, check=True)
    oracle(*url, "--no-exec", f"{path}/file", "three", cwd=folder, check=True)
    oracle(*url, "--no-download", f"{path}/file", "four", cwd=folder, check=True)
    oracle("import", path, "dd", "-o", "five", cwd=folder, check=True)
    oracle("import", "--no-exec", path, "file", "-o", "six", cwd=folder, check=True)
    (folder / "sub").mkdir()
    oracle(*url, "../../source/file", "sub/seven", cwd=folder)
    return sorted(folder.rglob("*.dvc"))


def test_imports_are_read_and_written_back_unchanged(shared: Path, imports: list[Path]) -> None:
    assert len(imports) >= 6
    for path in imports:
        data = path.read_bytes()
        stage = pointer.parse(data, path.relative_to(shared).as_posix())
        assert data == pointer.dump(stage, data)
        assert data == pointer.dump(stage, None)


def test_the_checksum_of_an_import_is_that_of_dvc(shared: Path, imports: list[Path]) -> None:
    found = []
    for path in imports:
        stage = pointer.parse(path.read_bytes(), path.relative_to(shared).as_posix())
        assert stage.is_import
        if stage.md5:
            assert stage.md5 == stage.computed_md5 == pointer.stage_checksum(stage)
            found.append(stage.md5)

    assert len(found) >= 4


def test_versions_of_two_remotes_in_one_pointer_are_read_by_neither(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    """So no remote with cloud versions can be the copy of another (decision 134)."""
    root = make_project(tmp_path / "p", dvc).root
    (root / "f").write_text("f\n")
    dvc("add", "f", cwd=root, check=True)
    file = root / "f.dvc"
    versions = ["  cloud:\n"] + [
        f"    {name}:\n      etag: {'a' * 32}\n      version_id: {name}\n"
        for name in ("one", "two")
    ]
    one, two = ("".join([file.read_text(), *versions[:count]]) for count in (2, 3))

    for program in (oracle, dvc):
        file.write_text(one)
        assert 0 == program("status", cwd=root).rc
        file.write_text(two)
        refused = program("status", cwd=root)
        assert 0 != refused.rc
        assert "length of value must be at most 1" in refused.stderr
