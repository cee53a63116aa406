"""The figures as Markdown tables."""

from __future__ import annotations

import statistics
from typing import TypedDict

from rows import ROWS
from scenarios import DVC, OURS, PLAIN, PLAIN_SYNC, SHIPPED

START, END = "<!-- table: written by bench/run.py -->", "<!-- end of the table -->"
NOTHING = "-"


def number(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def ratio(
    above: float | None,
    below: float | None,
    *,
    least: float | None = None,
    most: float | None = None,
) -> str:
    """`5.2 (>= 5)`; a floor that is missed is set in bold."""
    if above is None or not below:
        return NOTHING
    value = above / below
    floor = f" (>= {least:g})" if least else f" (<= {most:g})" if most else ""
    missed = (least is not None and value < least) or (most is not None and value > most)
    return f"**{value:.2f}**{floor}" if missed else f"{value:.2f}{floor}"


def told_runs(runs: object) -> str:
    return "one run of each" if runs == 1 else f"medians of {runs} interleaved runs"


def table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


class Section(TypedDict):
    """Rows of the table that were measured together. rows: figures of each contestant's runs."""

    title: str
    note: str
    machine: dict[str, object]
    rows: dict[str, dict[str, list[dict[str, float]]]]


def tables(section: Section) -> str:
    results, about = section["rows"], section["machine"]

    def median(row: str, who: str, what: str) -> float | None:
        runs = results.get(row, {}).get(who)
        return statistics.median(figures[what] for figures in runs) if runs else None

    wall, cpu, memory = [], [], []
    for row in ROWS:
        if row.id not in results:
            continue
        ours, shipped, dvc, plain, synced = (
            median(row.id, who, "wall_s") for who in (OURS, SHIPPED, DVC, PLAIN, PLAIN_SYNC)
        )
        wall.append(
            [
                row.title,
                *map(number, (dvc, ours, plain)),
                ratio(dvc, ours, least=row.faster),
                ratio(ours, plain, most=row.plain),
                *map(number, (shipped, synced)),
                ratio(shipped, synced, most=row.plain),
            ]
        )
        used = [median(row.id, who, "cpu_s") for who in (DVC, OURS, SHIPPED, PLAIN)]
        cpu.append([row.title, *map(number, used), ratio(used[0], used[1])])
        peaks = [
            peak / 2**20 if (peak := median(row.id, who, what)) else None
            for who in (DVC, SHIPPED)
            for what in ("largest_bytes", "tree_bytes")
        ]
        memory.append(
            [
                row.title,
                *map(number, peaks),
                ratio(peaks[2], peaks[0], most=0.5),
                ratio(peaks[3], peaks[1], most=0.5),
            ]
        )
    parts = [
        f"### {section['title']}",
        *([section["note"]] if section["note"] else []),
        f"{about['date']}, {about['cores']} cores, {int(str(about['memory_bytes'])) >> 30} GiB, "
        f"Linux {about['kernel']}, Python {about['python']}, ground: {about['ground']}, "
        f"S3: {about.get('s3', 'swift')}; "
        f"{told_runs(about['runs'])}, warm page cache, scale {about['scale']}; "
        f"DVC {about['dvc']}, Pannier {about['ours']}. In brackets the floor; **bold** misses it.",
        "Seconds:",
        table(
            [
                "operation",
                "DVC",
                "Pannier, like for like",
                "plain tools",
                "times faster than DVC",
                "times plain",
                "Pannier, as shipped",
                "plain tools + `sync -f`",
                "times plain",
            ],
            wall,
        ),
        "CPU seconds of the whole process tree:",
        table(
            ["operation", "DVC", "Pannier, like for like", "as shipped", "plain", "DVC / Pannier"],
            cpu,
        ),
        "Peak memory, MiB: of the largest process, and of the tree of processes together:",
        table(
            [
                "operation",
                "DVC, largest",
                "DVC, tree",
                "Pannier, largest",
                "Pannier, tree",
                "largest: share of DVC's",
                "tree: share of DVC's",
            ],
            memory,
        ),
    ]
    return "\n\n".join(parts)


def page_with(page: str, text: str) -> str:
    """The page with the text between its two marks replaced."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{text}\n\n{END}{after}"
