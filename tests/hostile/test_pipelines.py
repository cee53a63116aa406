"""Pipelines and lock files of a stranger: every command reads them, and nothing of them runs."""

from __future__ import annotations

import pytest

from tests.support.crash import World, everything, md5
from tests.support.hostile import EVIL, faults_in, harm, outside, put_manifest, report

STAGE = "stages:\n  s:\n    cmd: touch ../canary/ran\n    outs:\n    - {path}\n"
LOCK = (
    "schema: '2.0'\nstages:\n  s:\n    cmd: touch ../canary/ran\n    outs:\n"
    "    - path: {path}\n      hash: md5\n      md5: {digest}\n"
)


def lay(world: World, path: str, digest: str) -> None:
    (world.repo / "dvc.yaml").write_text(STAGE.format(path=path))
    (world.repo / "dvc.lock").write_text(LOCK.format(path=path, digest=digest))


@pytest.mark.parametrize(
    "digest",
    ["../../../../canary/secret.txt", "/etc/passwd", "0" * 31, "[1]", "12345", "0" * 32 + "/.."],
)
def test_a_lock_file_whose_digest_is_none_reaches_nothing(digest: str, world: World) -> None:
    """S2, in a lock file."""
    lay(world, "data", digest)
    before = outside(world)

    told = harm(world, before)

    assert not told, report(told)
    done = world.run("checkout")
    assert done.rc != 0
    assert "dvc.lock" in done.stderr


@pytest.mark.parametrize(
    "path",
    ["../canary/evil", ".git/config", ".GIT/hooks/x", ".dvc/config", ".gitignore", "link/evil"],
)
def test_a_stage_whose_output_is_no_place_for_data_is_refused(path: str, world: World) -> None:
    """S3, S4, in a pipeline."""
    (world.repo / "link").symlink_to(world.base / "canary")
    lay(world, path, md5(EVIL))
    before = outside(world)

    told = harm(world, before)

    assert not told, report(told)
    assert world.run("checkout").rc != 0
    found = everything(world.repo)
    assert [] == [p for p, t in found.items() if t.data == EVIL and not p.startswith(".dvc/cache")]


def test_a_stages_directory_obeys_the_path_rule(world: World) -> None:
    lay(world, "data", put_manifest(world, "fine", "../../canary/evil"))
    before = outside(world)

    told = harm(world, before)

    assert not told, report(told)
    assert world.run("checkout").rc != 0


NUMBERS = ", ".join(map(str, range(200)))
GROWING = {
    "matrix": f"stages:\n  s:\n    matrix:\n      a: [{NUMBERS}]\n      b: [{NUMBERS}]\n"
    f"      c: [{NUMBERS}]\n      d: [{NUMBERS}]\n    cmd: echo ${{item.a}}\n",
    "foreach of foreach": f"vars:\n- a: [{NUMBERS}]\nstages:\n"
    + "".join(f"  s{n}:\n    foreach: ${{a}}\n    do: {{cmd: '${{item}}'}}\n" for n in range(60)),
    "text of text": f"vars:\n- a: {'x' * 60_000}\nstages:\n  s:\n    foreach: [{NUMBERS}]\n"
    f"    do: {{cmd: '{'${a}' * 500}'}}\n",
    "deep expression": "stages:\n  s:\n    cmd: echo ${a" + "[0]" * 20_000 + "}\n",
    "unended": "stages:\n  s:\n    cmd: " + "${" * 100_000 + "\n",
    "many outputs": "stages:\n  s:\n    cmd: x\n    outs:\n" + "    - a\n" * 30_000,
}


@pytest.mark.parametrize("kind", GROWING)
def test_a_small_pipeline_does_not_become_a_big_one(kind: str, world: World) -> None:
    """S9: time and memory stay bounded; whether it is an error is another matter."""
    (world.repo / "dvc.yaml").write_text(GROWING[kind])

    told = [
        line
        for words in (("status",), ("push",))
        for line in faults_in(world.run(*words, seconds=60))
    ]

    assert not told, report(told)


@pytest.mark.parametrize("count", [1, 10, 40])
def test_no_pattern_takes_for_ever(count: int, world: World) -> None:
    """A pattern of many stars on a long name: all ways to divide the name must not be tried."""
    (world.repo / ".dvcignore").write_text("*a" * count + "b\n")
    world.write("new/" + "a" * 250, b"x")
    world.write("new/" + "/".join("a" * 60), b"x")

    done = world.run("add", "new", seconds=20)

    assert [] == faults_in(done)
    assert 0 == done.rc
