from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saycan import collect as module
from saycan import compose
from saycan.action import Action
from saycan.adapters import as_policy
from saycan.collect import SCENES_PER_SHARD, Collected, Work, collect, make_shard
from saycan.errors import BadInputError, MissingPartError, RobotError, SceneError, UnsafeActionError
from saycan.gate import Gate
from saycan.robots.fake import FakeRobot
from saycan.skill import Skill
from saycan.skills.data.collect import Plan
from saycan.skills.data.episode import Episode
from saycan.skills.data.frames import load
from saycan.skills.data.store import about, read_shard, shards, write_shard
from saycan.skills.experts import PrivilegedExperts
from tests.skills.data.builder import make_episode

DRIVING = Plan(shares={"go to": 0.5, "find": 0.5}, in_a_row=2)


class Scene:
    def describe(self) -> str:
        return "apple on far counter"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The fake robot stands in for the kitchen, threads for processes."""
    asked: list[tuple] = []

    def sample_scene(skill: Skill, seed: int, split: str, variation: str, robot: str) -> Scene:
        asked.append((skill, seed, split, variation))
        if seed == 13:
            raise SceneError("it slipped out of the fingers")
        return Scene()

    def make_robot(name: str, **options: object) -> FakeRobot:
        assert name == "kitchen"
        return FakeRobot({"apple": "far counter"}, image_size=options.get("image_size"))  # type: ignore[arg-type]

    monkeypatch.setattr(compose, "make_robot", make_robot)
    monkeypatch.setattr(compose, "sample_scene", sample_scene)
    monkeypatch.setattr(module, "ProcessPoolExecutor", ThreadPoolExecutor)
    return asked


def work(path: Path, first: int = 0, count: int = 2, policy: str = "experts", variation: str = "frozen") -> Work:
    return Work(path, first, count, DRIVING, policy, 16, variation)


def episodes(path: Path) -> list[Episode]:
    return [*read_shard(path)]


def test_a_shard_holds_its_scenes_and_says_what_made_it(tmp_path: Path, fake: list) -> None:
    made = make_shard(work(tmp_path / "a.hdf5", first=5, variation="wide"))
    found = episodes(tmp_path / "a.hdf5")
    assert [episode.seed for episode in found] == [5, 5, 6, 6]
    assert (made.scenes, made.episodes) == (2, 4)
    assert made.frames == sum(map(len, found)) and made.successes == sum(e.success for e in found)
    assert sum((made.by_verb or {}).values()) == 4
    assert {found[0].scene} == {"apple on far counter"}
    assert found[0].observations["head_image"].shape[1:] == (16, 16, 3)
    assert {call[1:] for call in fake} == {(5, "training", "wide"), (6, "training", "wide")}
    facts = about(tmp_path / "a.hdf5")
    assert facts["distribution"] == compose.distribution_version()
    assert {"saycan-robotics", "mujoco", "numpy"} <= {*facts["versions"]}


def test_the_same_work_gives_the_same_shard(tmp_path: Path, fake: list) -> None:
    for name in ("a", "b"):
        make_shard(work(tmp_path / f"{name}.hdf5", first=3, count=1))
    for one, other in zip(episodes(tmp_path / "a.hdf5"), episodes(tmp_path / "b.hdf5"), strict=True):
        assert (one.skill, one.seed, one.success) == (other.skill, other.seed, other.success)
        np.testing.assert_array_equal(one.executed, other.executed)
        np.testing.assert_array_equal(one.observations["head_image"], other.observations["head_image"])


def test_a_scene_that_cannot_be_built_is_left_out(tmp_path: Path, fake: list) -> None:
    made = make_shard(work(tmp_path / "a.hdf5", first=12, count=3))
    assert [episode.seed for episode in episodes(tmp_path / "a.hdf5")] == [12, 12, 14, 14]
    assert made.scenes == 3


def test_a_policy_acts_in_its_own_name(tmp_path: Path, fake: list, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def make_policy(name: str, robot: object) -> PrivilegedExperts:
        asked.append(name)
        return PrivilegedExperts(robot.driver)  # type: ignore[attr-defined]

    monkeypatch.setattr(compose, "make_policy", make_policy)
    for name, helped in (("a.hdf5", True), ("b.hdf5", False)):
        one = work(tmp_path / name, count=1, policy="learned:some.safetensors")
        make_shard(replace(one, plan=replace(one.plan, takeover=helped)))
        (source,) = {episode.source for episode in episodes(tmp_path / name)}
        assert source == "learned:some.safetensors" + (" with the expert" if helped else "")
    assert asked == ["learned:some.safetensors"] * 2


def stopped(robot: Gate) -> None:
    robot.emergency_stop("a test")


def diverging(robot: Gate) -> None:
    def apply(action: Action) -> Action:
        raise RobotError("the simulation diverged; reset the kitchen")

    robot.driver.apply = apply  # type: ignore[method-assign]


@pytest.mark.parametrize("spoil", [stopped, diverging])
def test_a_scene_in_which_the_robot_stops_costs_no_other(
    spoil: Callable[[Gate], None], tmp_path: Path, fake: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Gate] = []

    def make_policy(name: str, robot: Gate) -> PrivilegedExperts:
        made.append(robot)
        if len(made) == 2:
            spoil(robot)
        return PrivilegedExperts(robot.driver)  # type: ignore[arg-type]

    monkeypatch.setattr(compose, "make_policy", make_policy)
    make_shard(work(tmp_path / "a.hdf5", first=4, count=3, policy="learned:some.safetensors"))
    assert [*dict.fromkeys(episode.seed for episode in episodes(tmp_path / "a.hdf5"))] == [4, 6]


def test_a_policy_that_acts_nonsense_is_told(tmp_path: Path, fake: list, monkeypatch: pytest.MonkeyPatch) -> None:
    nonsense = as_policy(lambda seen, skill: Action([np.nan] * 6))
    monkeypatch.setattr(compose, "make_policy", lambda name, robot: nonsense)
    with pytest.raises(UnsafeActionError, match="not finite"):
        make_shard(work(tmp_path / "a.hdf5", count=1, policy="learned:some.safetensors"))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch, fake: list) -> list[Work]:
    done: list[Work] = []

    def make(work: Work) -> Collected:
        done.append(work)
        write_shard(work.path, [make_episode()], {})
        return Collected(work.count, 1, 4, 1)

    monkeypatch.setattr(module, "make_shard", make)
    return done


def test_scenes_are_parted_into_shards_by_their_numbers(tmp_path: Path, cheap: list[Work]) -> None:
    made = collect(tmp_path / "set", 70, Plan(first=100), workers=2, image_size=32, policy="mine", variation="hard")
    assert sorted((w.path.name, w.first, w.count) for w in cheap) == [
        ("shard_0000100.hdf5", 0, 32), ("shard_0000132.hdf5", 32, 32), ("shard_0000164.hdf5", 64, 6),
    ]  # fmt: skip
    assert {(w.image_size, w.policy, w.scenes, w.plan.first) for w in cheap} == {(32, "mine", "hard", 100)}
    assert (made.scenes, made.episodes, made.frames, made.successes) == (70, 3, 12, 3)
    assert len(shards(tmp_path / "set")) == 3


def test_a_shard_that_is_there_is_not_made_again_and_an_unfinished_one_is(tmp_path: Path, cheap: list[Work]) -> None:
    collect(tmp_path, 3 * SCENES_PER_SHARD, Plan())
    before = {path: path.stat().st_mtime_ns for path in shards(tmp_path)}
    lost = tmp_path / "shard_0000032.hdf5"
    lost.rename(lost.with_suffix(".unfinished"))  # as a killed process leaves it
    cheap.clear()
    told: list[int] = []
    made = collect(tmp_path, 3 * SCENES_PER_SHARD, Plan(), progress=lambda part: told.append(part.scenes))
    assert [w.path for w in cheap] == [lost] and made.scenes == 32
    assert told == [32, 32, 32]  # those that were there count towards the whole
    assert {path for path in before if path.stat().st_mtime_ns == before[path]} == {*before} - {lost}
    assert not [*tmp_path.glob("*.unfinished")]
    cheap.clear()
    assert collect(tmp_path, 3 * SCENES_PER_SHARD, Plan()) == Collected() and not cheap


def test_a_shard_that_fails_is_told_and_the_others_stay(
    tmp_path: Path, cheap: list[Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module.make_shard

    def make(work: Work) -> Collected:
        if work.first == 32:
            raise RuntimeError("no more memory")
        return whole(work)

    monkeypatch.setattr(module, "make_shard", make)
    with pytest.raises(RuntimeError, match="memory"):
        collect(tmp_path, 64, Plan(), workers=1)
    monkeypatch.setattr(module, "make_shard", whole)
    cheap.clear()
    collect(tmp_path, 64, Plan(), workers=1)
    assert [w.first for w in cheap] == [32]


def test_a_scene_of_the_kitchen_itself_can_be_learned_from(tmp_path: Path) -> None:
    plan = Plan(shares={"go to": 1.0}, in_a_row=1, every=5)
    made = make_shard(Work(tmp_path / "a.hdf5", 2, 1, plan, "experts", 16, "frozen"))
    assert (made.episodes, made.successes) == (1, 1)
    (episode,) = episodes(tmp_path / "a.hdf5")
    assert episode.skill.verb == "go to" and len(episode.phrases) == 155 and len(episode.places) == 6
    frames = load(tmp_path)
    assert frames.where.shape == (len(episode), 2, len(frames.things), 3)
    assert {*frames.images} == {"head", "wrist"} and frames.images["head"].std() > 5
    moved = np.linalg.norm(np.diff(frames.base[:, :2], axis=0), axis=1).sum()
    assert moved > 0.3 and frames.holds(frames.done, np.array([len(frames) - 1]), own(episode))[0]


def own(episode: Episode) -> np.ndarray:
    return np.array([episode.phrases.index(episode.skill.phrase)])


def test_counts_add_up() -> None:
    total = Collected(1, 2, 3, 4, Counter({"go to": 2})) + Collected(10, 20, 30, 40, Counter({"go to": 1, "find": 1}))
    assert total == Collected(11, 22, 33, 44, Counter({"go to": 3, "find": 1}))


def test_a_folder_holds_one_kind_of_data(tmp_path: Path, fake: list) -> None:
    collect(tmp_path, 2, DRIVING, workers=1, image_size=16)
    with pytest.raises(BadInputError, match=r"noise is 1\.2, not 0\.0"):
        collect(tmp_path, 2, replace(DRIVING, noise=0.0), workers=1, image_size=16)
    with pytest.raises(BadInputError, match="policy is experts, not learned"):
        collect(tmp_path, 2, DRIVING, workers=1, image_size=16, policy="learned")
    assert collect(tmp_path, 2, DRIVING, workers=1, image_size=16).scenes == 0


def test_a_set_that_says_more_of_how_it_was_made_goes_on(tmp_path: Path, cheap: list[Work]) -> None:
    collect(tmp_path, 2, Plan(), workers=1)
    (shard,) = shards(tmp_path)
    write_shard(shard, episodes(shard), {"how": {**cheap[0].how(), "held_out": False}})  # as earlier versions did
    assert module._fits(cheap[0]) and "held_out" not in cheap[0].how()


def test_other_weights_and_another_distribution_are_other_data(
    tmp_path: Path, cheap: list[Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(b"one")
    collect(tmp_path / "set", 2, Plan(), policy=f"learned:{file}", workers=1)
    assert len(cheap[0].weights) == 12 and cheap[0].how()["distribution"] == compose.distribution_version()
    file.write_bytes(b"another")
    collect(tmp_path / "others", 2, Plan(), policy=f"learned:{file}", workers=1)
    assert cheap[0].weights != cheap[1].weights
    collect(tmp_path / "shipped", 2, Plan(), policy="learned", workers=1)
    assert cheap[2].weights not in {"", cheap[0].weights} and cheap[2].how()["policy"] == "learned"
    assert {len(work.eyes) for work in cheap} == {12} and cheap[0].how()["eyes"] == cheap[0].eyes
    (shard,) = shards(tmp_path / "set")
    assert module._fits(replace(cheap[0], path=shard)), "a set that does not say such things goes on"
    monkeypatch.setattr(compose, "distribution_version", lambda: 99)
    assert cheap[0].how()["distribution"] == 99
    with pytest.raises(MissingPartError, match=r"no trained weights at .*nowhere"):
        collect(tmp_path / "none", 2, Plan(), policy="learned:nowhere.safetensors", workers=1)


def test_a_shard_that_lacks_scenes_is_made_again(tmp_path: Path, fake: list) -> None:
    collect(tmp_path, 1, DRIVING, workers=1, image_size=16)
    assert collect(tmp_path, 3, DRIVING, workers=1, image_size=16).scenes == 3
    assert {episode.seed for episode in episodes(shards(tmp_path)[0])} == {0, 1, 2}
