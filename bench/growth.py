"""Measures how the time of each operation grows with the files: `python bench/growth.py`.

One run of our program a size, like for like with the table (nothing is flushed), every size on a
fresh file system. Writes growth.json and the drawing growth.svg, and prints the exponents: of a
straight line through the points on logarithmic axes, 1 being exactly linear.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from measure import GROUNDS, choose_ground
from scenarios import OURS, Bench, tree

HERE = Path(__file__).resolve().parent
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
OPERATIONS = ("add", "status", "list", "push", "checkout", "pull", "change")
COLOURS = ("#1b6ca8", "#c0392b", "#7f8c8d", "#27ae60", "#8e44ad", "#d35400", "#2c3e50")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 460, 60, 20, 120, 50

Points = dict[str, list[tuple[int, float]]]


def measured(where: Path, program: str, sizes: list[int], operations: list[str]) -> Points:
    points: Points = {}
    for size in sizes:
        with GROUNDS[choose_ground(where)](where) as folder:
            wanted = set(operations)
            for step, figures in tree(size, 1024, "n")(Bench(OURS, folder, program), 1.0):
                name = step.rpartition("-")[0]
                if figures is not None and name in wanted:
                    points.setdefault(name, []).append((size, figures.wall_s))
                    print(f"{name:10} {size:9} {figures.wall_s:8.2f} s", flush=True)
                    wanted.discard(name)
                if not wanted:
                    break
    return points


def exponent(points: list[tuple[int, float]]) -> float:
    """The slope of the line of least squares through the logarithms."""
    xs = [math.log(size) for size, _ in points]
    ys = [math.log(seconds) for _, seconds in points]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum(
        (a - x) ** 2 for a in xs
    )


def drawing(points: Points) -> str:
    """An SVG with logarithmic axes; what grows linearly is parallel to the dashed lines."""
    sizes = [size for line in points.values() for size, _ in line]
    times = [seconds for line in points.values() for _, seconds in line]
    low = (math.floor(math.log10(min(sizes))), math.floor(math.log10(min(times))))
    high = (math.ceil(math.log10(max(sizes))), math.ceil(math.log10(max(times))))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(size: float, seconds: float) -> tuple[float, float]:
        x = LEFT + (math.log10(size) - low[0]) / (high[0] - low[0]) * (right - LEFT)
        y = bottom - (math.log10(seconds) - low[1]) / (high[1] - low[1]) * (bottom - TOP)
        return round(x, 1), round(y, 1)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for power in range(low[0], high[0] + 1):
        x, _ = at(10**power, 10 ** low[1])
        out.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in range(low[1], high[1] + 1):
        _, y = at(10 ** low[0], 10.0**power)
        out.append(f'<line x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{10.0**power:g} s</text>')
    for power in range(low[1] - (high[0] - low[0]), high[1] + 1):
        ends = [(10.0 ** low[0] * t, 10.0**power * t) for t in (1, 10.0 ** (high[0] - low[0]))]
        (x1, y1), (x2, y2) = (at(*end) for end in ends)
        out.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#bbb" '
            'stroke-dasharray="4 4" clip-path="url(#inside)"/>'
        )
    out.append(
        f'<clipPath id="inside"><rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" '
        f'height="{bottom - TOP}"/></clipPath>'
    )
    labels = sorted(points, key=lambda name: points[name][-1][1])
    last = float(HEIGHT)
    for name, colour in zip(labels, COLOURS, strict=False):
        line = [at(*point) for point in points[name]]
        path = " ".join(f"{x},{y}" for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in line]
        last = min(line[-1][1] + 4, last - 14)
        text = f"{name} (n^{exponent(points[name]):.2f})"
        out.append(f'<text x="{line[-1][0] + 8}" y="{last}" fill="{colour}">{text}</text>')
    out.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">files of 1 KiB; '
        "dashed: linear growth</text>"
    )
    return "\n".join([*out, "</svg>", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--where", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--ours", default=str(Path(sys.executable).with_name("dvc")))
    args = parser.parse_args()
    sizes = [int(size) for size in args.sizes.split(",")]
    points = measured(args.where, args.ours, sizes, args.operations.split(","))
    (HERE / "growth.json").write_text(json.dumps(points, indent=1) + "\n")
    (HERE / "growth.svg").write_text(drawing(points))
    for name, line in points.items():
        print(f"{name}: n^{exponent(line):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
