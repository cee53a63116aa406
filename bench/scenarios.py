"""What is measured: each scenario is one project's life, its steps are rows of the table."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from measure import Figures, measure, run

OURS, SHIPPED, DVC, PLAIN, PLAIN_SYNC = "ours", "ours as shipped", "DVC", "plain", "plain + sync"
CONTESTANTS = (OURS, SHIPPED, DVC, PLAIN, PLAIN_SYNC)
PAST_S = 1_700_000_000  # when the data was written: no tool can call it just changed


@dataclass(frozen=True, slots=True)
class Server:
    """An S3 server on this machine and an empty bucket in it for each run."""

    endpoint: str
    key_id: str
    secret: str
    new_bucket: Callable[[], str]
    s5cmd: str


@dataclass(frozen=True, slots=True)
class SshServer:
    """OpenSSH's server on this machine. far_port: the same with a long way to it."""

    port: int
    far_port: int
    key: Path
    let_in: Callable[[Path, int], None]


@dataclass(slots=True)
class Bench:
    """One contestant on one fresh ground. program: absolute path of the `dvc` to run."""

    contestant: str
    ground: Path
    program: str
    server: Server | SshServer | None = None
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = self.ground / "home"
        home.mkdir()
        kept = {k: os.environ[k] for k in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if k in os.environ}
        self.env = kept | {
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "DVC_SITE_CACHE_DIR": str(home / "site"),
            "DVC_NO_ANALYTICS": "1",
            "CI": "1",
        }
        if isinstance(self.server, Server):
            self.env |= {
                "AWS_ACCESS_KEY_ID": self.server.key_id,
                "AWS_SECRET_ACCESS_KEY": self.server.secret,
                "AWS_REGION": "us-east-1",
            }

    @property
    def is_plain(self) -> bool:
        return self.contestant in (PLAIN, PLAIN_SYNC)

    @property
    def repo(self) -> Path:
        return self.ground / "repo"

    def start(self, link_type: str = "hardlink") -> None:
        """A project, ready to add. Plain tools get a folder of the same place."""
        self.repo.mkdir()
        if self.is_plain:
            return
        run(["git", "init", "-q"], cwd=self.repo, env=self.env)
        self.prepare("init", "-q")
        self.prepare("config", "cache.type", link_type)
        self.prepare("remote", "add", "-d", "store", str(self.ground / "remote"))
        if self.contestant == OURS:
            self.prepare("config", "pannier.fsync", "none")

    def prepare(self, *args: str) -> None:
        """A step of the program that is not measured."""
        run([self.program, *args], cwd=self.repo, env=self.env)

    def shell(self, script: str) -> None:
        run(["bash", "-ec", script], cwd=self.repo, env=self.env)

    def settle(self) -> None:
        """All that was prepared is on the disk, so that nobody pays for it in the next step."""
        run(["sync", "-f", str(self.ground)], cwd=self.ground, env=self.env)

    def time(self, args: list[str], plain: str | None) -> Figures | None:
        """Measures the program's command, or the plain tools' script, or nothing without one."""
        self.settle()
        if not self.is_plain:
            return measure([self.program, *args], cwd=self.repo, env=self.env)
        if plain is None:
            return None
        script = plain + ("; sync -f ." if self.contestant == PLAIN_SYNC else "")
        return measure(["bash", "-ec", script], cwd=self.repo, env=self.env)


def write_tree(root: Path, files: int, size_bytes: int, per_folder: int = 1000) -> None:
    """files of random bytes in folders of per_folder, with times in the past."""
    rng = random.Random(files)
    for first in range(0, files, per_folder):
        folder = root / f"{first // per_folder:04}"
        folder.mkdir(parents=True)
        for number in range(first, min(files, first + per_folder)):
            path = folder / f"{number:07}.bin"
            path.write_bytes(rng.randbytes(size_bytes))
            os.utime(path, (PAST_S, PAST_S))


Step = tuple[str, Figures | None]
MD5 = "find data -type f -print0 | xargs -0 -P2 -n500 md5sum > ../sums"


def start_up(bench: Bench, scale: float) -> Iterator[Step]:
    bench.start()
    yield "version", bench.time(["--version"], None)
    (bench.repo / "data").mkdir()
    (bench.repo / "data/a").write_text("a")
    if not bench.is_plain:
        bench.prepare("add", "data")
        bench.prepare("status")
    yield "status-tiny", bench.time(["status"], None)


def tree(files: int, size_bytes: int, name: str) -> Callable[[Bench, float], Iterator[Step]]:
    """The life of one folder: add, status, a change, push, checkout, pull.

    What has to be gone is moved away, not deleted: so every step meets a file system on which
    nothing was ever deleted, which is what a fresh one is.
    """

    def life(bench: Bench, scale: float) -> Iterator[Step]:
        bench.start()
        write_tree(bench.repo / "data", max(1, int(files * scale)), size_bytes)
        yield (
            f"add-{name}",
            bench.time(["add", "data"], f"{MD5}; mkdir ../cache; cp -al data ../cache/data"),
        )
        if not bench.is_plain:
            bench.prepare("status")
        yield (
            f"status-{name}",
            bench.time(["status"], "find data -printf '%p %s %T@ %i\\n' > ../list"),
        )
        yield f"list-{name}", bench.time(["list", ".", "-R", "--json"], None)
        yield f"push-{name}", bench.time(["push"], "cp -r ../cache ../remote")
        bench.shell("mv data ../away")
        yield f"checkout-{name}", bench.time(["checkout"], "cp -al ../cache/data data")
        bench.shell("mv data ../away2; if [ -e .dvc ]; then mv .dvc/cache ../away3; fi")
        yield (
            f"pull-{name}",
            bench.time(["pull"], "cp -r ../remote ../cache2; cp -al ../cache2/data data"),
        )
        changed = bench.repo / "data" / "0000" / "0000000.bin"
        bench.shell(f"rm -f {changed}; echo changed > {changed}")
        yield f"change-{name}", bench.time(["add", "data"], None)
        bench.shell("mv data ../away4; mkdir data; echo new > data/new")
        yield f"part-{name}", bench.time(["add", "data/new"], None)

    return life


def pointers(bench: Bench, scale: float) -> Iterator[Step]:
    """A pointer for each of 1,000 small files, in folders of 50."""
    bench.start()
    write_tree(bench.repo / "data", max(1, int(1000 * scale)), 1024, per_folder=50)
    names = sorted(str(path.relative_to(bench.repo)) for path in bench.repo.glob("data/*/*.bin"))
    if not bench.is_plain:
        bench.prepare("add", "-q", *names)
        bench.prepare("push", "-q")
        bench.prepare("status")
    yield "status-pointers", bench.time(["status"], "find data -printf '%p %s %T@ %i\\n' > ../list")
    yield "checkout-pointers", bench.time(["checkout"], None)
    yield "push-pointers", bench.time(["push"], None)
    one = names[len(names) // 2]
    bench.shell(f"mv {one} ../away; if [ -e .dvc ]; then mv .dvc/cache ../away-cache; fi")
    yield "pull-one", bench.time(["pull", one], None)
    bench.shell(f"rm -rf {one} .dvc/cache")
    yield "pull-one-pointer", bench.time(["pull", f"{one}.dvc"], None)


def changes(files: int, name: str) -> Callable[[Bench, float], Iterator[Step]]:
    """What changed: in an unchanged workspace, and between two commits a tenth of which differs.

    Every tenth file is replaced; one in a hundred of those is removed, and one gets another name.
    """

    def life(bench: Bench, scale: float) -> Iterator[Step]:
        if bench.is_plain:  # no plain tool knows what a commit of data held
            return
        count = max(1, int(files * scale))
        bench.start()
        write_tree(bench.repo / "data", count, 256)
        bench.prepare("add", "data")
        bench.shell("git add -A; git -c user.name=b -c user.email=b@x commit -qm one")
        bench.prepare("data", "status", "--json")
        yield f"data-status-{name}", bench.time(["data", "status", "--json"], None)
        for number in range(0, count, 10):
            path = bench.repo / f"data/{number // 1000:04}/{number:07}.bin"
            path.unlink()
            if number % 1000 == 10:
                continue
            path = path.with_suffix(".new") if number % 1000 == 20 else path
            path.write_text(f"changed {number}")
            os.utime(path, (PAST_S, PAST_S))
        bench.prepare("add", "data")
        bench.shell("git add -A; git -c user.name=b -c user.email=b@x commit -qm two")
        bench.prepare("diff", "HEAD~1", "HEAD", "--json")
        yield f"diff-{name}", bench.time(["diff", "HEAD~1", "HEAD", "--json"], None)

    return life


def one_big_file(bench: Bench, scale: float) -> Iterator[Step]:
    bench.start("copy")
    block = random.Random(1).randbytes(1 << 20)
    with open(bench.repo / "big", "wb") as file:
        for number in range(max(1, int(1024 * scale))):
            file.write(number.to_bytes(8, "big") + block[8:])
    os.utime(bench.repo / "big", (PAST_S, PAST_S))
    yield "add-1GiB", bench.time(["add", "big"], "md5sum big > ../sums; cp big ../cache")


def garbage(bench: Bench, scale: float) -> Iterator[Step]:
    """A folder in use and one that was given up, a fifth of all objects; then all is read again."""
    bench.start()
    write_tree(bench.repo / "data", max(1, int(200_000 * scale)), 1024)
    if not bench.is_plain:
        write_tree(bench.repo / "old", max(1, int(50_000 * scale)), 1024)
        bench.prepare("add", "data", "old")
        bench.shell("mv old old.dvc ..")
    yield "gc", bench.time(["gc", "-w", "-f"], None)
    verify = None if bench.contestant == DVC else bench.time(["cache", "verify"], MD5)
    yield "cache-verify", verify


def many_stages(bench: Bench, scale: float) -> Iterator[Step]:
    """A matrix of 2,000 stages between one that all of them need and one that needs all."""
    if bench.is_plain:
        return
    bench.start()
    numbers = list(range(max(1, int(2000 * scale))))
    (bench.repo / "dvc.yaml").write_text(
        "stages:\n"
        "  prepare: {cmd: x, deps: [raw], outs: [features]}\n"
        f"  train:\n    matrix: {{n: {numbers}}}\n"
        '    cmd: x\n    deps: [features]\n    outs: ["models/${item.n}"]\n'
        "  evaluate: {cmd: x, deps: [models]}\n"
    )
    yield "dag", bench.time(["dag"], None)
    yield "dag-mermaid", bench.time(["dag", "--mermaid"], None)


def revisions(bench: Bench, scale: float) -> Iterator[Step]:
    """50 commits of parameters, metrics and plots of ten stages, all of them tagged."""
    if bench.is_plain:
        return
    bench.start()
    stages = "".join(
        f"  s{n}:\n    cmd: x ${{lr}}\n    params: [lr, net.depth]\n"
        f"    metrics: [m{n}.json: {{cache: false}}]\n"
        f"    plots: [p{n}.csv: {{cache: false, x: epoch, y: loss}}]\n"
        for n in range(10)
    )
    (bench.repo / "dvc.yaml").write_text(f"stages:\n{stages}")
    tags = [f"v{number}" for number in range(max(2, int(50 * scale)))]
    for number, tag in enumerate(tags):
        (bench.repo / "params.yaml").write_text(f"lr: {number / 100}\nnet: {{depth: {number}}}\n")
        for n in range(10):
            metrics = f'{{"acc": {number / 50}, "loss": {{"train": {n}, "test": {n / 3}}}}}'
            (bench.repo / f"m{n}.json").write_text(metrics)
            rows = "".join(f"{e},{(number + n) / (e + 1)}\n" for e in range(200))
            (bench.repo / f"p{n}.csv").write_text(f"epoch,loss\n{rows}")
        bench.shell(f"git add -A; git -c user.name=b -c user.email=b@x commit -qm {tag}")
        bench.shell(f"git tag {tag}")
    yield "params-diff", bench.time(["params", "diff", tags[0], tags[-1], "--json"], None)
    yield "metrics-diff", bench.time(["metrics", "diff", tags[0], tags[-1], "--json"], None)
    yield "metrics-show-50", bench.time(["metrics", "show", "-T", "--json"], None)
    yield "plots-diff-50", bench.time(["plots", "diff", *tags, "--json", "-o", "out"], None)


def million(bench: Bench, scale: float) -> Iterator[Step]:
    """Only for its memory: no other tool is made to wait for it."""
    if bench.contestant != SHIPPED:
        return
    bench.start()
    write_tree(bench.repo / "data", max(1, int(1_000_000 * scale)), 256)
    yield "add-million", bench.time(["add", "data"], None)
    bench.shell("mv data ../away")
    yield "checkout-million", bench.time(["checkout"], None)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. faster: times faster than DVC at least; plain: times plain at most."""

    id: str
    title: str
    faster: float | None = None
    plain: float | None = None


ROWS = [
    Row("version", "`--version`", 3),
    Row("status-tiny", "`status` in a tiny repository", 4),
    Row("add-20k", "`add` 20,000 x 4 KiB", 3, 1.6),
    Row("add-200k", "`add` 200,000 x 1 KiB", 5, 1.6),
    Row("status-20k", "`status`, nothing changed, 20,000", 8, 2.5),
    Row("status-200k", "`status`, nothing changed, 200,000", 10, 2.5),
    Row("list-20k", "`list -R --json`, 20,000"),
    Row("list-200k", "`list -R --json`, 200,000", 8),
    Row("checkout-20k", "`checkout` after the folder was deleted, 20,000", 5, 1.6),
    Row("checkout-200k", "`checkout` after the folder was deleted, 200,000", 6, 1.6),
    Row("push-20k", "`push` to a folder, 20,000", 3, 1.5),
    Row("push-200k", "`push` to a folder, 200,000", 4, 1.5),
    Row("pull-20k", "`pull` from a folder, 20,000", 3, 1.5),
    Row("pull-200k", "`pull` from a folder, 200,000", 4, 1.5),
    Row("change-200k", "one file changed among 200,000, `add` again", 8),
    Row("part-200k", "`add` one file to 200,000 that are not checked out", 10),
    Row("status-pointers", "`status`, nothing changed, 1,000 pointers", 8),
    Row("checkout-pointers", "`checkout`, nothing changed, 1,000 pointers", 8),
    Row("push-pointers", "`push`, nothing new, 1,000 pointers", 8),
    Row("pull-one", "`pull` of one of 1,000, by the file's name", 8),
    Row("pull-one-pointer", "`pull` of one of 1,000, by its pointer's name", 8),
    Row("gc", "`gc` with 200,000 x 1 KiB in use and 50,000 not", 5),
    Row("cache-verify", "`cache verify` of the 200,000 in use", None, 1.3),
    Row("data-status-200k", "`data status --json`, nothing changed, 200,000", 10),
    Row("diff-200k", "`diff --json` of two commits, a tenth of 200,000 changed", 8),
    Row("dag", "`dag` of 2,000 stages", 8),
    Row("dag-mermaid", "`dag --mermaid` of 2,000 stages", 8),
    Row("params-diff", "`params diff --json` of the first and last of 50 commits", 5),
    Row("metrics-diff", "`metrics diff --json` of the first and last of 50 commits", 5),
    Row("metrics-show-50", "`metrics show -T --json` of 50 commits", 5),
    Row("plots-diff-50", "`plots diff --json` of 50 commits, ten tables of 200 rows", 5),
    Row("add-1GiB", "`add` one 1 GiB file (copy)", 1.3, 1.2),
    Row("add-million", "`add` 1,000,000 x 256 B"),
    Row("checkout-million", "`checkout` of them"),
]

# name: (life, rows it yields, the server that it needs)
SCENARIOS: dict[str, tuple[Callable[[Bench, float], Iterator[Step]], list[str], str]] = {
    "start-up": (start_up, ["version", "status-tiny"], ""),
    "20k": (
        tree(20_000, 4096, "20k"),
        [f"{op}-20k" for op in ("add", "status", "list", "push", "checkout", "pull")],
        "",
    ),
    "200k": (
        tree(200_000, 1024, "200k"),
        [
            f"{op}-200k"
            for op in ("add", "status", "push", "checkout", "pull", "change", "part", "list")
        ],
        "",
    ),
    "pointers": (
        pointers,
        [
            "status-pointers",
            "checkout-pointers",
            "push-pointers",
            "pull-one",
            "pull-one-pointer",
        ],
        "",
    ),
    "gc": (garbage, ["gc", "cache-verify"], ""),
    "changes-200k": (changes(200_000, "200k"), ["data-status-200k", "diff-200k"], ""),
    "stages": (many_stages, ["dag", "dag-mermaid"], ""),
    "revisions": (
        revisions,
        ["params-diff", "metrics-diff", "metrics-show-50", "plots-diff-50"],
        "",
    ),
    "1GiB": (one_big_file, ["add-1GiB"], ""),
    "million": (million, ["add-million", "checkout-million"], ""),
}


def version_of(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()
