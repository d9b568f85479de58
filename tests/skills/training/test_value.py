from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from saycan.skills.data.frames import Frames, flatten
from saycan.skills.features import BODY, PLACE, all_place_features
from saycan.skills.policies.scaling import Scaling
from saycan.skills.training.calibration import (
    FEWEST,
    LARGEST,
    SMALLEST,
    _own_answers,
    attempt_ends,
    calibrate,
    collect_answers,
    detection_thresholds,
    evaluate_values,
    own_values,
    platt,
)
from saycan.skills.training.pictures import SHIFT
from saycan.skills.training.questions import ENDS, PHRASES, STARTS, ValueBatches
from saycan.skills.training.value import LASTS, REACH, ValueLearner, _foreign
from saycan.skills.values.network import ValueNetwork
from tests.skills.data.builder import (
    CAMERAS,
    FIND,
    GO,
    PICK,
    PLACES,
    SIDE,
    SKILLS,
    SPEC,
    TEXT,
    TRASH,
    make_episode,
    make_sentences,
)

OWN, OTHERS = SKILLS.index(PICK), [k for k in range(len(SKILLS)) if SKILLS[k] is not PICK]
RNG = np.random.default_rng


def batches(frames: Frames, **options: Any) -> ValueBatches:
    scaling = Scaling.fit(SPEC, frames.state)
    options = {"augment": False} | options
    return ValueBatches(frames, SKILLS, scaling, make_sentences(), "learned", **options)


def network(seed: int = 0) -> ValueNetwork:
    torch.manual_seed(seed)
    return ValueNetwork(CAMERAS, TEXT, stem=8, channels=8, blocks=1, heads=2, width=4, hidden=16, guessing=True)


def toy(count: int = 12) -> ValueBatches:
    """Attempts of the policy, half of which fail, and demonstrations."""
    episodes = [make_episode(PICK, seed, 3, "learned", success=seed % 2 == 0) for seed in range(count)]
    episodes += [make_episode(TRASH, seed, 4) for seed in range(count, count + 4)]
    return batches(flatten(episodes))


@pytest.fixture(scope="module")
def made() -> ValueBatches:
    return toy()


@dataclass
class Said:
    """Of an attempt: what is known of its own phrase, (length,), what is never, and what V' says of row 1."""

    known: torch.Tensor
    value: torch.Tensor
    never: torch.Tensor
    ahead: float
    possible: list[bool]


def targets(success: bool, method: Any, source: str = "learned", length: int = 2, trace: float = 0.0) -> Said:
    frames = flatten([make_episode(PICK, 3, length, source, success)])
    two = batches(frames)
    net = network()
    learner = ValueLearner(two, net, method, trace=trace)
    with torch.no_grad():
        for weight in net.parameters():  # the network has moved on since
            weight.add_(0.3)
    rows, phrases = np.arange(length), np.tile([OWN, OWN, *OTHERS], (length, 1))
    asked = two.questions(rows, phrases, RNG(0))
    with torch.no_grad():
        known, value, never = learner._targets(rows, phrases, asked, RNG(0))
        last = two.questions(np.array([1]), phrases[:1, :1], RNG(0))
        look, read = learner.target.look(last.images, last.body), learner.target.read(last.text)
        ahead = learner.target.ask(look, read, last.place)
    possible = frames.holds(frames.possible, rows, np.full(length, OWN))
    return Said(known, value, never, float(ahead.value[0, 0].sigmoid()), possible.tolist())


@pytest.mark.parametrize("success", [True, False])
def test_temporal_differences_take_the_outcome_at_the_end_and_the_moving_averages_value_before(success: bool) -> None:
    said = targets(success, "td", length=3)
    assert said.possible == [True, True, not success]  # what is held cannot be picked up any more
    assert float(said.value[0]) == pytest.approx(said.ahead, abs=1e-6)
    assert said.ahead not in (0.0, 1.0)
    if success:
        assert float(said.value[1]) == 1.0 and not said.known[2] and said.never[2, 0] == 1
    else:
        assert float(said.value[1]) not in (0.0, 1.0) and float(said.value[2]) == 0.0 and said.known.all()


@pytest.mark.parametrize("success", [True, False])
def test_the_longer_the_trace_the_more_of_the_outcome_there_is_in_it(success: bool) -> None:
    seen = targets(success, "td", length=40, trace=0.9).value[:38]
    share = float((seen == float(success)).float().mean())
    assert 0.1 < share < 0.9
    everywhere = targets(success, "td", length=40, trace=1 - 1e-9).value[:38]
    assert (everywhere == float(success)).all()


@pytest.mark.parametrize("success", [True, False])
def test_monte_carlo_takes_the_outcome_wherever_there_is_something_to_begin(success: bool) -> None:
    said = targets(success, "mc")
    assert said.value.tolist() == [float(success and possible) for possible in said.possible]
    assert (said.known > 0).tolist() == said.possible


def test_what_is_impossible_is_worth_nothing_and_nothing_is_known_of_the_rest() -> None:
    said = targets(True, "td")
    frames = flatten([make_episode(PICK, 3, 2, "learned", True)])
    possible = np.unpackbits(frames.possible, axis=1, count=len(SKILLS))[:, OTHERS]
    assert 0 < possible.sum() < possible.size
    np.testing.assert_array_equal(said.never[:, 2:].numpy(), 1.0 - possible)
    # The own phrase is impossible once it is done; asked a second time that must not speak against its success.
    assert not said.never[:, 1].any()


def test_demonstrations_say_nothing_about_the_policy_but_what_is_impossible() -> None:
    said = targets(True, "td", source="experts")
    assert not said.known.any()
    assert said.never[:, 0].tolist() == [0.0, 1.0]  # possible before, impossible when done


def test_an_attempt_is_over_where_its_episode_ends_or_nothing_is_left_to_begin() -> None:
    two = batches(flatten([make_episode(PICK, 3, 5, "learned", True), make_episode(PICK, 4, 3, "learned", False)]))
    assert two.over.tolist() == [4, 4, 4, 4, 5, 8, 8, 8]


def test_the_moving_average_follows_slowly() -> None:
    two = toy(4)
    net = network()
    learner = ValueLearner(two, net, lag=0.9)
    before = [weight.clone() for weight in learner.target.parameters()]
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(1.0)
    losses = learner.losses(net, RNG(0), 8)
    for old, kept in zip(before, learner.target.parameters(), strict=True):
        assert torch.allclose(kept, old + 0.1, atol=1e-5)
    assert {*losses} == {"value", "never", "possible", "done", "pointing", "guess", "coherent"}
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert all(weight.grad is None for weight in learner.target.parameters())
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())


def test_where_the_goal_is_and_how_long_it_takes_is_guessed_where_it_is_known() -> None:
    episodes = [make_episode(PICK, 3, 3, "learned", True), make_episode(PICK, 4, 2, "learned", False)]
    two, net = batches(flatten([*episodes, make_episode(PICK, 5, 2)])), network()
    goal, period = two.frames.goal, two.frames.period

    def said(row: int, *wanted: float) -> float:
        """The loss of a row if it were said exactly what is wanted of it."""
        with torch.no_grad():
            net.guess.weight.zero_()  # type: ignore[union-attr]
            net.guess.bias.copy_(torch.tensor(wanted))  # type: ignore[union-attr]
            rows = np.array([row])
            asked = two.questions(rows, np.array([[OWN]]), RNG(0))
            answers = net.ask(net.look(asked.images, asked.body), net.read(asked.text), asked.place)
            return float(ValueLearner(two, net)._guess(net, answers, rows))

    assert np.abs(goal[0] / REACH).max() > 0.1
    left = (period[2] - period[0]) / LASTS
    place = np.clip(goal[0] / REACH, -3, 3).tolist()
    assert said(0, *place, left) == pytest.approx(0, abs=1e-6) and said(0, *place, left + 1) > 0.1
    assert said(0, place[0] + 1, *place[1:], left) > 0.1
    for row in (3, 5):  # it failed, or it was the expert: nobody knows how long the policy takes
        place = np.clip(goal[row] / REACH, -3, 3).tolist()
        assert said(row, *place, 7.0) == pytest.approx(0, abs=1e-6)


def test_half_of_the_rows_are_the_policys_and_each_asks_its_own_phrase_first(made: ValueBatches) -> None:
    rows, phrases = made.draw(RNG(0), 200)
    assert phrases.shape == (200, PHRASES)
    assert made.of_policy[rows[:100]].all() and not made.of_policy[rows[100:]].all()
    np.testing.assert_array_equal(phrases[:, 0], made.own[rows])
    for column, mask in ((1, made.frames.possible), (2, made.frames.possible), (3, made.frames.done)):
        any_of_them = np.unpackbits(mask[rows], axis=1, count=len(SKILLS)).any(axis=1)
        assert made.frames.holds(mask, rows, phrases[:, column])[any_of_them].all()
    few = batches(made.frames, rows=np.arange(3))
    assert {*few.draw(RNG(0), 50)[0].tolist()} == {0, 1, 2}


def test_starts_and_ends_of_attempts_are_drawn_more_often_than_what_lies_between() -> None:
    long = batches(flatten([make_episode(PICK, seed, 40, "learned") for seed in range(4)]))
    rows = long.draw(RNG(0), 4000)[0] % 40
    assert (rows[:2000] == 0).mean() == pytest.approx(STARTS * (1 - ENDS) + (1 - STARTS) * (1 - ENDS) / 40, abs=0.03)
    assert (rows == 39).mean() == pytest.approx(ENDS + (1 - ENDS) / 40, abs=0.02)
    assert np.bincount(rows, minlength=40)[1:39].min() > 0


def test_a_long_attempt_begins_and_ends_no_oftener_than_a_short_one() -> None:
    two = batches(flatten([make_episode(PICK, 0, 4, "learned"), make_episode(PICK, 1, 40, "learned", success=False)]))
    rows = two.draw(RNG(0), 8000)[0]
    starts, ends = (rows == 0).sum(), (rows == 3).sum()  # of the short one
    assert starts == pytest.approx((rows == 4).sum(), rel=0.2)
    assert ends == pytest.approx((rows == 43).sum(), rel=0.2)


def test_questions_hold_the_truth(made: ValueBatches) -> None:
    frames = made.frames
    rows, phrases = made.draw(RNG(1), 30)
    asked = made.questions(rows, phrases, RNG(0))
    possible = np.unpackbits(frames.possible, axis=1, count=len(SKILLS))
    done = np.unpackbits(frames.done, axis=1, count=len(SKILLS))
    np.testing.assert_array_equal(asked.possible.numpy(), possible[rows[:, None], phrases])
    np.testing.assert_array_equal(asked.done.numpy(), done[rows[:, None], phrases])
    np.testing.assert_array_equal(asked.images["head"].permute(0, 2, 3, 1).numpy(), frames.images["head"][rows])
    assert asked.body.shape == (30, BODY) and asked.text.shape == (30, PHRASES, TEXT)


def test_each_phrase_comes_with_the_place_it_is_about(made: ValueBatches) -> None:
    scaling = Scaling.fit(SPEC, made.frames.state)
    rows, phrases = np.array([0, 2]), np.tile(np.arange(len(SKILLS)), (2, 1))
    asked = made.questions(rows, phrases, RNG(0))
    mean, scale = scaling.mean[BODY:], scaling.scale[BODY:]
    for index, row in enumerate(rows):
        wanted = np.clip((all_place_features(SKILLS, made.frames.base[row], PLACES) - mean) / scale, -5, 5)
        np.testing.assert_allclose(asked.place[index].numpy(), wanted, atol=1e-5)
    assert asked.place.shape == (2, len(SKILLS), PLACE)


def test_a_deed_is_seen_only_where_the_robot_stands(made: ValueBatches) -> None:
    phrases = np.array([[SKILLS.index(skill) for skill in (GO, TRASH, PICK)]] * 2)
    asked = made.questions(np.array([0, 2]), phrases, RNG(0))
    # The toy's base comes from the way, where it stands before nothing, to the table.
    assert asked.visible.tolist() == [[0, 0, 0], [1, 0, 1]]


def test_a_deed_is_judged_only_where_its_thing_rests() -> None:
    episode = make_episode(PICK)
    episode.labels["objects"][3:, 0, 2] -= 0.2  # the apple falls
    phrases = np.tile([SKILLS.index(skill) for skill in (PICK, GO)], (4, 1))
    asked = batches(flatten([episode])).questions(np.arange(4), phrases, RNG(0))
    still = batches(flatten([make_episode(PICK)])).questions(np.arange(4), phrases, RNG(0))
    assert still.visible[2:].all() and not asked.visible[2:, 0].any()
    still.visible[2:, 0] = 0
    assert torch.equal(asked.visible, still.visible)


def test_things_are_where_they_appear_and_nowhere_if_there_is_none(made: ValueBatches) -> None:
    phrases = np.array([[SKILLS.index(skill) for skill in (FIND, GO)]])
    asked = made.questions(np.array([2]), phrases, RNG(0))
    apple = made.frames.things.index("apple")
    np.testing.assert_allclose(asked.where[0, 0].numpy(), made.frames.where[2, :, apple], atol=1e-6)
    assert asked.where[0, 0].any() and not asked.where[0, 1].any()


def test_what_is_about_no_thing_is_about_its_goal_in_its_own_episodes() -> None:
    episodes = [make_episode(GO, objects={"tea": (1.5, 0.1, 0.85)}), make_episode(PICK)]
    two, phrases = batches(flatten(episodes)), np.array([[SKILLS.index(skill) for skill in (GO, PICK)]] * 2)
    asked = two.questions(np.array([0, 4]), phrases, RNG(0))
    for camera, name in enumerate(CAMERAS):
        assert asked.where[0, 0, camera].tolist() == two.frames.points[name][0].tolist() != [0, 0, 0]
    assert not asked.where[1, 0].any() and not asked.where[0, 1].any()  # nobody knows a goal; there is no apple
    apple = two.frames.things.index("apple")
    np.testing.assert_allclose(asked.where[1, 1].numpy(), two.frames.where[4, :, apple], atol=1e-6)


def test_what_pictures_show_moves_with_them() -> None:
    frames = flatten([make_episode(PICK)])
    still, moving = batches(frames), batches(frames, augment=True)
    rows, phrases = np.zeros(40, int), np.full((40, 1), OWN)
    here, there = (made.questions(rows, phrases, RNG(0)).where[:, 0] for made in (still, moving))
    seen = (there[..., 2] > 0) & (here[..., 2] > 0)
    assert seen.any()
    by = (there - here)[seen][:, :2]
    assert len(by.round(decimals=3).unique(dim=0)) > 5
    assert float(by.abs().max()) <= SHIFT * 2 / SIDE + 1e-6


def test_foreign_pictures_are_foreign() -> None:
    picture = torch.from_numpy(RNG(0).integers(0, 256, (3, 16, 16), dtype=np.uint8))
    found = {_foreign(picture, RNG(seed)).numpy().tobytes() for seed in range(40)}
    assert picture.numpy().tobytes() not in found and len(found) > 10
    assert all(_foreign(picture, RNG(seed)).shape == (3, 16, 16) for seed in range(10))


def test_platts_calibration_finds_slope_and_offset() -> None:
    rng = RNG(0)
    for a, b in ((0.5, -0.7), (1.7, 0.4)):
        logits = rng.normal(scale=2.0, size=20_000)
        truth = rng.random(20_000) < 1 / (1 + np.exp(-(a * logits + b)))
        assert platt(logits, truth) == pytest.approx((a, b), abs=0.08)
    assert platt(np.zeros(0), np.zeros(0, bool)) == (1.0, 0.0)
    assert platt(np.ones(3), np.ones(3, bool)) == platt(np.ones(3), np.zeros(3, bool)) == (1.0, 0.0)


def test_the_policys_own_values_at_its_starts(made: ValueBatches) -> None:
    logits, outcome = own_values(network(), made)
    assert outcome.tolist() == [seed % 2 == 0 for seed in range(12)]
    every, outcomes = own_values(network(), made, starts=False)
    assert len(every) == len(outcomes) == 30  # the last row of a success is none to begin with
    lengths = np.where(outcome, 2, 3)
    np.testing.assert_allclose(every[np.cumsum(lengths) - lengths], logits, atol=1e-5)
    assert outcomes.tolist() == np.repeat(outcome, lengths).tolist()


def test_scores_rank_and_calibrate(made: ValueBatches) -> None:
    scores = evaluate_values(network(), made, 128)
    assert {*scores} == {"possible auc", "done auc", "value auc", "value error", "detector auc"}
    assert all(0 <= score <= 1 for score in scores.values())


@pytest.mark.parametrize("cost", [1.0, 4.0])
def test_thresholds_make_the_sum_of_both_errors_smallest_for_every_verb(cost: float) -> None:
    rng = RNG(0)
    success, verbs = np.arange(3000) % 3 > 0, np.repeat(["open", "wipe", "place"], 1000)
    shift = {"open": -1.0, "wipe": 2.0, "place": 0.0}
    logits = np.array([shift[v] for v in verbs]) + 3.0 * (success - 0.5) + rng.normal(size=3000)
    found = detection_thresholds(logits, success, verbs, cost)
    assert found["open"] < found["place"] < found["wipe"]
    for verb, threshold in found.items():
        x, y = 1 / (1 + np.exp(-logits[verbs == verb])), success[verbs == verb]
        spent = [(x[y] <= t).mean() + cost * (x[~y] > t).mean() for t in (threshold, *np.linspace(0.01, 0.99, 99))]
        assert spent[0] < min(spent) + 0.05, verb


def test_thresholds_need_enough_of_either_outcome_and_stay_within_bounds() -> None:
    success, verbs = np.arange(200) >= FEWEST, np.full(200, "wipe")
    assert detection_thresholds(np.zeros(199), success[1:], verbs[1:]) == {}
    assert detection_thresholds(np.zeros(199), ~success[1:], verbs[1:]) == {}
    assert detection_thresholds(np.where(success, -5.0, -20.0), success, verbs) == {"wipe": SMALLEST}
    assert detection_thresholds(np.where(success, 20.0, 9.0), success, verbs) == {"wipe": LARGEST}


def test_thresholds_are_fitted_to_how_the_policys_own_attempts_ended(made: ValueBatches) -> None:
    logits, success, verbs = attempt_ends(network(), made, (2.0, -1.0))
    assert success.tolist() == [seed % 2 == 0 for seed in range(12)] and {*verbs} == {"pick up"}
    ends = np.flatnonzero(made.of_policy & (made.frames.end == np.arange(len(made.frames))))
    assert logits == pytest.approx(2.0 * _own_answers(network(), made, ends, "done") - 1.0)


def test_what_came_of_an_attempt_is_what_its_last_picture_is_said_to_show() -> None:
    """Another thing of that name may be where this one should be."""
    episodes = [make_episode(PICK, seed, 3, "learned", success=seed == 0) for seed in range(2)]
    episodes = [replace(episode, done=np.zeros_like(episode.done) + (episode.seed == 1)) for episode in episodes]
    two = batches(flatten(episodes))
    asked = two.questions(np.arange(6), np.tile([OWN, OTHERS[0]], (6, 1)), RNG(0))
    assert asked.done[:, 0].tolist() == [0, 0, 1, 1, 1, 0] and asked.done[:, 1].tolist() == [0, 0, 0, 1, 1, 1]


def test_what_is_fitted_tells_a_black_picture_from_those_of_training(made: ValueBatches) -> None:
    net = network().eval()
    fitted, arrays = calibrate(net, made, 256)
    assert {*fitted["calibration"]} == {"possible", "done", "value"}
    assert all(SMALLEST <= threshold < 1 for threshold in fitted["thresholds"].values())
    asked = collect_answers(net, made, 256)
    distances = np.linalg.norm((asked.features - arrays["mean"]) @ arrays["whiten"], axis=1)
    limit = fitted["foreign"]["distance"]
    assert (distances <= limit * 1.001).mean() > 0.99 and distances.max() > 0.5 * limit
    assert distances[:100].var() > 0
    black = {name: torch.zeros(1, 3, 16, 16, dtype=torch.uint8) for name in CAMERAS}
    with torch.inference_mode():
        features = net.look(black, torch.zeros(1, BODY)).features[0].numpy()
    assert np.linalg.norm((features - arrays["mean"]) @ arrays["whiten"]) > 1.2 * limit
