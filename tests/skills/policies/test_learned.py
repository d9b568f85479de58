from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from saycan import check_policy
from saycan.errors import MissingPartError, PolicyError
from saycan.skill import Skill
from saycan.skills.checkpoint import Checkpoint, build
from saycan.skills.features import STATE, observation_rows, state_features
from saycan.skills.policies.learned import LearnedPolicy
from saycan.skills.policies.network import Inputs
from saycan.skills.policies.scaling import Scaling
from saycan.skills.policies.stall import Stall
from tests.skills.data.builder import CAMERAS, PICK, PLACES, SIDE, SPEC, TEXT, make_observation, make_sentences

SCALING = Scaling.fit(SPEC, np.random.default_rng(0).normal(size=(50, STATE)).astype(np.float32))


class Counting(torch.nn.Module):
    """Notes what it is shown; its n-th answer opens the gripper by n / 10 and c / 100."""

    def __init__(self, history: int = 1, chunk: int = 1, moving: float = 0.5) -> None:
        super().__init__()
        self.history, self.chunk, self._moving = history, chunk, moving
        self.seen: list[Inputs] = []

    def actions(self, inputs: Inputs) -> torch.Tensor:
        self.seen.append(inputs)
        actions = torch.zeros(1, self.chunk, 11)
        actions[..., 0] = self._moving
        actions[..., 6] = 0.2 * len(self.seen) + 0.02 * torch.arange(self.chunk) - 1
        actions[..., 10] = -1.0
        return actions


def policy(network: Counting, stride: int = 1, **options: Any) -> LearnedPolicy:
    checkpoint = Checkpoint("bcz", {"cameras": ["head"]}, network, SCALING, make_sentences(), {"stride": stride})
    made = LearnedPolicy(checkpoint, PLACES, **options)
    made.reset(PICK)
    return made


def watch(made: LearnedPolicy, periods: int) -> list[float]:
    return [
        round(made.act(make_observation(seed=period, time=0.1 * period), PICK).gripper, 6) for period in range(periods)
    ]


def shown(inputs: Inputs) -> list[int]:
    """Which observations of `watch` those pictures are."""
    found = []
    for picture in inputs.images["head"][0]:
        matches = [
            period for period in range(20)
            if np.array_equal(make_observation(seed=period).images["head"].transpose(2, 0, 1), picture.numpy())
        ]  # fmt: skip
        found.append(matches[0])
    return found


def test_history_is_oldest_first_with_the_stride_of_the_data() -> None:
    network = Counting(history=3)
    watch(policy(network, stride=2), 7)
    assert [shown(inputs) for inputs in network.seen] == [
        [0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 3], [0, 2, 4], [1, 3, 5], [2, 4, 6],
    ]  # fmt: skip
    assert network.seen[0].images["head"].shape == (1, 3, 3, 16, 16)


class Keeping(Counting):
    """Keeps what it made of older observations by itself."""

    def window(self, stride: int) -> Keeping:
        self.strides, self.resets = [stride], 0
        return self

    def reset(self) -> None:
        self.resets += 1


def test_a_network_that_keeps_its_history_is_shown_the_newest_observation_alone() -> None:
    network = Keeping(history=3, chunk=2)
    made = policy(network, stride=2)
    watch(made, 4)
    assert [shown(inputs) for inputs in network.seen] == [[0], [1], [2], [3]]
    assert network.strides == [2] and network.resets == 1
    made.reset(PICK)
    assert network.resets == 2


def test_a_chunk_that_is_carried_out_needs_the_whole_history() -> None:
    network = Keeping(history=2, chunk=2)
    watch(policy(network, execute=2), 4)  # it is not told every period
    assert [shown(inputs) for inputs in network.seen] == [[0, 0], [1, 2]]


def test_a_stride_of_ones_own_wins() -> None:
    network = Counting(history=2)
    checkpoint = Checkpoint("bcz", {"cameras": ["head"]}, network, SCALING, make_sentences(), {"stride": 5})
    made = LearnedPolicy(checkpoint, PLACES, stride=1)
    made.reset(PICK)
    watch(made, 3)
    assert shown(network.seen[-1]) == [1, 2]


def test_reset_forgets_the_last_episode() -> None:
    network = Counting(history=2, chunk=3)
    made = policy(network, execute=3)
    watch(made, 4)
    made.reset(PICK)
    made.act(make_observation(seed=9), PICK)
    assert shown(network.seen[-1]) == [9, 9]
    assert len(network.seen) == 3  # what was left of the last chunk is not carried out


def test_a_chunk_is_carried_out_before_the_next_look() -> None:
    network = Counting(chunk=4)
    assert watch(policy(network, execute=3), 7) == pytest.approx([0.1, 0.11, 0.12, 0.2, 0.21, 0.22, 0.3])
    assert len(network.seen) == 3
    assert watch(policy(Counting(chunk=4)), 3) == pytest.approx([0.1, 0.2, 0.3])  # a new look at every period
    assert watch(policy(Counting(chunk=2), execute=9), 3) == pytest.approx([0.1, 0.11, 0.2])


def test_proprioception_is_standardised_and_the_phrase_embedded_as_in_training() -> None:
    network = Counting()
    watch(policy(network), 1)
    (inputs,) = network.seen
    rows = state_features(observation_rows([make_observation(seed=0)]), PICK, PLACES)
    np.testing.assert_allclose(inputs.state[0].numpy(), SCALING.standardise(rows))
    np.testing.assert_array_equal(inputs.text.numpy(), make_sentences().embed([PICK.phrase]))
    assert inputs.images["head"].dtype == torch.uint8


def test_actions_come_out_in_metres() -> None:
    action = policy(Counting()).act(make_observation(), PICK)
    assert action.ee_delta[0] == pytest.approx(0.5 * SPEC.limits.ee_speed / SPEC.rate)
    assert not action.base_delta.any() and not action.terminate


def test_a_policy_that_has_come_to_rest_is_nudged_and_then_ends() -> None:
    made = policy(Counting(moving=0.0), stall=Stall(rest=2, length=1, nudges=1))
    actions = [made.act(make_observation(), PICK) for _ in range(6)]
    assert [bool(action.ee_delta[:3].any()) for action in actions] == [False, False, True, False, False, False]
    assert [action.terminate for action in actions] == [False, False, False, False, True, True]
    made.reset(PICK)
    assert not made.act(make_observation(), PICK).terminate


def test_fingers_that_were_shown_open_or_closed_are_never_in_between() -> None:
    network = Counting()
    checkpoint = Checkpoint("bcz", {"cameras": ["head"]}, network, SCALING, make_sentences(), {"binary gripper": True})
    made = LearnedPolicy(checkpoint, PLACES)
    made.reset(PICK)
    assert watch(made, 8) == [0.0] * 5 + [1.0] * 3


def test_a_missing_camera_and_an_unknown_phrase_are_named() -> None:
    made = policy(Counting())
    with pytest.raises(PolicyError, match="looks through the cameras head; the robot has: tail"):
        made.act(make_observation(cameras=("tail",)), PICK)
    with pytest.raises(PolicyError, match="the robot has: none"):
        made.act(make_observation(cameras=()), PICK)
    with pytest.raises(MissingPartError, match="no embedding of 'juggle'"):
        made.reset(Skill("juggle", "juggle"))


def test_a_trained_network_is_a_policy() -> None:
    torch.manual_seed(0)
    config = {
        "cameras": list(CAMERAS), "text": TEXT, "state": STATE, "stem": 8, "stages": [[8, 1, 2]], "keypoints": 4,
        "looks": 1, "hidden": 16, "sentence": 8, "history": 2, "chunk": 3,
    }  # fmt: skip
    checkpoint = Checkpoint("bcz", config, build("bcz", config).eval(), SCALING, make_sentences())
    made = LearnedPolicy(checkpoint, PLACES, execute=2)
    made.reset(PICK)
    one, other = (made.act(make_observation(seed=1), PICK).to_vector() for _ in range(2))
    assert np.isfinite(one).all() and not np.array_equal(one, other)
    low, high = SPEC.action_space
    assert ((low - 1e-6 <= one) & (one <= high + 1e-6)).all()
    spec = replace(SPEC, cameras=dict.fromkeys(CAMERAS, (SIDE, SIDE, 3)))
    assert len(check_policy(made, spec, [PICK], periods=5)) > 2
    assert made.name == "learned policy (bcz)"
