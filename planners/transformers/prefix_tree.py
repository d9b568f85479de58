"""Many continuations of one prompt as a tree in which what they share stands once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PrefixTree:
    """A trie over tokens. Node 0 is the last token of the prompt; a leaf is no node, only the edge that leads to it.

    A token's probability is read from its parent, so the last token of an option never has to be fed to a model. Nodes
    stand in preorder: whatever lies before a run of nodes and is seen from it is an ancestor of its first one.

    Attributes:
        tokens: (M,) int64, token of each node, that is of each token with children.
        parents: (M,) int64, the node above; -1 above node 0.
        depths: (M,) int64, number of edges from node 0.
        edge_tokens: (E,) int64, token at the lower end of each edge.
        edge_parents: (E,) int64, node at its upper end.
        edge_nodes: (E,) int64, node at its lower end; -1 where that has no children.
        paths: For each option the edges from node 0 to its end.
    """

    tokens: NDArray[np.int64]
    parents: NDArray[np.int64]
    depths: NDArray[np.int64]
    edge_tokens: NDArray[np.int64]
    edge_parents: NDArray[np.int64]
    edge_nodes: NDArray[np.int64]
    paths: tuple[tuple[int, ...], ...]

    @classmethod
    def build(cls, root: int, options: Sequence[Sequence[int]]) -> PrefixTree:
        """The tree of `options`, each a sequence of tokens that follows the token `root`."""
        tokens, parents, depths = [root], [-1], [0]
        edge_of: dict[tuple[int, int], int] = {}  # (node, token) to edge
        below: list[int] = []  # node at the lower end of each edge
        paths: list[tuple[int, ...]] = [()] * len(options)
        # In this order, what continues an option comes right after it, and so nodes are made in preorder.
        for index in sorted(range(len(options)), key=lambda index: tuple(options[index])):
            node, path = 0, list[int]()
            for token in options[index]:
                if path:  # the token before this one has a child, so it is a node
                    edge = path[-1]
                    if below[edge] < 0:
                        below[edge] = len(tokens)
                        tokens.append(options[index][len(path) - 1])
                        parents.append(node)
                        depths.append(len(path))
                    node = below[edge]
                edge = edge_of.setdefault((node, token), len(edge_of))
                if edge == len(below):
                    below.append(-1)
                path.append(edge)
            paths[index] = tuple(path)
        return cls(
            np.array(tokens, np.int64),
            np.array(parents, np.int64),
            np.array(depths, np.int64),
            np.array([token for _, token in edge_of], np.int64),
            np.array([parent for parent, _ in edge_of], np.int64),
            np.array(below, np.int64),
            tuple(paths),
        )

    def run(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What a model has to read for the nodes from `start` to `stop`, with nothing else of the tree in its cache.

        Returns:
            (Q,) int64, the ancestors of node `start`, then the nodes themselves; and (Q, Q) bool, who sees whom: each
            sees itself and its own ancestors.
        """
        above = list[int]()
        node = int(self.parents[start])
        while node >= 0:
            above.append(node)
            node = int(self.parents[node])
        nodes = np.array([*reversed(above), *range(start, stop)], np.int64)
        place = {int(node): index for index, node in enumerate(nodes)}
        visible = np.eye(len(nodes), dtype=bool)
        for index, node in enumerate(nodes):
            parent = int(self.parents[node])
            if parent >= 0:
                visible[index] |= visible[place[parent]]
        return nodes, visible


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Number of leading tokens that two sequences share."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
