"""Nested containers: tuples, lists, dicts, namedtuples, dataclasses; their leaves in order.

`optree` does the work; it is imported when the first container is seen.  A plain array
never gets there.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np

NAMESPACE = "dualgrad"
LEAVES = frozenset((np.ndarray, float, int, bool, complex, str, np.float64, np.float32))


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Leaves and structure; the structure of a single leaf is None."""
    kind = type(tree)
    if kind in LEAVES or getattr(kind, "__dualgrad_number__", False):
        return [tree], None
    if kind is tuple and LEAVES.issuperset(map(type, tree)):  # the arguments of most functions
        return list(tree), _tuple_of(len(tree))
    import optree

    leaves, structure = optree.tree_flatten(tree, is_leaf=_register, namespace=NAMESPACE)
    if len(leaves) == 1 and leaves[0] is tree:
        return leaves, None
    return leaves, structure


@cache
def _tuple_of(count: int) -> Any:
    """The structure of a tuple of so many leaves."""
    import optree

    return optree.tree_structure((0,) * count, namespace=NAMESPACE)  # type: ignore[arg-type]


def unflatten(structure: Any, leaves: Any) -> Any:
    """The container of this structure."""
    if structure is None:
        (leaf,) = leaves
        return leaf
    return structure.unflatten(leaves)


def paths(structure: Any) -> list[str]:
    """Where each leaf is, as one writes it: ``['w'][0]``."""
    if structure is None:
        return [""]
    return ["".join(f"[{step!r}]" for step in path) for path in structure.paths()]


def matched(tree: Any, structure: Any) -> list[tuple[Any, str | None]]:
    """For each leaf of ``structure`` what ``tree`` has in its place, and what is wrong with that.

    None in the tree stands for a whole part of the structure, or for a leaf.
    """
    import optree

    found = optree.tree_flatten_with_path(tree, is_leaf=_register, none_is_leaf=True, namespace=NAMESPACE)
    given = dict(zip(found[0], found[1], strict=True))
    wanted = [()] if structure is None else structure.paths()
    result: list[tuple[Any, str | None]] = []
    for path in wanted:
        above = [path[:k] for k in range(len(path) + 1) if path[:k] in given]
        if path in given:
            result.append((given.pop(path), None))
        elif above and given[above[0]] is None:
            result.append((None, None))
        elif above or any(p[: len(path)] == path for p in given):
            result.append((None, "is not structured as what it belongs to"))
        else:
            result.append((None, "is missing"))
    extra = [p for p, value in given.items() if value is not None]
    if extra and not any(problem for _, problem in result) and result:
        step = "".join(f"[{s!r}]" for s in extra[0])
        result[-1] = None, f"is followed by {step}, which belongs to nothing"
    return result


def difference(tree: Any, structure: Any, what: str) -> str:
    """How ``tree`` differs from the structure, as one says it of ``what``."""
    for (value, problem), path in zip(matched(tree, structure), paths(structure), strict=True):
        if problem is not None:
            return f"{what}{path} {problem}"
        if value is None:
            return f"{what}{path} is None"
    return f"{what} is another kind of container"


def prefixed(tree: Any, structure: Any, what: str, hide: int = 0) -> list[Any]:
    """For each leaf of ``structure`` the leaf of ``tree`` that stands for it or for a container around it.

    None is a leaf of the tree.  A message hides the first steps of the path.
    """
    import optree

    from .errors import StructureError

    found = optree.tree_flatten_with_path(tree, is_leaf=_register, none_is_leaf=True, namespace=NAMESPACE)
    given = dict(zip(found[0], found[1], strict=True))
    result = []
    for path in [()] if structure is None else structure.paths():
        above = [path[:k] for k in range(len(path) + 1) if path[:k] in given]
        if not above:
            raise StructureError(f"{what}: nothing is given for {''.join(f'[{s!r}]' for s in path[hide:])}")
        result.append(given[above[0]])
    return result


_seen: set[type] = set()


def _register(value: Any) -> bool:
    """Enter a dataclass when its first instance is met; never a leaf for optree's sake."""
    kind = type(value)
    if kind not in _seen and dataclasses.is_dataclass(value) and not isinstance(value, type):
        import optree

        _seen.add(kind)
        names = tuple(f.name for f in dataclasses.fields(value))

        def read(value: Any) -> Any:
            return tuple(getattr(value, n) for n in names), None, names

        def make(_: Any, values: Any) -> Any:
            """Fields are set directly: ``__init__`` and ``__post_init__`` may not expect what we put in."""
            new = object.__new__(kind)
            for name, value in zip(names, values, strict=True):
                object.__setattr__(new, name, value)
            return new

        optree.register_pytree_node(kind, read, make, namespace=NAMESPACE)
    return False
