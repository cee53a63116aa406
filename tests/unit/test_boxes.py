"""cli/boxes: the picture of a graph says what the graph says, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.cli.boxes import TooBig, draw
from pannier.core.graph import Graph


def read(picture: str, names: list[str]) -> dict[str, set[str]]:
    """Follows the lines of a picture as a person would: name -> names of the boxes below it."""
    rows = picture.split("\n")
    width = max(map(len, rows))
    rows = [row.ljust(width) for row in rows]
    boxes: dict[str, tuple[int, int, int]] = {}
    inside: dict[tuple[int, int], str] = {}
    for name in names:
        (row,) = [at for at, text in enumerate(rows) if f" {name} " in text]
        middle = rows[row].index(f" {name} ")
        left, right = rows[row].rindex("|", 0, middle + 1), rows[row].index("|", middle + 1)
        boxes[name] = (row + 1, left, right)
        for at in range(left, right + 1):
            inside |= {(row + up, at): name for up in (-1, 0, 1)}
    found = {}
    for name, (bottom, left, right) in boxes.items():
        reached: set[str] = set()
        pending = [(bottom + 1, at) for at in range(left, right + 1)]
        seen = set()
        while pending:
            row, at = pending.pop()
            if (row, at) in seen or row >= len(rows):
                continue
            seen.add((row, at))
            if (row, at) in inside:
                if row > bottom + 1:  # the next part of the graph stands right below
                    reached.add(inside[row, at])
                continue
            if rows[row][at] == "|":
                pending.append((row + 1, at))
            elif rows[row][at] == "+":
                for step in (-1, 1):
                    here = at
                    while 0 <= here + step < width and rows[row][here + step] in "-|+":
                        here += step
                        if rows[row][here] == "+":
                            pending.append((row, here))
                if rows[row + 1][at] in "|+":
                    pending.append((row + 1, at))
        found[name] = reached
    return found


def graphs(count: int) -> st.SearchStrategy[list[list[int]]]:
    """Graphs without cycles: a node needs some of those before it."""
    return st.integers(1, count).flatmap(
        lambda n: st.tuples(
            *(st.lists(st.integers(0, max(at - 1, 0)), max_size=min(at, 4)) for at in range(n))
        ).map(list)
    )


@settings(max_examples=100, deadline=None)
@given(graphs(14), st.integers(0, 9))
def test_whoever_follows_the_lines_finds_the_edges_of_the_graph(
    needs: list[list[int]], longer: int
) -> None:
    names = [f"n{at}{'x' * (at * longer % 7)}" for at in range(len(needs))]
    graph = Graph(needs)

    picture = draw(names, graph)

    expected = {
        name: {names[each] for each in users}
        for name, users in zip(names, graph.needed_by, strict=True)
    }
    assert read(picture, names) == expected, "\n" + picture


def test_a_chain_is_one_straight_line() -> None:
    assert draw(["in.dvc", "train"], Graph([[], [0]])) == "\n".join(
        [
            "+--------+",
            "| in.dvc |",
            "+--------+",
            "     |",
            "     |",
            " +-------+",
            " | train |",
            " +-------+",
        ]
    )


def test_what_all_of_a_group_lead_to_has_one_line() -> None:
    picture = draw(["a", "b", "c", "z"], Graph([[], [], [], [0, 1, 2]]))

    assert picture.count("-+") == 3 * 2 + 2 + 2  # the boxes' corners, and one line's ends


def test_a_box_is_as_wide_as_the_lines_that_reach_it() -> None:
    """Ten nodes with a child of their own, and one child of all: no two lines become one."""
    names = [*"abcdefghij", "z", *"ABCDEFGHIJ"]
    graph = Graph([[]] * 10 + [list(range(10))] + [[at] for at in range(10)])

    found = read(draw(names, graph), names)

    assert found["a"] == {"A", "z"}
    assert [found[each] for each in "bej"] == [{"B", "z"}, {"E", "z"}, {"J", "z"}]


def test_groups_that_need_each_other_and_a_node_that_needs_itself_are_drawn() -> None:
    assert "| b |" in draw(["a", "b"], Graph([[1, 0], [0]]))


def test_wide_characters_take_two_columns() -> None:
    assert draw(["数据"], Graph([[]])) == "+------+\n| 数据 |\n+------+"


def test_a_graph_that_nobody_could_look_at_is_not_drawn() -> None:
    count = 3000
    every = [list(range(at)) for at in range(0, count)]
    try:
        draw([str(at) for at in range(count)], Graph(every[:700]))
    except TooBig:
        return
    raise AssertionError("it was drawn")
