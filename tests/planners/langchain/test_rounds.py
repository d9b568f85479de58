"""Rounds over groups give the distribution that one question over all options would give."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saycan.planners.langchain.rounds import in_rounds


def asker(log_weights: np.ndarray, most: int, groups_seen: list[int]):
    """A model that obeys the axiom: it tells only how options of a group compare."""

    def ask(groups):
        answers = []
        for group in groups:
            assert 2 <= len(group) <= most
            groups_seen.append(len(group))
            own = log_weights[group]
            answers.append(own - np.logaddexp.reduce(own) if np.isfinite(own).any() else own)
        return answers

    return ask


@given(st.lists(st.floats(-30.0, 0.0), min_size=1, max_size=120), st.integers(2, 25))
@settings(max_examples=200, deadline=None)
def test_they_recover_the_distribution(values: list[float], most: int) -> None:
    log_weights, seen = np.array(values), []
    scores = in_rounds(len(values), most, asker(log_weights, most, seen))
    np.testing.assert_allclose(scores, log_weights - np.logaddexp.reduce(log_weights), atol=1e-9)
    assert len(seen) <= 2 * len(values)


def test_what_is_impossible_stays_so() -> None:
    log_weights = np.full(9, -np.inf)
    log_weights[[1, 7]] = np.log([0.25, 0.75])
    scores = in_rounds(9, 3, asker(log_weights, 3, []))
    np.testing.assert_allclose(np.exp(scores), np.exp(log_weights), atol=1e-12)
    assert np.isneginf(in_rounds(9, 3, asker(np.full(9, -np.inf), 3, []))).all()


def test_a_single_option_is_certain_without_asking() -> None:
    seen: list[int] = []
    np.testing.assert_array_equal(in_rounds(1, 20, asker(np.zeros(1), 20, seen)), [0.0])
    assert seen == []
