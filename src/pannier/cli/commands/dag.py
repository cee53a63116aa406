"""dvc dag."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.boxes import TooBig, draw
from pannier.cli.context import Context, Options
from pannier.cli.pager import page
from pannier.cli.selection import root_cwd
from pannier.ops.dag import Dag, DagOptions, dag


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dot", action="store_true", help="Print the graph for Graphviz.")
    parser.add_argument("--mermaid", action="store_true", help="Print the graph for Mermaid.")
    parser.add_argument(
        "--md", action="store_true", help="Print the graph for Mermaid, in a Markdown block."
    )
    parser.add_argument(
        "--collapse-foreach-matrix",
        action="store_true",
        help="One node for all stages of a `foreach` or `matrix`.",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="All that hangs together with the target, not only what it needs.",
    )
    parser.add_argument("-o", "--outs", action="store_true", help="Show outputs instead of stages.")
    parser.add_argument(
        "target", nargs="?", help="Stage or output to show (default: all of the project)."
    )


def run(ctx: Context, opts: Options) -> int:
    wanted = DagOptions(
        target=opts.target,
        full=opts.full,
        outs=opts.outs,
        collapse=opts.collapse_foreach_matrix,
        cwd=root_cwd(ctx),
    )
    found = dag(ctx.project, wanted)
    if opts.dot:
        ctx.ui.write(_as_dot(found))
    elif opts.md:
        ctx.ui.write(f"```mermaid\n{_as_mermaid(found)}\n```")
    elif opts.mermaid:
        ctx.ui.write(_as_mermaid(found))
    else:
        try:
            page(ctx, draw(found.names, found.graph))
        except TooBig:
            ctx.ui.warn("the graph is too big to be drawn: this is what each node needs")
            ctx.ui.hint("'--dot' and '--mermaid' give it to a program that draws")
            page(ctx, _as_list(found))
    return 0


def _as_dot(found: Dag) -> str:
    names = [f'"{name}"' for name in found.names]
    lines = [f"{name};" for name in names]
    for node, users in enumerate(found.graph.needed_by):
        lines += [f"{names[node]} -> {names[user]};" for user in users]
    return "\n".join(["strict digraph {", *lines, "}", ""])


def _as_mermaid(found: Dag) -> str:
    lines = ["flowchart TD"]
    count = 0
    for part in found.graph.components():
        ids: dict[int, str] = {}
        for node in sorted(part, key=found.names.__getitem__):
            count += 1
            ids[node] = f"node{count}"
            lines.append(f'\t{ids[node]}["{found.names[node]}"]')
        edges = ((needed, node) for node in part for needed in found.graph.needs[node])
        named = sorted((found.names[a], found.names[b], ids[a], ids[b]) for a, b in edges)
        lines += [f"\t{a}-->{b}" for _, _, a, b in named]
    return "\n".join(lines)


def _as_list(found: Dag) -> str:
    rows = zip(found.names, found.graph.needs, strict=True)
    return "\n".join(
        f"{name}: {', '.join(found.names[each] for each in those) or '-'}" for name, those in rows
    )
