from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from saycan.errors import ValueFunctionError
from saycan.observation import Observation
from saycan.skills.checkpoint import Checkpoint
from saycan.skills.data.frames import Frames, flatten
from saycan.skills.kitchen import STRESS, kitchen_library
from saycan.skills.policies.scaling import Scaling
from saycan.skills.sentences import Sentences
from saycan.skills.training.calibration import calibrate
from saycan.skills.training.questions import ValueBatches
from saycan.skills.values.network import ValueNetwork
from saycan.skills.values.perception import Perception
from tests.skills.data.builder import (
    CAMERAS,
    PICK,
    PLACES,
    SIDE,
    SKILLS,
    SPEC,
    TEXT,
    make_episode,
    make_observation,
    make_sentences,
)

CONFIG = {
    "cameras": list(CAMERAS), "text": TEXT, "stem": 8, "channels": 8, "blocks": 1, "heads": 2, "width": 4, "hidden": 16,
}  # fmt: skip


def network() -> ValueNetwork:
    torch.manual_seed(0)
    return ValueNetwork(**CONFIG).eval()  # type: ignore[arg-type]


def frames() -> Frames:
    return flatten([make_episode(PICK, seed, 4, "learned", success=seed % 2 == 0) for seed in range(10)])


def checkpoint(net: Any = None, sentences: Sentences | None = None, **more: Any) -> Checkpoint:
    scaling = Scaling.fit(SPEC, frames().state)
    return Checkpoint(
        "value", CONFIG, network() if net is None else net, scaling, sentences or make_sentences(), **more
    )


class CountingNetwork(ValueNetwork):
    looks = asks = 0

    def look(self, *arguments: Any) -> Any:
        self.looks += 1
        return super().look(*arguments)

    def ask(self, *arguments: Any) -> Any:
        self.asks += 1
        return super().ask(*arguments)


def test_551_phrases_take_one_look() -> None:
    library = kitchen_library(STRESS)
    assert len(library) == 551
    vectors = np.random.default_rng(0).normal(size=(551, TEXT)).astype(np.float32)
    net = CountingNetwork(**CONFIG).eval()  # type: ignore[arg-type]
    perception = Perception(checkpoint(net, Sentences(library.phrases, vectors)), PLACES)
    seen = perception.ask(make_observation(), tuple(library))
    assert (net.looks, net.asks) == (1, 1)
    for answer in (seen.value, seen.possible, seen.done):
        assert answer.shape == (551,) and ((answer > 0) & (answer < 1)).all() and len({*answer.tolist()}) > 500
    some = tuple(library)[100:103]
    few = perception.ask(make_observation(), some)
    np.testing.assert_allclose(few.done, seen.done[100:103], atol=1e-5)


def observation(frames: Frames, episode: Any, row: int) -> Observation:
    seen = episode.observations
    return Observation(
        float(seen["time"][row, 0]),
        {name: frames.images[name][row] for name in CAMERAS},
        seen["joints"][row].astype(float),
        float(seen["gripper"][row, 0]),
        seen["ee_position"][row].astype(float),
        seen["ee_quaternion"][row].astype(float),
        seen["base_pose"][row].astype(float),
    )


def test_a_live_observation_is_answered_as_its_row_was_in_training() -> None:
    episode = make_episode(PICK, 0, 4, "learned")
    rows = flatten([episode])
    net, made = network(), checkpoint()
    batches = ValueBatches(rows, SKILLS, made.scaling, made.sentences, "learned", augment=False)
    asked = batches.questions(np.arange(4), np.tile(np.arange(len(SKILLS)), (4, 1)), np.random.default_rng(0))
    with torch.inference_mode():
        answers = net.ask(net.look(asked.images, asked.body), net.read(asked.text), asked.place)
    perception = Perception(made, PLACES)
    for row in range(4):
        seen = perception.ask(observation(rows, episode, row), SKILLS)
        for name in ("value", "possible", "done"):
            wanted = getattr(answers, name)[row].sigmoid().numpy()
            np.testing.assert_allclose(getattr(seen, name), wanted, atol=1e-5)


def test_probabilities_are_calibrated() -> None:
    plain = Perception(checkpoint(), PLACES).ask(make_observation(), SKILLS)
    about = {"calibration": {"value": [0.5, -1.0], "done": [2.0, 0.3]}}
    fitted = Perception(checkpoint(about=about), PLACES).ask(make_observation(), SKILLS)

    def logit(p: np.ndarray) -> np.ndarray:
        return np.log(p / (1 - p))

    np.testing.assert_allclose(logit(fitted.value), 0.5 * logit(plain.value) - 1.0, atol=1e-6)
    np.testing.assert_allclose(logit(fitted.done), 2.0 * logit(plain.done) + 0.3, atol=1e-6)
    np.testing.assert_array_equal(fitted.possible, plain.possible)


def black(seen: Observation) -> Observation:
    return replace(seen, images={name: np.zeros((SIDE, SIDE, 3), np.uint8) for name in seen.images})


def test_a_black_picture_is_stranger_than_any_that_was_trained_on() -> None:
    episodes = [make_episode(PICK, seed, 4, "learned", success=seed % 2 == 0) for seed in range(10)]
    rows = flatten(episodes)
    made = checkpoint()
    batches = ValueBatches(rows, SKILLS, made.scaling, made.sentences, "learned", augment=False)
    about, extra = calibrate(network(), batches, 256)
    perception = Perception(checkpoint(about=about, extra=extra), PLACES)
    known = []
    for episode in episodes:
        alone = flatten([episode])
        known += [perception.ask(observation(alone, episode, row), [PICK]).strange for row in range(4)]
    assert np.mean(np.array(known) <= 1.0) > 0.9
    strange = perception.ask(black(make_observation()), [PICK]).strange
    assert strange > 1.0 and strange > max(known)


def test_incoherence_is_strange_by_itself() -> None:
    about = {"foreign": {"distance": 1e6, "coherent": 2.0}}
    extra = {"mean": np.zeros(32, np.float32), "whiten": np.eye(32, dtype=np.float32)}
    perception = Perception(checkpoint(about=about, extra=extra), PLACES)
    features = np.zeros(32, np.float32)
    assert perception.strangeness(features, 2.0) == pytest.approx(1.0)
    assert perception.strangeness(features, -2.0) == pytest.approx(2.0)
    assert perception.strangeness(features, 9.0) == pytest.approx(0.0)  # only the distance is left
    assert perception.strangeness(features + 1e6, 9.0) > 5.0
    assert Perception(checkpoint(), PLACES).strangeness(features, -99.0) == 0.0  # nothing was fitted


def test_what_it_cannot_use_is_named() -> None:
    with pytest.raises(ValueFunctionError, match="kind 'bcz', not a value network"):
        Perception(replace(checkpoint(), kind="bcz"), PLACES)
    with pytest.raises(ValueFunctionError, match="through the cameras head, wrist; the robot has: head"):
        Perception(checkpoint(), PLACES).ask(make_observation(cameras=("head",)), SKILLS)
