"""A layered layout of a small directed graph: what a node reads stands above it.

Nodes go to the layer after the last of those they read, edges that pass layers get a bend in each of them, the order
within a layer follows the mean place of the neighbours (the barycentre), and the places are the least squares
solution that keeps the distances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

SWEEPS = 12


@dataclass(eq=False)
class Node:
    """A box with a width; a bend of an edge is a node of no width."""

    label: str
    width: float = 0.0
    kind: str = "bend"
    title: str = ""
    partner: str = ""  # the label in the mirror
    layer: int = 0
    x: float = 0.0
    above: list[Node] = field(default_factory=list)
    below: list[Node] = field(default_factory=list)


def layered(nodes: list[Node], edges: list[tuple[Node, Node]], last: Callable[[Node], bool]) -> list[list[Node]]:
    """The layers of the graph, with every node's place; ``nodes`` are ordered so that edges point forward.

    Each edge becomes a chain of ``below`` links through its bends; those that are ``last`` share the last layer.
    """
    for a, b in edges:
        a.below.append(b)
        b.above.append(a)
    for node in nodes:
        node.layer = max((a.layer + 1 for a in node.above), default=0)
    depth = max([node.layer for node in nodes if not last(node)], default=-1) + 1
    for node in reversed(nodes):
        if last(node):
            node.layer = depth
        elif not node.above and node.below:
            node.layer = 0
    layers: list[list[Node]] = [[n for n in nodes if n.layer == k] for k in range(depth + 1)]
    for a, b in edges:
        _bend(a, b, layers)
    for sweep in range(SWEEPS):
        _reorder(layers, downwards=sweep % 2 == 0)
    for layer in layers:
        _apart(layer, [0.0] * len(layer))
    for sweep in range(4 * SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _apart(layer, [_wish(n, sweep % 2 == 0) for n in layer])
    shift = min(n.x - n.width / 2 for layer in layers for n in layer)
    for layer in layers:
        for n in layer:
            n.x -= shift
    return layers


def _bend(a: Node, b: Node, layers: list[list[Node]]) -> None:
    """Lead an edge through a bend in each layer between its ends."""
    if b.layer - a.layer < 2:
        return
    a.below.remove(b)
    b.above.remove(a)
    before = a
    for k in range(a.layer + 1, b.layer):
        bend = Node("", layer=k)
        layers[k].append(bend)
        before.below.append(bend)
        bend.above.append(before)
        before = bend
    before.below.append(b)
    b.above.append(before)


def _reorder(layers: list[list[Node]], downwards: bool) -> None:
    for layer in layers:
        for k, node in enumerate(layer):
            node.x = k
    for layer in layers if downwards else reversed(layers):
        means = {id(n): _mean([m.x for m in (n.above if downwards else n.below)], n.x) for n in layer}
        layer.sort(key=lambda n: means[id(n)])  # noqa: B023 (used at once)
        for k, node in enumerate(layer):
            node.x = k


def _mean(places: list[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _wish(node: Node, downwards: bool) -> float:
    """Where a node would like to be: below what it reads, and above what reads it."""
    near = node.above if downwards else node.below
    far = node.below if downwards else node.above
    return 0.8 * _mean([m.x for m in near], node.x) + 0.2 * _mean([m.x for m in far], node.x) if near else node.x


def _apart(layer: list[Node], wishes: list[float], gap: float = 18.0) -> None:
    """The places nearest to the wishes, in this order and with this gap: an isotonic regression."""
    offsets, at = [], 0.0
    for k, node in enumerate(layer):
        at += node.width / 2 + (layer[k - 1].width / 2 + gap if k else 0.0)
        offsets.append(at)
    pools: list[tuple[float, int]] = []  # mean and count of neighbours that share one shift
    for wish, offset in zip(wishes, offsets):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, n = pools.pop()
            mean, count = (mean * count + other * n) / (count + n), count + n
        pools.append((mean, count))
    shifts = [mean for mean, count in pools for _ in range(count)]
    for node, offset, shift in zip(layer, offsets, shifts):
        node.x = offset + shift
