from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from saycan.skills.data.frames import flatten
from saycan.skills.training.questions import ValueBatches
from saycan.skills.training.success import SuccessLearner
from saycan.skills.values.network import Answers, Look, ValueNetwork
from saycan.training.loop import Recipe, train
from tests.skills.data.builder import PICK, SKILLS, TRASH, make_episode
from tests.skills.training.test_value import RNG, batches, network

OWN = SKILLS.index(PICK)


def attempts(count: int = 12) -> ValueBatches:
    """Whether something has been picked up is plain: the pictures are then white."""
    episodes = [make_episode(PICK, seed, 3, "anybody", success=seed % 2 == 0) for seed in range(count)]
    for episode in episodes:
        for name, pictures in episode.observations.items():
            if name.endswith("_image"):
                pictures[-1] = 255 * episode.success
    return batches(flatten([*episodes, make_episode(TRASH, count, 4)]))


def answers(net: ValueNetwork, made: ValueBatches) -> tuple[Look, Answers]:
    phrases = np.tile(np.arange(len(SKILLS)), (len(made.frames), 1))
    asked = made.questions(np.arange(len(made.frames)), phrases, RNG(0))
    with torch.no_grad():
        look = net.look(asked.images, asked.body)
        return look, net.ask(look, net.read(asked.text), asked.place)


def test_of_what_was_attempted_the_truth_is_learned_and_of_all_else_what_was_said_before(tmp_path: object) -> None:
    made, start = attempts(), network().eval()
    learner = SuccessLearner(made, start)
    look, said = answers(start, made)
    recipe = Recipe(steps=250, batch=24, rate=3e-3, warmup=10, average=0.9, decay=0.0)
    net = train(network(), learner.losses, recipe, tmp_path, beside=learner.target)  # type: ignore[arg-type]
    seen, found = answers(net, made)  # type: ignore[arg-type]
    ends = made.frames.end[np.searchsorted(made.frames.episode, np.arange(12))]
    right = (found.done[ends, OWN] > 0).numpy() == made.frames.success[:12]
    assert right.mean() > 0.9 and ((said.done[ends, OWN] > 0).numpy() == made.frames.success[:12]).mean() < 0.9
    for name in ("value", "possible"):
        off = (getattr(found, name).sigmoid() - getattr(said, name).sigmoid()).abs().mean()
        assert off < 0.05, name
    assert (seen.coherent - look.coherent).abs().mean() < 1.0


def test_at_first_nothing_has_moved_and_only_deeds_are_learned() -> None:
    made, net = attempts(), network()
    learner = SuccessLearner(made, net, whiten=np.eye(32, dtype=np.float32))
    first = {name: float(loss.detach()) for name, loss in learner.losses(net, RNG(0), 16).items()}
    assert {*first} == {"done", "kept", "pointing", "features", "coherent"}
    assert max(first["features"], first["coherent"]) < 1e-4  # pictures are learned from in bfloat16 where a core has it
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.1)
    moved = learner.losses(net, RNG(0), 16)
    assert all(float(moved[name].detach()) > first[name] for name in ("features", "coherent", "kept"))
    sum(moved.values()).backward()  # type: ignore[union-attr]
    assert all(weight.grad is None for weight in learner.target.parameters())


def test_of_other_verbs_nothing_is_learned() -> None:
    made, net = attempts(), network()
    for verbs, some in (({"pick up"}, True), ({"wipe"}, False)):
        losses = SuccessLearner(made, net, verbs).losses(network(1), RNG(0), 16)
        assert (float(losses["done"].detach()) > 0) == some, verbs


def test_what_others_know_of_an_attempt_does_not_count() -> None:
    """A deed that could not be seen from where the robot stood teaches nothing."""
    still = attempts()
    away = replace(still.frames, base=still.frames.base + np.float32(9.0))
    there = batches(away)
    loss = SuccessLearner(there, network()).losses(network(), RNG(0), 16)["done"]
    assert float(loss.detach()) == 0.0
