"""A graph as boxes and lines of text, what is needed above what needs it.

Nodes stand in layers. Lines run between two layers in tracks of their own: down from a box, along
the track, down to the boxes below; `+` is where lines meet, and a `|` within a `-` only crosses
it. Nodes with the same nodes below share one track. Cost: about linear in the size of the picture.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from pannier.cli.render import wide
from pannier.core.graph import Graph
from pannier.core.record import dataclass, field

GAP = 3
MAX_CELLS = 20_000_000
"""Of a picture; a bigger one is no help to anybody."""
_MAX_PASSES = 200_000
_SWEEPS = 4


class TooBig(Exception):
    """The picture would be too big to be looked at."""


def draw(names: Sequence[str], graph: Graph) -> str:
    """The picture, one part that hangs together after the other. Raises TooBig."""
    pictures = []
    for part in graph.components():
        kept, inner = graph.part(part)
        pictures += _Picture([names[at] for at in kept], inner).lines()
    return "\n".join(pictures)


@dataclass(slots=True)
class _Net:
    """Lines that are joined: from all of `tops`, to all of `ends`, which lie in the next layer."""

    tops: list[int]
    ends: list[int]
    ports: list[int] = field(default_factory=list)


class _Picture:
    """One part of a graph. Beside its nodes there are passes: a line on its way through a layer."""

    def __init__(self, names: list[str], graph: Graph) -> None:
        self.names = names
        needs = _without_cycles(graph)
        depth = _depths(needs)
        self.layers: list[list[int]] = [[] for _ in range(max(depth) + 1)]
        self.below: list[list[int]] = [[] for _ in names]
        for node, at in enumerate(depth):
            self.layers[at].append(node)
        self._lead_down(depth, needs)
        self.above: list[list[int]] = [[] for _ in self.below]
        for node, ends in enumerate(self.below):
            for end in ends:
                self.above[end].append(node)
        self._untangle()
        self.nets = [self._nets(layer) for layer in self.layers]
        self.width = [3] * len(self.below)
        arriving = [0] * len(self.below)
        for nets in self.nets:
            for net in nets:
                for end in net.ends:
                    arriving[end] += 1
        for node, name in enumerate(names):
            self.width[node] = max(wide(name) + 4, 2 * arriving[node] + 3)
        self.left = self._places()
        self.port = [left + width // 2 for left, width in zip(self.left, self.width, strict=True)]

    def lines(self) -> list[str]:
        drawn: list[str] = []
        for layer, nets in zip(self.layers, self.nets, strict=True):
            drawn += self._boxes(layer)
            if nets:
                drawn += self._channel(nets)
        return drawn

    # -- layers ----

    def _lead_down(self, depth: list[int], needs: list[list[int]]) -> None:
        """Lines from every node to those that need it; longer ones by passes, shared by a node."""
        needed_by: list[list[int]] = [[] for _ in needs]
        for node, those in enumerate(needs):
            for each in those:
                needed_by[each].append(node)
        for node, users in enumerate(needed_by):
            by_depth: dict[int, list[int]] = {}
            for user in users:
                by_depth.setdefault(depth[user], []).append(user)
            last = max(by_depth, default=0)
            at = node
            for layer in range(depth[node] + 1, last + 1):
                self.below[at] += by_depth.get(layer, [])
                if layer < last:
                    self.below.append([])
                    new = len(self.below) - 1
                    if new > _MAX_PASSES + len(needs):
                        raise TooBig
                    self.layers[layer].append(new)
                    self.below[at].append(new)
                    at = new

    def _untangle(self) -> None:
        """Orders each layer by where its neighbours stand, from above and from below in turn."""
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            layers = self.layers if down else self.layers[::-1]
            near = self.above if down else self.below
            place = {node: float(at) for at, node in enumerate(layers[0])}
            for layer in layers[1:]:
                mean = {
                    node: sum(place[n] for n in near[node]) / len(near[node])
                    if near[node]
                    else float(at)
                    for at, node in enumerate(layer)
                }
                layer.sort(key=mean.__getitem__)
                place.update((node, float(at)) for at, node in enumerate(layer))

    def _nets(self, layer: list[int]) -> list[_Net]:
        nets: dict[tuple[int, ...], _Net] = {}
        for node in layer:
            ends = self.below[node]
            if ends:
                nets.setdefault(tuple(sorted(ends)), _Net([], ends)).tops.append(node)
        return list(nets.values())

    # -- where things stand across ----

    def _places(self) -> list[int]:
        """The left edge of every node: in order, and near the middle of its neighbours."""
        centre = [0.0] * len(self.below)
        for layer in self.layers:
            self._spread(layer, dict.fromkeys(layer, 0.0), centre)
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            near = self.above if down else self.below
            for layer in self.layers if down else self.layers[::-1]:
                self._spread(
                    layer, {node: self._wish(node, near, centre) for node in layer}, centre
                )
        left = [0] * len(self.below)
        for layer in self.layers:
            free = -(10**9)
            for node in layer:
                left[node] = max(free, round(centre[node] - self.width[node] / 2))
                free = left[node] + self.width[node] + GAP
        first = min(left)
        return [at - first for at in left]

    def _wish(self, node: int, near: list[list[int]], centre: list[float]) -> float:
        """Where a node would stand best: in the middle of its neighbours of the same kind, so that
        long lines are straight and do not push away what stands beside them."""
        is_pass = node >= len(self.names)
        alike = [n for n in near[node] if (n >= len(self.names)) == is_pass] or near[node]
        return sum(centre[n] for n in alike) / len(alike) if alike else centre[node]

    def _spread(self, layer: list[int], wanted: dict[int, float], centre: list[float]) -> None:
        """Centres as near to those wanted as order and widths allow: least squares, by merging
        neighbours that want each other's place."""
        offset = 0.0
        offsets = []
        blocks: list[tuple[float, int]] = []
        for at, node in enumerate(layer):
            if at:
                offset += (self.width[layer[at - 1]] + self.width[node]) / 2 + GAP
            offsets.append(offset)
            total, count = wanted[node] - offset, 1
            while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
                more, others = blocks.pop()
                total, count = total + more, count + others
            blocks.append((total, count))
        means = (total / count for total, count in blocks for _ in range(count))
        for node, mean, shift in zip(layer, means, offsets, strict=True):
            centre[node] = mean + shift

    # -- drawing ----

    def _boxes(self, layer: list[int]) -> list[str]:
        rows = ["", "", ""]
        end = 0
        for node in layer:
            if node < len(self.names):
                space, inner = " " * (self.left[node] - end), self.width[node] - 2
                name = self.names[node]
                before = (inner - wide(name)) // 2
                text = " " * before + name + " " * (inner - wide(name) - before)
                rule = f"{space}+{'-' * inner}+"
                rows = [rows[0] + rule, f"{rows[1]}{space}|{text}|", rows[2] + rule]
                end = self.left[node] + self.width[node]
            else:
                rows = [row + " " * (self.port[node] - end) + "|" for row in rows]
                end = self.port[node] + 1
        if end * len(self.layers) > MAX_CELLS:
            raise TooBig
        return rows

    def _channel(self, nets: list[_Net]) -> list[str]:
        """The rows between one layer and the next."""
        self._land(nets)
        crossing = []
        columns: set[int] = set()
        for net in nets:
            ports = [self.port[top] for top in net.tops] + net.ports
            columns.update(ports)
            if min(ports) < max(ports):
                crossing.append((min(ports), max(ports), net))
        track, count = _tracks([(first, last) for first, last, _ in crossing], columns)
        width = max(columns) + 1
        if width * (count + 2) > MAX_CELLS:
            raise TooBig
        rows = [[" "] * width for _ in range(count + 2)]
        for (first, last, _), at in zip(crossing, track, strict=True):
            rows[at + 1][first : last + 1] = "-" * (last + 1 - first)
        at_track = {id(net): at + 1 for (_, _, net), at in zip(crossing, track, strict=True)}
        for net in nets:
            at = at_track.get(id(net), 0)
            for top in net.tops:
                for row in rows[: at + 1]:
                    row[self.port[top]] = "|"
            for port in net.ports:
                for row in rows[at:]:
                    row[port] = "|"
        for _, _, net in crossing:
            for port in (*net.ports, *(self.port[top] for top in net.tops)):
                rows[at_track[id(net)]][port] = "+"
        return ["".join(row).rstrip() for row in rows]

    def _land(self, nets: list[_Net]) -> None:
        """Gives every line its place on top of the node that it leads to.

        Never below another net's box: the two lines would be taken for one.
        """
        taken = {self.port[top]: net for net in nets for top in net.tops}
        arriving: dict[int, list[_Net]] = {}
        for net in sorted(
            nets, key=lambda net: sum(self.port[t] for t in net.tops) / len(net.tops)
        ):
            for end in net.ends:
                arriving.setdefault(end, []).append(net)
        for end, those in arriving.items():
            left, width = self.left[end], self.width[end]
            inner = (
                range(left + 1, left + width - 1)
                if end < len(self.names)
                else range(left, left + 3)
            )
            here: set[int] = set()
            for at, net in enumerate(those):
                wish = left + (at + 1) * width // (len(those) + 1)
                # Straight down where that leads to the box, else where lines have equal room.
                wish = _nearest([self.port[top] for top in net.tops], wish, inner)
                free = [c for c in inner if taken.get(c, net) is net and c not in here]
                apart = [c for c in free if here.isdisjoint((c - 1, c + 1))]
                port = _nearest(apart or free, wish)
                net.ports.append(port)
                here.add(port)
                taken[port] = net
                if end >= len(self.names):
                    self.port[end] = port


def _nearest(columns: Sequence[int], wish: int, within: range | None = None) -> int:
    """The column that is nearest to one wished for; that itself when there is none."""
    allowed = columns if within is None else [column for column in columns if column in within]
    return min(allowed, key=lambda column: abs(column - wish), default=wish)


def _without_cycles(graph: Graph) -> list[list[int]]:
    """What each node needs, with needs that close a cycle turned round: groups that are drawn as
    one node may need each other."""
    needs = [[each for each in those if each != node] for node, those in enumerate(graph.needs)]
    while cycle := (tidy := Graph(needs)).cycle():
        node, needed = cycle[-1], cycle[0]
        needs[node].remove(needed)
        needs[needed].append(node)
        needs = [list(those) for those in Graph(needs).needs]
    return [list(those) for those in tidy.needs]


def _depths(needs: list[list[int]]) -> list[int]:
    """The layer of each node: below all that it needs; what needs nothing stands near its users."""
    graph = Graph(needs)
    depth = [0] * len(needs)
    for node in graph.order():
        depth[node] = 1 + max((depth[each] for each in needs[node]), default=-1)
    for node, users in enumerate(graph.needed_by):
        if users and not needs[node]:
            depth[node] = min(depth[user] for user in users) - 1
    return depth


def _tracks(spans: list[tuple[int, int]], ports: set[int]) -> tuple[list[int], int]:
    """A track for each span, with an empty column between two on one track; how many tracks.

    ports: columns in which a line may cross.
    """
    track = [0] * len(spans)
    ends: list[tuple[int, int]] = []
    for at in sorted(range(len(spans)), key=spans.__getitem__):
        first, last = spans[at]
        # The track that became free last, so that all of them fill up.
        free = bisect_left(ends, (first, -1)) - 1
        track[at] = ends.pop(free)[1] if free >= 0 else len(ends)
        empty = last + 1
        while empty in ports:
            empty += 1
        ends.insert(bisect_left(ends, (empty, track[at])), (empty, track[at]))
    return track, len(ends)
