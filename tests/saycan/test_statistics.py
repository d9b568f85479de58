from __future__ import annotations

import numpy as np
import pytest

from saycan.statistics import Rate, auc, auc_interval, calibration_error, calibration_floor


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(97, 100, 0.9155, 0.9897), (100, 100, 0.9630, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634)],
)  # Wilson's interval as published tables and other programs give it
def test_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert Rate(successes, trials).interval == pytest.approx((low, high), abs=5e-4)


def test_words() -> None:
    assert str(Rate(97, 100)) == "97/100 (97.0%, 95% interval 91.5% to 99.0%)"


@pytest.mark.parametrize(
    ("groups", "worth"),
    [
        ([[True], [False], [True]], None),  # one each: as many as there are
        ([[True, True, False]], None),  # a single group speaks about itself
        ([[True] * 4] * 5 + [[False] * 4] * 5, 10),  # all in a group end alike
        ([[True] * 4] * 5, 5),  # and where everything succeeds nobody knows better
        ([[True, False]] * 6, 12),  # groups that differ less than chance are worth their trials and no more
    ],
)
def test_groups_are_worth_what_they_tell(groups: list[list[bool]], worth: float | None) -> None:
    rate = Rate.of_groups(groups)
    assert (rate.successes, rate.trials) == (sum(map(sum, groups)), sum(map(len, groups)))
    assert rate.worth == worth


def test_intervals_of_groups_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held, naive = 0, 0
    for _ in range(500):
        groups = [[bool(rng.random() < easy) for _ in range(5)] for easy in rng.beta(0.6, 0.3, 40)]  # mean 2/3
        grouped = Rate.of_groups(groups)
        held += grouped.interval[0] <= 2 / 3 <= grouped.interval[1]
        low, high = Rate(grouped.successes, grouped.trials).interval
        naive += low <= 2 / 3 <= high
    assert held >= 465 and naive <= 400  # 95% is 475


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_rate(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        Rate(successes, trials)


def test_area_under_the_curve_by_hand() -> None:
    scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert auc(scores, positive) == 0.75  # of four pairs one is the wrong way round
    assert auc(-scores, positive) == 0.25
    assert auc(np.array([3.0, 1.0, 2.0]), np.array([True, False, False])) == 1.0


def test_ties_count_half() -> None:
    assert auc(np.ones(5), np.array([True, False, True, False, False])) == 0.5
    # Pairs of (0.5 0.9) against (0.5 0.2): a tie, three won.
    assert auc(np.array([0.5, 0.9, 0.5, 0.2]), np.array([True, True, False, False])) == (0.5 + 3) / 4


def test_one_class_alone_has_no_area() -> None:
    for positive in (np.ones(3, bool), np.zeros(3, bool), np.zeros(0, bool)):
        assert np.isnan(auc(np.zeros(len(positive)), positive))


def test_area_is_how_often_a_positive_scores_above_a_negative() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 6, 60).astype(float), rng.random(60) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert auc(scores, positive) == pytest.approx(np.mean(pairs))


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([0.05, 0.05, 0.85, 0.85, 0.85, 0.85])
    happened = np.array([False, True, True, True, True, False])
    # Two cases of 0.05 of which a half happened, four of 0.85 of which three quarters did.
    assert calibration_error(probabilities, happened) == pytest.approx((2 * 0.45 + 4 * 0.10) / 6)
    assert calibration_error(probabilities, happened, bins=1) == pytest.approx(abs(4 / 6 - probabilities.mean()))


def test_calibration_at_the_ends() -> None:
    sure = np.array([0.0, 1.0, 1.0])
    assert calibration_error(sure, np.array([False, True, True])) == 0.0
    assert calibration_error(sure, np.array([True, False, False])) == 1.0
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_the_interval_of_an_area_holds_what_many_cases_have() -> None:
    rng = np.random.default_rng(1)

    def cases(count: int) -> tuple[np.ndarray, np.ndarray]:
        positive = rng.random(count) < 0.7
        return rng.normal(positive * 1.2, 1.0), positive

    truth = auc(*cases(200_000))
    intervals = [auc_interval(*cases(150), draws=300) for _ in range(60)]
    assert sum(low <= truth <= high for low, high in intervals) >= 51  # 95% of 60 are 57; fewer than 51 in 1 of 1,000
    assert 0.1 < np.mean([high - low for low, high in intervals]) < 0.25


def test_an_interval_needs_both_classes() -> None:
    assert np.isnan(auc_interval(np.ones(3), np.ones(3, bool))).all()
    assert auc_interval(np.array([0.1, 0.9]), np.array([False, True])) == (1.0, 1.0)


def test_probabilities_that_are_right_have_an_error_of_chance_alone() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.random(300)
    floor = calibration_floor(probabilities, draws=400)
    errors = [calibration_error(probabilities, rng.random(300) < probabilities) for _ in range(400)]
    assert floor == pytest.approx(np.mean(errors), abs=0.003)
    assert calibration_floor(np.repeat(probabilities, 100), draws=20) < 0.2 * floor
    assert calibration_floor(np.array([0.0, 1.0])) == 0.0
    assert np.isnan(calibration_floor(np.zeros(0), draws=3))
