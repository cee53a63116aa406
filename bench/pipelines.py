"""What is measured of pipelines. The state before is written here, as both programs write it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from scenarios import DVC, Bench, Row, Step

HEAD = "schema: '2.0'\nstages:\n"


def _object(bench: Bench, data: bytes) -> str:
    """Puts bytes into the cache of the project; returns their digest."""
    name = hashlib.md5(data, usedforsecurity=False).hexdigest()
    path = bench.repo / f".dvc/cache/files/md5/{name[:2]}/{name[2:]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(data)
        path.chmod(0o444)
    return name


def _entry(name: str, cmd: str, deps: dict[str, bytes], out: str, made: str, size: int) -> str:
    lines = [f"  {name}:", f"    cmd: {cmd}", "    deps:"]
    for path, data in sorted(deps.items()):
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        lines += [f"    - path: {path}", "      hash: md5", f"      md5: {digest}"]
        lines += [f"      size: {len(data)}"]
    lines += ["    outs:", f"    - path: {out}", "      hash: md5", f"      md5: {made}"]
    return "\n".join([*lines, f"      size: {size}", ""])


def _many(bench: Bench, count: int) -> None:
    """count stages of three dependencies each, all up to date."""
    (bench.repo / "in").mkdir()
    pipeline, lock = ["stages:\n"], [HEAD]
    for number in range(count):
        deps = {f"in/{3 * number + each}": f"{number} {each}\n".encode() for each in range(3)}
        for path, data in deps.items():
            (bench.repo / path).write_bytes(data)
        made = f"{number}\n".encode()
        (bench.repo / f"o{number}").write_bytes(made)
        cmd = f"echo {number} > o{number}"
        listed = ", ".join(deps)
        pipeline.append(
            f"  s{number}:\n    cmd: {cmd}\n    deps: [{listed}]\n    outs: [o{number}]\n"
        )
        name = _object(bench, made)
        lock.append(_entry(f"s{number}", cmd, deps, f"o{number}", name, len(made)))
    (bench.repo / "dvc.yaml").write_text("".join(pipeline))
    (bench.repo / "dvc.lock").write_text("".join(lock))


def nothing(bench: Bench, scale: float) -> Iterator[Step]:
    if bench.is_plain:
        return
    bench.start("copy")
    _many(bench, max(1, int(200 * scale)))
    bench.prepare("repro")
    yield "repro-nothing", bench.time(["repro"], None)


def one_changed(bench: Bench, scale: float) -> Iterator[Step]:
    if bench.is_plain:
        return
    bench.start("copy")
    _many(bench, max(1, int(300 * scale)))
    bench.prepare("repro")
    (bench.repo / "in/0").write_text("changed\n")
    yield "repro-one", bench.time(["repro"], None)


def matrix(bench: Bench, scale: float) -> Iterator[Step]:
    if bench.is_plain:
        return
    bench.start("copy")
    side = max(1, int(100 * scale))
    (bench.repo / "in").write_bytes(b"x\n")
    axes, others = (", ".join(map(str, range(count))) for count in (side, 20))
    (bench.repo / "dvc.yaml").write_text(
        f"stages:\n  m:\n    matrix:\n      a: [{axes}]\n      b: [{others}]\n"
        "    cmd: echo ${item.a} ${item.b} > o-${item.a}-${item.b}\n    deps: [in]\n"
        '    outs: ["o-${item.a}-${item.b}"]\n'
    )
    lock = [HEAD]
    for a in range(side):
        for b in range(20):
            made, out = f"{a} {b}\n".encode(), f"o-{a}-{b}"
            (bench.repo / out).write_bytes(made)
            name = _object(bench, made)
            cmd = f"echo {a} {b} > {out}"
            lock.append(_entry(f"m@{a}-{b}", cmd, {"in": b"x\n"}, out, name, len(made)))
    (bench.repo / "dvc.lock").write_text("".join(lock))
    bench.prepare("repro")
    yield "repro-matrix", bench.time(["repro"], None)


def waiting(bench: Bench, scale: float) -> Iterator[Step]:
    """Stages that do nothing but wait: what is beyond the critical path of two seconds is ours."""
    bench.start("copy")
    count = max(1, int(32 * scale))
    lines = [
        f"  s{n}:\n    cmd: sleep 1; echo {n} > o{n}\n    outs: [o{n}]\n" for n in range(count)
    ]
    if not bench.is_plain:
        (bench.repo / "dvc.yaml").write_text("stages:\n" + "".join(lines))
    args = ["repro"] if bench.contestant == DVC else ["repro", "-j", "16"]
    plain = f"seq {count} | xargs -P 16 -I N sh -c 'sleep 1; echo N > oN'"
    yield "repro-waiting", bench.time(args, plain)


def first_run(bench: Bench, scale: float) -> Iterator[Step]:
    bench.start("copy")
    count = max(1, int(100 * scale))
    if not bench.is_plain:
        _many(bench, count)
        for path in ("dvc.lock", *(f"o{n}" for n in range(count))):
            (bench.repo / path).unlink()
        bench.shell("rm -rf .dvc/cache/files")
    yield (
        "repro-first",
        bench.time(["repro"], f'for n in $(seq {count}); do sh -c "echo $n" > o$n; done'),
    )


ROWS = [
    Row("repro-nothing", "`repro`, nothing to do, 200 stages x 3 dependencies", 8),
    Row("repro-matrix", "`repro`, nothing to do, a matrix of 2,000 stages", 10),
    Row("repro-one", "`repro`, one of 300 stages changed", 8),
    Row("repro-first", "`repro`, 100 stages that never ran"),
    Row("repro-waiting", "`repro -j 16`, 32 stages that wait a second", None, 1.3),
]

SCENARIOS: dict[str, tuple[Callable[[Bench, float], Iterator[Step]], list[str], str]] = {
    "repro-nothing": (nothing, ["repro-nothing"], ""),
    "repro-matrix": (matrix, ["repro-matrix"], ""),
    "repro-one": (one_changed, ["repro-one"], ""),
    "repro-first": (first_run, ["repro-first"], ""),
    "repro-waiting": (waiting, ["repro-waiting"], ""),
}
