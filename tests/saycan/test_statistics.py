from __future__ import annotations

import pytest

from saycan.statistics import Rate


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(97, 100, 0.9155, 0.9897), (100, 100, 0.9630, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634)],
)  # Wilson's interval as published tables and other programs give it
def test_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert Rate(successes, trials).interval == pytest.approx((low, high), abs=5e-4)


def test_words() -> None:
    assert str(Rate(97, 100)) == "97/100 (97.0%, 95% interval 91.5% to 99.0%)"


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_rate(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        Rate(successes, trials)
