from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saycan.errors import BadInputError
from saycan.skills import checkpoint
from saycan.skills.features import STATE
from saycan.skills.kitchen import held_out
from saycan.skills.policies.learned import LearnedPolicy
from saycan.skills.training.run import (
    FEW,
    PRESETS,
    Job,
    learnable,
    network_config,
    seeded,
    stride,
    train_policy,
    train_success,
    train_values,
)
from saycan.skills.values.perception import Perception
from saycan.training.loop import Progress, Recipe, read_curve
from tests.skills.data.builder import (
    CAMERAS,
    GO,
    LIBRARY,
    PICK,
    PLACES,
    SIDE,
    SKILLS,
    SPEC,
    TEXT,
    TRASH,
    UNSEEN,
    make_episode,
    make_observation,
    make_sentences,
    make_set,
)

TINY = {"stem": 8, "stages": [[8, 1, 2]], "keypoints": 4, "looks": 1, "hidden": 16, "sentence": 8}
SMALL = {"stem": 8, "channels": 8, "blocks": 1, "heads": 2, "width": 4, "hidden": 16}
RECIPE = Recipe(steps=3, batch=8, rate=0.01, warmup=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    episodes = [make_episode(PICK, 0), make_episode(GO, 1), make_episode(TRASH, 2), make_episode(UNSEEN, 3)]
    episodes.append(make_episode(PICK, 4, success=False))
    return make_set(folder, episodes)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return policy(data, tmp_path_factory.mktemp("trained"))


def policy(data: Path, folder: Path, recipe: Recipe = RECIPE, **options: Any) -> Path:
    job = Job([data], folder, recipe, device="cpu", **options)
    return train_policy(job, "bcz", SPEC, make_sentences(), TINY)


def weights(path: Path) -> Mapping[str, torch.Tensor]:
    return checkpoint.load(path).network.state_dict()


def equal(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return all(torch.equal(a[name], b[name]) for name in a)


def test_what_is_trained_is_a_policy_that_says_where_it_comes_from(trained: Path) -> None:
    found = checkpoint.load(trained)
    assert (trained.name, found.kind) == ("policy.safetensors", "bcz")
    assert found.config == {"cameras": ["head", "wrist"], "text": TEXT, "state": STATE, **TINY}
    # Neither the held-out combination nor the expert's failure.
    wanted = {
        "rows": 12, "episodes": 3, "sources": ["experts"], "steps": 3, "batch": 8, "seed": 0, "stride": 3,
    }  # fmt: skip
    assert {name: found.about[name] for name in wanted} == wanted
    made = LearnedPolicy(found, PLACES)
    made.reset(PICK)
    assert made.act(make_observation(), PICK).is_finite()
    low, high = SPEC.action_space
    np.testing.assert_allclose(found.scaling.low, low, rtol=1e-6)
    np.testing.assert_allclose(found.scaling.high, high, rtol=1e-6)


def test_the_curve_tells_losses_and_scores(trained: Path) -> None:
    (row,) = read_curve(trained.parent)
    assert {
        "action",
        "terminate",
        "pointing",
        "goal",
        "hand error",
        "fingers right",
        "ending right",
        "points head",
    } <= {*row}
    assert row["step"] == 3


def test_stopped_and_started_again_it_gives_the_same_policy(data: Path, trained: Path, tmp_path: Path) -> None:
    for _ in range(3):
        path = policy(data, tmp_path / "pieces", minutes=0.0)
    assert equal(path, trained)
    other = policy(data, tmp_path / "other", replace(RECIPE, seed=1))
    assert not equal(other, trained)


def test_data_for_validation_are_scored_and_not_learned_from(data: Path, tmp_path: Path) -> None:
    others = [make_set(tmp_path / str(seed), [make_episode(PICK, seed), make_episode(TRASH, seed)]) for seed in (1, 2)]
    paths = [policy(data, tmp_path / f"out{n}", validation=[other]) for n, other in enumerate(others)]
    assert equal(*paths), "what is learned is the same"
    scores = [{**read_curve(path.parent)[0]} for path in paths]
    assert scores[0]["action"] == scores[1]["action"] and scores[0]["hand error"] != scores[1]["hand error"]
    for change in ({"validation": [others[1]]}, {}):
        with pytest.raises(BadInputError, match="holds a training of something else: aside is"):
            policy(data, tmp_path / "out0", **change)
    with pytest.raises(BadInputError, match="for validation have other cameras"):
        policy(data, tmp_path / "blind", validation=[make_set(tmp_path / "b", [make_episode(PICK, cameras=("head",))])])


def test_fine_tuning_begins_with_a_checkpoints_weights_scaling_and_phrases(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    own = make_set(tmp_path / "own", [make_episode(TRASH, 77, 5)])
    job = Job([own], tmp_path / "out", replace(RECIPE, rate=1e-6, decay=0.0), device="cpu", start=trained)
    told: list[Progress] = []
    path = train_policy(job, "rt1", SPEC, make_sentences(size=3), report=told.append)  # the checkpoint's network counts
    start, tuned = checkpoint.load(trained), checkpoint.load(path)
    assert (tuned.kind, tuned.config) == (start.kind, start.config)
    np.testing.assert_array_equal(tuned.scaling.mean, start.scaling.mean)
    np.testing.assert_array_equal(tuned.sentences.vectors, start.sentences.vectors)
    moved = [(a - b).abs().max() for a, b in zip(weights(path).values(), weights(trained).values(), strict=True)]
    assert 0 < max(moved) < 1e-4
    assert tuned.about["rows"] == 5 and told[-1].step == 3


def test_other_data_or_another_start_do_not_go_on_in_the_same_folder(data: Path, trained: Path, tmp_path: Path) -> None:
    policy(data, tmp_path / "out", minutes=0.0)
    other = make_set(tmp_path / "other", [make_episode(PICK, 9)])
    with pytest.raises(BadInputError, match=r"holds a training of something else: data is 12 rows of 3 episodes"):
        policy(other, tmp_path / "out")
    with pytest.raises(BadInputError, match=r"holds a training of something else: start is None, not [0-9a-f]{12}"):
        policy(data, tmp_path / "out", start=trained)


def test_a_policy_that_never_saw_a_map_is_shown_none(tmp_path: Path) -> None:
    bare = [replace(make_episode(PICK, seed), places={}) for seed in (1, 2)]
    found = checkpoint.load(policy(make_set(tmp_path / "bare", bare), tmp_path / "out"))
    assert found.about["map"] is False and found.about["pictures"]["head"] == [SIDE, SIDE, 3]
    actions = []
    for places in (PLACES, {}):
        made = LearnedPolicy(found, places)
        made.reset(PICK)
        actions.append(made.act(make_observation(), PICK).to_vector())
    np.testing.assert_array_equal(*actions)
    with pytest.raises(BadInputError, match="some of the data have a map of the furniture and some have none"):
        policy(make_set(tmp_path / "mixed", [*bare, make_episode(PICK, 3)]), tmp_path / "mixed out")


def test_which_episodes_a_policy_may_learn_from() -> None:
    assert learnable(make_episode(PICK))
    assert not learnable(make_episode(PICK, success=False))  # an expert that failed shows nothing
    assert learnable(make_episode(PICK, success=False, source="learned"))  # its labels are the expert's
    assert held_out(UNSEEN) and not learnable(make_episode(UNSEEN))
    assert learnable(replace(make_episode(UNSEEN), phrases=()))  # somebody's own


def test_data_without_anything_to_learn_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no episode to learn from"):
        policy(make_set(tmp_path / "a", [make_episode(UNSEEN)]), tmp_path / "out")
    with pytest.raises(BadInputError, match=r"no .hdf5 file in"):
        policy(tmp_path / "nowhere", tmp_path / "out")


def test_stride_is_read_from_the_data(tmp_path: Path) -> None:
    assert stride([make_set(tmp_path / "a", [make_episode()], every=5)]) == 5


def test_every_network_has_a_size_that_trains_here() -> None:
    for name in PRESETS:
        config = network_config(name, CAMERAS, TEXT, STATE, {})
        network = seeded(name, config, 0)
        assert (list(config["cameras"]), config["text"], config["state"]) == ([*CAMERAS], TEXT, STATE)
        assert sum(weight.numel() for weight in network.parameters()) < 8e6
        assert hasattr(network, "losses") and network.history >= 1 and network.chunk >= 1
    with pytest.raises(BadInputError, match="unknown network 'gpt'; valid: bcz, rt1, clip-fusion"):
        network_config("gpt", CAMERAS, TEXT, STATE, {})
    config = network_config("bcz", CAMERAS, TEXT, STATE, TINY)
    one, same, other = (seeded("bcz", config, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    episodes = [make_episode(PICK, seed, 3, "mine", success=seed % 3 != 0) for seed in range(1, 17)]
    episodes += [make_episode(UNSEEN, 20, 2, "mine"), make_episode(TRASH, 21, success=False)]
    return make_set(tmp_path_factory.mktemp("rollouts"), episodes)


def values(rollouts: Path, folder: Path, method: Any = "td", of: str = "mine", minutes: float | None = None) -> Path:
    job = Job([rollouts], folder, RECIPE, minutes)
    return train_values(job, of, LIBRARY, SPEC, make_sentences(), method, SMALL)


def test_values_are_trained_calibrated_and_ready_to_ask(rollouts: Path, tmp_path: Path) -> None:
    path = values(rollouts, tmp_path)
    found = checkpoint.load(path)
    assert (path.name, found.kind, found.about["method"], found.about["policy"]) == (
        "values.safetensors", "value", "td", "mine",
    )  # fmt: skip
    assert found.about["episodes"] == 18  # failures and held-out combinations speak about values too
    assert {*found.about["calibration"]} == {"value", "possible", "done"}
    assert found.extra["whiten"].shape == (32, 32)
    seen = Perception(found, PLACES).ask(make_observation(), SKILLS)
    assert seen.value.shape == (6,) and np.isfinite(seen.value).all() and seen.strange > 0
    (row,) = read_curve(tmp_path)
    assert {"value", "possible", "done", "pointing", "coherent", "value auc", "value error"} <= {*row}


def test_values_stopped_and_started_again_come_out_the_same(rollouts: Path, tmp_path: Path) -> None:
    whole = values(rollouts, tmp_path / "whole")
    for _ in range(3):
        pieces = values(rollouts, tmp_path / "pieces", minutes=0.0)
    assert equal(whole, pieces)
    assert not equal(whole, values(rollouts, tmp_path / "mc", "mc"))


def test_values_are_calibrated_on_the_data_for_validation(rollouts: Path, tmp_path: Path) -> None:
    others = []
    for share in (2, 4):
        episodes = [make_episode(PICK, seed, 3, "mine", success=seed % share != 0) for seed in range(100, 160)]
        others.append(make_set(tmp_path / str(share), episodes))
    paths = []
    for number, other in enumerate(others):
        job = Job([rollouts], tmp_path / f"out{number}", RECIPE, validation=[other])
        paths.append(train_values(job, "mine", LIBRARY, SPEC, make_sentences(), "td", SMALL))
    assert equal(*paths), "what is learned is the same"
    (half, quarter) = (checkpoint.load(path).about["calibration"]["value"] for path in paths)
    assert half != quarter
    experts = make_set(tmp_path / "experts", [make_episode(PICK)])
    with pytest.raises(BadInputError, match=r"no episode of the policy 'mine' in these data; there are .*experts"):
        train_values(replace(job, validation=[experts]), "mine", LIBRARY, SPEC, make_sentences(), "td", SMALL)


def test_values_start_from_those_of_another_policy(rollouts: Path, tmp_path: Path) -> None:
    first = values(rollouts, tmp_path / "first")
    job = Job([rollouts], tmp_path / "next", replace(RECIPE, rate=1e-6, decay=0.0), start=first)
    path = train_values(job, "mine", LIBRARY, SPEC, make_sentences(), "td")
    start, found = checkpoint.load(first), checkpoint.load(path)
    assert found.config == start.config
    np.testing.assert_array_equal(found.scaling.mean, start.scaling.mean)
    for name, before in start.network.state_dict().items():
        torch.testing.assert_close(found.network.state_dict()[name], before, rtol=0.0, atol=1e-4)


def test_a_blend_lies_between_its_start_and_what_was_learned(rollouts: Path, tmp_path: Path) -> None:
    first = values(rollouts, tmp_path / "first")
    job = Job([rollouts], tmp_path / "next", replace(RECIPE, rate=0.01), start=first)
    paths = {1.0: train_values(job, "mine", LIBRARY, SPEC, make_sentences())}
    after = checkpoint.load(paths[1.0])
    for blend in (0.25, 0.75):  # of the same training, which is not done again
        found = checkpoint.load(train_values(replace(job, blend=blend), "mine", LIBRARY, SPEC, make_sentences()))
        before = checkpoint.load(first).network.state_dict()
        for name, weights in found.network.state_dict().items():
            wanted = before[name] + blend * (after.network.state_dict()[name] - before[name])
            torch.testing.assert_close(weights, wanted, rtol=1e-5, atol=1e-6)
        assert found.about["blend"] == blend
        assert found.about["calibration"] != after.about["calibration"], "of other answers"
    for bad in (0.0, 1.5):
        with pytest.raises(BadInputError, match=f"more than 0 and at most 1, found {bad}"):
            replace(job, blend=bad)
    with pytest.raises(BadInputError, match="mixes what is learned with a start"):
        replace(job, start=None, blend=0.5)


def success(start: Path | None, folder: Path, verbs: Collection[str] | None = None, **options: Any) -> Path:
    episodes = [make_episode(PICK, seed, 3, "anybody", success=seed % 3 != 0) for seed in range(1, 17)]
    data = make_set(folder / "data", episodes)
    job = Job([data], folder / "out", RECIPE, start=start, **options)
    return train_success(job, "mine", LIBRARY, make_sentences(), verbs)


def test_success_is_learned_by_a_network_that_keeps_all_else(rollouts: Path, tmp_path: Path) -> None:
    start = values(rollouts, tmp_path / "first")
    path = success(start, tmp_path)
    before, found = checkpoint.load(start), checkpoint.load(path)
    assert (path.name, found.kind) == ("values.safetensors", "value")
    assert {name: fact for name, fact in found.about.items() if name != "success"} == before.about
    assert (found.about["success"]["episodes"], found.about["success"]["sources"]) == (16, ["anybody"])
    np.testing.assert_array_equal(found.extra["whiten"], before.extra["whiten"])
    assert any((one != other).any() for one, other in zip(
        found.network.parameters(), before.network.parameters(), strict=True))  # fmt: skip
    seen = Perception(found, PLACES).ask(make_observation(), SKILLS)
    assert np.isfinite(seen.done).all()
    (row,) = read_curve(tmp_path / "out")
    assert {"done", "kept", "features", "detector auc"} <= {*row}


def test_success_stopped_and_started_again_comes_out_the_same(rollouts: Path, tmp_path: Path) -> None:
    start = values(rollouts, tmp_path / "first")
    whole = success(start, tmp_path / "whole")
    for _ in range(3):
        pieces = success(start, tmp_path / "pieces", minutes=0.0)
    assert equal(whole, pieces)


def test_thresholds_are_fitted_anew_where_enough_was_attempted(rollouts: Path, tmp_path: Path) -> None:
    start = values(rollouts, tmp_path / "first")
    for many, fitted in ((2 * FEW - 2, set()), (2 * FEW, {"pick up"})):
        tried = [make_episode(PICK, seed, 3, "mine", success=seed % 2 == 0) for seed in range(100, 100 + many)]
        tried += [make_episode(TRASH, seed, 3, "mine", success=seed % 2 == 0) for seed in range(100, 110)]
        aside = make_set(tmp_path / f"aside{many}", tried)
        path = success(start, tmp_path / str(many), validation=[aside])
        assert {*checkpoint.load(path).about["thresholds"]} == fitted
    path = success(start, tmp_path / "others", {"wipe"}, validation=[aside])
    assert checkpoint.load(path).about["thresholds"] == {} and checkpoint.load(path).about["success"]["verbs"] == "wipe"


def test_thresholds_of_a_policy_are_fitted_to_its_own_attempts_or_not_at_all(rollouts: Path, tmp_path: Path) -> None:
    aside = make_set(tmp_path / "aside", [make_episode(PICK, 1, 3, "yours")])
    with pytest.raises(
        BadInputError, match=r"no episode of the policy 'mine' in these data; there are those of: yours"
    ):
        success(values(rollouts, tmp_path / "first"), tmp_path / "out", validation=[aside])


def test_values_need_a_map(rollouts: Path, tmp_path: Path) -> None:
    away = replace(make_episode(PICK, 1, 3, "mine"), places={})
    with pytest.raises(BadInputError, match="map of the furniture, and some of these data have none"):
        values(make_set(tmp_path, [away]), tmp_path / "out")


def test_success_needs_a_network_that_knows_values(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="give one to start from"):
        success(None, tmp_path / "none")
    with pytest.raises(BadInputError, match="'bcz'; values can start from values only"):
        success(trained, tmp_path / "policy")


def test_success_is_learned_from_pictures_of_the_size_that_the_values_know(rollouts: Path, tmp_path: Path) -> None:
    episode = make_episode(PICK, 1, 3, "anybody")
    for name, pictures in episode.observations.items():
        if name.endswith("_image"):
            episode.observations[name] = pictures.repeat(2, axis=1).repeat(2, axis=2)
    job = Job([make_set(tmp_path, [episode])], tmp_path / "out", RECIPE, start=values(rollouts, tmp_path / "first"))
    with pytest.raises(BadInputError, match=f"trained on pictures of {SIDE} x {SIDE} .* gives {2 * SIDE} x {2 * SIDE}"):
        train_success(job, "mine", LIBRARY, make_sentences())


def test_neither_starts_from_the_other(data: Path, rollouts: Path, trained: Path, tmp_path: Path) -> None:
    made = values(rollouts, tmp_path / "values")
    with pytest.raises(BadInputError, match="'bcz'; values can start from values only"):
        train_values(Job([rollouts], tmp_path, RECIPE, start=trained), "mine", LIBRARY, SPEC, make_sentences())
    with pytest.raises(BadInputError, match="holds values; a policy can start from a policy only"):
        train_policy(Job([data], tmp_path, RECIPE, start=made), "bcz", SPEC, make_sentences())


def test_a_policy_without_episodes_has_no_value(rollouts: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no episode of the policy 'yours' in these data.*experts, mine"):
        values(rollouts, tmp_path, of="yours")
