"""The likeliest of very many options, found without scoring them all.

Best-first search on the prefix tree. The probability of a beginning bounds that of everything that begins with it, so
once the k-th best finished option is likelier than every beginning that has not been followed up, nothing better can
follow: the result is exact, and most of the tree is never read.
"""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from saycan.planners.transformers.head import OutputHead
from saycan.planners.transformers.network import CausalNetwork
from saycan.planners.transformers.prefix_tree import PrefixTree

_BATCH = 48  # beginnings that are followed up together


def likeliest(network: CausalNetwork, head: OutputHead, tree: PrefixTree, count: int) -> NDArray[np.int64]:
    """(K,) int64 indices of the `count` likeliest options, best first; the cache is left as it was.

    Args:
        network: Its cache holds the prompt without the token that is the tree's root.
        head: Reads the probabilities.
        tree: The options.
        count: How many are wanted; fewer are returned when there are fewer.
    """
    import torch

    edges_of = defaultdict[int, list[int]](list)
    for edge, parent in enumerate(tree.edge_parents):
        edges_of[int(parent)].append(edge)
    ending = defaultdict[int, list[int]](list)
    for option, path in enumerate(tree.paths):
        ending[path[-1] if path else -1].append(option)
    finished = [(0.0, option) for option in ending[-1]]  # options without tokens are certain

    kept, read = len(network.known), 0
    place: dict[int, int] = {}  # node to its place among those read
    frontier = [(0.0, 0)] if len(tree.edge_tokens) else []  # (minus log-probability, node)
    while frontier:
        finished = sorted(finished, key=lambda entry: -entry[0])[:count]
        bar = finished[-1][0] if len(finished) == count else -np.inf
        nodes, scores = list[int](), dict[int, float]()
        while frontier and len(nodes) < _BATCH and -frontier[0][0] > bar:
            cost, node = heapq.heappop(frontier)
            scores[node] = -cost
            place[node] = read + len(nodes)
            nodes.append(node)
        if not nodes:
            break
        visible = np.zeros((len(nodes), kept + read + len(nodes)), bool)
        visible[:, :kept] = True
        positions = kept + tree.depths[list(place)]
        for row, node in enumerate(nodes):
            above = node
            while above >= 0:
                visible[row, kept + place[above]] = True
                above = int(tree.parents[above])
        hidden = network.feed(
            tree.tokens[nodes], positions[read:], np.concatenate([np.arange(kept), positions]), visible
        )
        read += len(nodes)
        rows = [row for row, node in enumerate(nodes) for _ in edges_of[node]]
        edges = [edge for node in nodes for edge in edges_of[node]]
        chosen = torch.as_tensor(tree.edge_tokens[edges], device=hidden.device)
        steps = head.log_probabilities(hidden, chosen, rows).cpu().numpy()
        for row, edge, step in zip(rows, edges, steps, strict=True):
            score = scores[nodes[row]] + float(step)
            finished += [(score, option) for option in ending[edge]]
            if tree.edge_nodes[edge] >= 0:
                heapq.heappush(frontier, (-score, int(tree.edge_nodes[edge])))
    network.drop(read)
    best = sorted(finished, key=lambda entry: (-entry[0], entry[1]))[:count]
    return np.array([option for _, option in best], np.int64)
