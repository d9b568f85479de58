"""Many continuations of one prompt as a tree in which what they share stands once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PrefixTree:
    """A trie over tokens. Node 0 is the last token of the prompt; a leaf is no node, only the edge that leads to it.

    A token's probability is read from its parent, so the last token of an option never has to be fed to the model.

    Attributes:
        tokens: (M,) token of each node that has children, parents before children.
        depths: (M,) int64, number of edges from node 0.
        ancestry: (M, M) bool, row i is true at i and at the ancestors of i.
        edge_tokens: (E,) token at the lower end of each edge.
        edge_parents: (E,) node at its upper end.
        paths: For each option the edges from node 0 to its end.
    """

    tokens: list[int]
    depths: NDArray[np.int64]
    ancestry: NDArray[np.bool_]
    edge_tokens: list[int]
    edge_parents: list[int]
    paths: list[list[int]]

    @classmethod
    def build(cls, root: int, options: Sequence[Sequence[int]]) -> PrefixTree:
        """The tree of `options`, each a sequence of tokens that follows the token `root`."""
        tokens, parents = [root], [-1]
        node_below: dict[int, int] = {}  # edge to the node at its lower end, where that has children
        edge_of: dict[tuple[int, int], int] = {}  # (node, token) to edge
        paths: list[list[int]] = []
        for option in options:
            node, path = 0, list[int]()
            for index, token in enumerate(option):
                if index:  # the token before this one has a child, so it becomes a node
                    if path[-1] not in node_below:
                        node_below[path[-1]] = len(tokens)
                        tokens.append(option[index - 1])
                        parents.append(node)
                    node = node_below[path[-1]]
                path.append(edge_of.setdefault((node, token), len(edge_of)))
            paths.append(path)
        ancestry = np.eye(len(tokens), dtype=bool)
        for node, parent in enumerate(parents[1:], start=1):
            ancestry[node] |= ancestry[parent]
        edges = list(edge_of)
        return cls(
            tokens,
            ancestry.sum(axis=1) - 1,
            ancestry,
            [token for _, token in edges],
            [parent for parent, _ in edges],
            paths,
        )


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Number of leading tokens that two sequences share."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
