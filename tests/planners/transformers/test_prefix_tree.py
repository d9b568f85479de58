from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from saycan.planners.transformers.prefix_tree import PrefixTree, common_prefix

OPTIONS = st.lists(st.lists(st.integers(0, 3), min_size=0, max_size=5), min_size=1, max_size=8)


@given(OPTIONS)
def test_a_path_spells_its_option_and_every_node_sees_its_own_ancestors_alone(options: list[list[int]]) -> None:
    tree = PrefixTree.build(9, options)
    assert [[tree.edge_tokens[edge] for edge in path] for path in tree.paths] == options
    nodes, visible = tree.run(0, len(tree.tokens))
    assert nodes.tolist() == list(range(len(tree.tokens)))
    for option, path in zip(options, tree.paths, strict=True):
        for depth, edge in enumerate(path):
            node, below = tree.edge_parents[edge], tree.edge_nodes[edge]
            assert tree.depths[node] == depth
            assert tree.tokens[visible[node]].tolist() == [9, *option[:depth]]
            beginning = option[: depth + 1]
            goes_on = any(len(other) > len(beginning) and other[: depth + 1] == beginning for other in options)
            assert (below >= 0) == goes_on
            assert below < 0 or tree.parents[below] == node


@given(OPTIONS, st.integers(1, 4))
def test_a_run_of_nodes_brings_all_that_it_sees(options: list[list[int]], size: int) -> None:
    tree = PrefixTree.build(9, options)
    _, everything = tree.run(0, len(tree.tokens))
    for start in range(0, len(tree.tokens), size):
        stop = min(start + size, len(tree.tokens))
        nodes, visible = tree.run(start, stop)
        assert nodes[len(nodes) - (stop - start) :].tolist() == list(range(start, stop))
        for node, row in zip(nodes, visible, strict=True):
            assert nodes[row].tolist() == np.flatnonzero(everything[node]).tolist()


@given(OPTIONS)
def test_what_options_share_stands_once_and_leaves_are_not_nodes(options: list[list[int]]) -> None:
    tree = PrefixTree.build(9, options)
    inner = {tuple(option[:length]) for option in options for length in range(len(option))}
    assert len(tree.tokens) == max(1, len(inner))
    assert len(tree.edge_tokens) == len({tuple(option[: i + 1]) for option in options for i in range(len(option))})


def test_common_prefix_counts_leading_tokens() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_prefix([], [1]) == 0
    assert common_prefix([1, 2], [1, 2, 3]) == 2
