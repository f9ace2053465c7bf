"""Sums whose order is fixed: by a binary tree over the blocks, whoever computed them and whenever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class TreeSum:
    """Sum of items that come in block order, added as the leaves of a binary tree: 0 + 1, 2 + 3, then (0+1) + (2+3).

    An aligned range of ``2^m`` blocks is a subtree, so a worker may add its own range up and give the sum, with
    ``level=m``, to another tree: the bits are those of one tree over all blocks.

    Parameters
    ----------
    add : callable
        ``add(a, b)``: the sum; may change and return ``a``.

    Notes
    -----
    Holds at most ``log2(items) + 1`` partial sums.

    Examples
    --------
    >>> tree = TreeSum(lambda a, b: f"({a}{b})")
    >>> for item in "abcde":
    ...     tree.push(item)
    >>> tree.result()
    '(((ab)(cd))e)'
    """

    def __init__(self, add: Any) -> None:
        self._add = add
        self._stack: list[tuple[int, Any]] = []

    def push(self, item: Any, level: int = 0) -> None:
        """Take the next item, the sum of ``2^level`` blocks."""
        # sums of equal height join: by the stack's order their levels follow each other without a gap
        for below, _ in reversed(self._stack.copy()):
            if below != level:
                break
            item, level = self._add(self._stack.pop()[1], item), level + 1
        self._stack.append((level, item))

    def result(self) -> Any:
        """The sum of all items."""
        _, total = self._stack.pop()
        for _, part in reversed(self._stack):
            total = self._add(part, total)
        self._stack.clear()
        return total


def add_lists(a: list[Any], b: list[Any]) -> list[Any]:
    """Numbers, arrays (added into ``a``'s) and Nones, item by item."""
    for place, (own, other) in enumerate(zip(a, b, strict=True)):
        if isinstance(own, np.ndarray) and own.ndim:
            own += other
        elif own is not None:
            a[place] = own + other
    return a


def tree_sum(items: Iterable[list[Any]]) -> list[Any]:
    """Sum lists of numbers, arrays and Nones item by item, in the order of the tree; the arrays may be changed."""
    tree = TreeSum(add_lists)
    for item in items:
        tree.push(item)
    return list(tree.result())


def aligned(n_blocks: int, n_groups: int) -> tuple[list[tuple[int, int]], int]:
    """Ranges of ``2^m`` blocks that are subtrees of the tree over all: at least ``n_groups``, if there are as many.

    Returns
    -------
    ranges : list of (first, last)
    level : int
        ``m``; the last range may be shorter.

    Examples
    --------
    >>> aligned(8, 3)
    ([(0, 2), (2, 4), (4, 6), (6, 8)], 1)
    """
    level = max(m for m in range(n_blocks.bit_length()) if m == 0 or -(-n_blocks // 2**m) >= n_groups)
    size = 2**level
    return [(a, min(a + size, n_blocks)) for a in range(0, n_blocks, size)], level
