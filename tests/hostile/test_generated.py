"""Pointers, lists, lock files and settings as a generator makes them: from the grammar, hostile
values in every place, then bent at random.

Each example is put into one project, and status, checkout and add run on it, forked from a warm
process: nothing outside changes, nothing of outside comes in, nothing of the user's is lost, nobody
crashes or takes long. `make test` runs for some seconds, `make test-long` for minutes.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.crash import World, everything, md5
from tests.support.hostile import EVIL, faults_in, harm, outside, put, report

MINE = b"the user's own\n"
MANIFEST = json.dumps([{"md5": md5(EVIL), "relpath": "inside.txt"}]).encode()

# -- the values that matter ----

PARTS = st.sampled_from(
    [
        *(
            "..",
            ".",
            "",
            ".git",
            ".GIT",
            "git~1",
            ".git ",
            ".g\u200cit",
            ".dvc",
            ".DVC",
            "link",
            "data",
        ),
        *("a", "hooks", "config", "tmp", "cache", ".gitignore", ".dvcignore", "x.dvc", "dvc.yaml"),
        *(
            "\u00e4",
            "a\u0308",
            "n" * 255,
            "n" * 256,
            "new\nline",
            "back\\slash",
            "\x7f",
            "~",
            "$HOME",
        ),
    ]
)
PATHS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=5).map("/".join),
    st.sampled_from(
        [
            *(
                "/etc/passwd",
                "../../canary/secret.txt",
                "../canary/new",
                "mine",
                "folder",
                "folder/mine",
            ),
            *("link/secret.txt", "link", "folder/link/x", "s3://b/x", "file:///etc/passwd", "~/x"),
            *(
                "remote://there/x",
                "C:\\x",
                "//host/share",
                "\0",
                "data\0/../../canary/x",
                "x" * 5000,
            ),
        ]
    ),
)
DIGESTS = st.one_of(
    st.sampled_from(
        [
            *(md5(EVIL), md5(EVIL).upper(), md5(MANIFEST) + ".dir", md5(EVIL) + ".dir", md5(b"")),
            *(
                "../../../../canary/secret.txt",
                "0" * 31,
                "0" * 33,
                "",
                "0" * 32 + "\n",
                "d/../../x",
            ),
            *("\u0660" * 32, "0" * 32 + ".dir.dir", "0" * 30 + "..", ".." + "0" * 30),
        ]
    ),
    st.text("0123456789abcdef", min_size=32, max_size=32),
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([[], {}, [[]], {"a": {"b": []}}, "", "null", "!!python/object:os.system x"]),
)


def mostly(good: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """What belongs in a place, and sometimes something else."""
    return st.integers(0, 24).flatmap(lambda n: ODD if n == 13 else good)


def some_of(fields: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=fields)


OUT = st.fixed_dictionaries(
    {"path": mostly(PATHS), "md5": mostly(DIGESTS)},
    optional={
        "hash": mostly(st.sampled_from(["md5", "md5", "md5", "sha256", "md5-dos2unix"])),
        "size": mostly(st.integers(0, 99)),
        "nfiles": mostly(st.integers(0, 99)),
        "isexec": mostly(st.booleans()),
        "cache": mostly(st.booleans()),
        "push": mostly(st.booleans()),
        "remote": mostly(st.sampled_from(["there", "nowhere"])),
    },
)
WITH_FILES = st.fixed_dictionaries(
    {
        "path": st.just("data"),
        "files": st.lists(
            st.fixed_dictionaries(
                {"relpath": mostly(PATHS), "md5": mostly(DIGESTS), "size": mostly(st.just(1))}
            ),
            min_size=1,
            max_size=2,
        ),
    }
)
POINTER = st.fixed_dictionaries(
    {"outs": mostly(st.lists(OUT, min_size=1, max_size=2))},
    optional={
        "deps": mostly(st.lists(OUT, max_size=1)),
        "wdir": mostly(st.one_of(PATHS, st.sampled_from([".", "..", "folder", "link"]))),
        "frozen": mostly(st.booleans()),
        "md5": mostly(DIGESTS),
        "meta": ODD,
        "cmd": mostly(st.just("touch ../canary/ran")),
    },
)
ROWS = st.lists(
    st.fixed_dictionaries({"md5": mostly(DIGESTS), "relpath": mostly(PATHS)}), max_size=3
)
LOCKED = some_of({"path": mostly(PATHS), "hash": st.just("md5"), "md5": mostly(DIGESTS)})


def lock_and_pipeline(path: str, digest: str, more: dict[str, object]) -> dict[str, object]:
    """A stage with one output, and what the lock file says of it."""
    stage = {"cmd": "touch ../canary/ran", "outs": [path]}
    entry = {"path": path, "hash": "md5", "md5": digest}
    locked = {"cmd": stage["cmd"], "outs": [entry], **more}
    return {
        "dvc.yaml": {"stages": {"s": stage}},
        "dvc.lock": {"schema": "2.0", "stages": {"s": locked}},
    }


LOCK = st.builds(
    lock_and_pipeline,
    PATHS,
    DIGESTS,
    some_of({"outs": mostly(st.lists(LOCKED, max_size=3)), "deps": st.lists(LOCKED, max_size=2)}),
)
PIPELINE = some_of(
    {
        "vars": mostly(st.lists(st.one_of(PATHS, some_of({"x": ODD})), max_size=2)),
        "stages": mostly(
            some_of(
                {
                    "s": mostly(
                        some_of(
                            {
                                "cmd": mostly(st.just("touch ../canary/ran; echo ${x}")),
                                "wdir": mostly(PATHS),
                                "outs": mostly(st.lists(mostly(PATHS), max_size=3)),
                                "deps": mostly(st.lists(mostly(PATHS), max_size=3)),
                                "params": mostly(st.lists(mostly(PATHS), max_size=2)),
                                "foreach": mostly(st.sampled_from(["${x}", [1, 2], {"a": 1}])),
                                "matrix": mostly(st.just({"a": list(range(40)), "b": "${x}"})),
                                "do": mostly(some_of({"cmd": st.just("${item}")})),
                            }
                        )
                    )
                }
            )
        ),
    }
)
OPTIONS = st.sampled_from(
    [
        *("url = ../../remote", "url = ../canary", "url = s3://b/x", "jobs = -1"),
        *("credentialpath = ../x", "configpath = ../x", "keyfile = /etc/passwd"),
        *("bearer_token_command = touch ../canary/ran", "url = remote://there"),
        *("dir = ../../shared", "dir = /proc/x", "shared = group", "type = symlink"),
        *("remote = there", "no_scm = true", "site_cache_dir = ../canary", "x = %(x)s"),
        *("plugins_path = ../canary", "fsync = none", '"""', "= = =", "\0", "\ufeff", "[[[x]"),
    ]
)
SECTIONS = st.sampled_from(
    ["[core]", "[cache]", "['remote \"there\"']", "[remote]", "[hydra]", "[x]", "[core", "[[core]]"]
)
CONFIG = st.lists(st.tuples(SECTIONS, st.lists(OPTIONS, max_size=3)), max_size=4).map(
    lambda parts: "\n".join(f"{head}\n    " + "\n    ".join(lines) for head, lines in parts)
)


def bend(
    texts: st.SearchStrategy[bytes],
) -> st.SearchStrategy[bytes]:
    """Texts, half of them with a piece cut out, doubled, or exchanged for junk."""
    junk = st.one_of(
        st.binary(max_size=4),
        st.sampled_from([b"&a", b"*a", b"<<: *a", b"\n", b"- ", b": ", b"!!binary ", b"\t", b"%"]),
    )

    def apply(data: bytes, at: int, count: int, piece: bytes, how: int) -> bytes:
        at = at % (len(data) + 1)
        if how == 0:
            return data[:at] + data[at + count :]
        if how == 1:
            return data[: at + count] + data[at:]
        return data[:at] + piece + data[at + count :]

    bent = st.builds(apply, texts, st.integers(0, 500), st.integers(0, 20), junk, st.integers(0, 2))
    return st.one_of(texts, bent)


def as_yaml(value: object) -> bytes:
    """JSON is YAML: so values stand there exactly as they are meant."""
    return (json.dumps(value, indent=1) + "\n").encode("utf-8", "surrogatepass")


POINTERS = bend(POINTER.map(as_yaml))
EXAMPLE = st.one_of(
    st.fixed_dictionaries({"x.dvc": POINTERS}),
    st.fixed_dictionaries({"folder/y.dvc": POINTERS}),
    st.fixed_dictionaries({"x.dvc": POINTERS, "folder/y.dvc": POINTERS}),
    st.fixed_dictionaries({"x.dvc": WITH_FILES.map(lambda out: as_yaml({"outs": [out]}))}),
    st.just({"x.dvc": as_yaml({"outs": [{"path": "data", "md5": md5(MANIFEST) + ".dir"}]})}),
    LOCK.map(lambda files: {path: as_yaml(value) for path, value in files.items()}),
    st.fixed_dictionaries(
        {"dvc.yaml": bend(PIPELINE.map(as_yaml))},
        optional={"params.yaml": bend(ODD.map(lambda value: as_yaml({"x": value})))},
    ),
    st.fixed_dictionaries(
        {".dvc/config": bend(CONFIG.map(lambda text: text.encode("utf-8", "surrogatepass")))}
    ),
    st.fixed_dictionaries(
        {".dvcignore": bend(st.lists(PATHS, max_size=4).map(lambda p: "\n".join(p).encode()))}
    ),
)
COMMANDS = (
    ("status",),
    ("checkout", "--force"),
    ("add", "fresh"),
    ("checkout",),
    ("commit", "--force"),
    ("pull", "--force"),
    ("push",),
    ("add", "folder/mine"),
)
FRESH = {"fresh": b"fresh\n", "folder/mine": MINE, "mine": MINE}


@dataclass(slots=True)
class Place:
    """One project for all examples; what an example leaves is put away after it."""

    world: World
    before: dict[str, object]

    @contextmanager
    def holding(self, files: dict[str, bytes], rows: bytes) -> Iterator[World]:
        world = self.world
        put(world, rows, ".dir")
        for path, data in files.items():
            world.write(path, data)
        try:
            yield world
        finally:
            self.clean()

    def clean(self) -> None:
        world = self.world
        for entry in list(world.repo.iterdir()):
            if entry.name != ".git":
                world.remove(f"repo/{entry.name}")
        world.remove("remote", "xdg")
        world.remote.mkdir()
        (world.repo / ".dvc").mkdir()
        world.links("copy")
        (world.repo / "link").symlink_to("../canary")
        (world.repo / "folder").mkdir()
        (world.repo / "folder/link").symlink_to("../../canary")
        for path, data in FRESH.items():
            world.write(path, data)
        put(world, EVIL)
        put(world, MANIFEST, ".dir")


def gone(world: World) -> list[str]:
    """The user's own files: there, or in the cache. --force gives up what is not saved, so what a
    forced checkout replaced counts only where the pointer did not ask for that very path."""
    kept = {thing.data for thing in everything(world.repo).values() if thing.kind == "file"}
    return [path for path, data in FRESH.items() if data not in kept and path == "fresh"]


@pytest.fixture
def place(world: World) -> Place:
    made = Place(world, {})
    made.clean()
    shutil.rmtree(world.repo / ".git/info", ignore_errors=True)
    made.before = dict(outside(world))
    return made


LISTS = bend(ROWS.map(lambda rows: json.dumps(rows).encode()))


def run_examples(place: Place, seconds: float, most: int, *, same: bool = False) -> None:
    """Examples until the time is over; hypothesis shrinks what fails. same: those of every run."""
    end = time.monotonic() + seconds

    @settings(
        max_examples=most,
        deadline=None,
        derandomize=same,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        files=EXAMPLE, rows=bend(ROWS.map(lambda r: json.dumps(r).encode())), turn=st.integers(0, 7)
    )
    def examine(files: dict[str, bytes], rows: bytes, turn: int) -> None:
        if time.monotonic() > end:
            return
        with place.holding(files, rows) as world:
            name = md5(rows)
            for path in files:
                text = (world.repo / path).read_bytes()
                fixed = text.replace((md5(MANIFEST) + ".dir").encode(), (name + ".dir").encode())
                (world.repo / path).write_bytes(fixed)
            told = []
            for words in [COMMANDS[(turn + n) % len(COMMANDS)] for n in range(2)]:
                told += faults_in(world.run(*words, seconds=60))
            told += harm(world, place.before, ())  # type: ignore[arg-type]
            told += [f"{path} is gone" for path in gone(world)]

        assert not told, report(told)

    examine()


def test_generated_repositories_do_no_harm(place: Place) -> None:
    run_examples(place, seconds=20, most=60, same=True)


@pytest.mark.long
def test_many_generated_repositories_do_no_harm(place: Place) -> None:
    run_examples(place, seconds=900, most=4000)


def test_the_canaries_sing(place: Place) -> None:
    """Each kind of harm is seen by the very checks that the examples go through."""
    acts: list[Callable[[World], object]] = [
        lambda world: (world.base / "canary/ran").touch(),
        lambda world: (world.base / "canary/secret.txt").write_bytes(b"x"),
        lambda world: (world.repo / "leaked").write_bytes(
            (world.base / "canary/secret.txt").read_bytes()
        ),
        lambda world: (world.repo / "fresh").unlink(),
    ]
    heard = []
    for act in reversed(acts):
        with place.holding({}, b"[]") as world:
            act(world)
            heard.append(bool(harm(world, place.before, ()) or gone(world)))  # type: ignore[arg-type]

    assert [True] * len(acts) == heard
