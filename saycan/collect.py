"""Collecting data with all cores: shards of seeded scenes, each made by one process, each made once."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saycan.digest import digest
from saycan.errors import BadInputError, MissingPartError, RobotError, SceneError, UnsafeActionError

if TYPE_CHECKING:
    from saycan.skills.data.collect import Plan

SCENES_PER_SHARD = 32


@dataclass(frozen=True)
class Work:
    """One shard: where it goes, which scenes, how.

    Attributes:
        path: The file.
        first, count: Its scenes.
        plan: See `saycan.skills.data.collect.Plan`.
        policy: Name of the policy that acts, or "experts".
        image_size: Pixels.
        scenes: How scenes are drawn: "frozen", or a variation of the kitchen.
        robot: Name of the simulated robot.
        weights: What tells the file of a learned policy from others; "" for any other policy.
        eyes: The same of the values with which it looks for things, and whether it has wiped all.
    """

    path: Path
    first: int
    count: int
    plan: Plan
    policy: str
    image_size: int
    scenes: str
    robot: str = "kitchen"
    weights: str = ""
    eyes: str = ""

    def how(self) -> dict[str, Any]:
        """Everything that decides about the episodes of a scene but its number; a data set has one such."""
        from saycan.compose import distribution_version

        plan = {name: value for name, value in asdict(self.plan).items() if name != "first"}
        whose = {} if self.robot == "kitchen" else {"robot": self.robot}
        drawn = {"image_size": self.image_size, "variation": self.scenes, "distribution": distribution_version()}
        return {"policy": self.policy, "weights": self.weights, "eyes": self.eyes, **drawn, **whose, **plan}


@dataclass(frozen=True)
class Collected:
    """What is in a data set or a part of it.

    Attributes:
        scenes, episodes, frames, successes: Counts.
        by_verb: Verb to number of episodes.
    """

    scenes: int = 0
    episodes: int = 0
    frames: int = 0
    successes: int = 0
    by_verb: Counter[str] | None = None

    def __add__(self, other: Collected) -> Collected:
        return Collected(
            self.scenes + other.scenes,
            self.episodes + other.episodes,
            self.frames + other.frames,
            self.successes + other.successes,
            (self.by_verb or Counter()) + (other.by_verb or Counter()),
        )


def collect(
    folder: Path,
    scenes: int,
    plan: Plan,
    *,
    policy: str = "experts",
    image_size: int = 64,
    variation: str = "frozen",
    robot: str = "kitchen",
    workers: int | None = None,
    progress: Callable[[Collected], object] = lambda part: None,
) -> Collected:
    """Make a data set; shards that are there already are left as they are.

    Args:
        folder: Where the shards go.
        scenes: How many scenes, from `plan.first` on.
        plan: See `saycan.skills.data.collect.Plan`.
        policy: Name of the policy that acts (`saycan.compose.make_policy`), or "experts".
        image_size: Pixels of the cameras.
        variation: How scenes are drawn.
        robot: Name of the simulated robot; `saycan.compose.SCENES` has those that scenes can be drawn for.
        workers: Processes; None is one a core.
        progress: Told about each shard, those that were there already first.

    Returns:
        Counts of what was made now.

    Raises BadInputError when the folder holds a data set that was made in another way, and MissingPartError when there
    are no weights of the policy.
    """
    weights, eyes = _weights(policy)
    folder.mkdir(parents=True, exist_ok=True)
    works = []
    for first in range(0, scenes, SCENES_PER_SHARD):
        count = min(SCENES_PER_SHARD, scenes - first)
        path = folder / f"shard_{plan.first + first:07d}.hdf5"
        work = Work(path, first, count, plan, policy, image_size, variation, robot, weights, eyes)
        if path.exists() and _fits(work):
            progress(Collected(scenes=count))
        else:
            works.append(work)
    made = Collected()
    with ProcessPoolExecutor(workers or os.cpu_count() or 1) as pool:
        futures = [pool.submit(make_shard, work) for work in works]
        try:
            for future in as_completed(futures):
                part = future.result()
                made += part
                progress(part)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return made


def make_shard(work: Work) -> Collected:
    """Make one shard in this process."""
    from saycan.compose import default_library, distribution_version, make_policy, make_robot, sample_scene
    from saycan.gate import Gate
    from saycan.skills.data.collect import about, collect_scene
    from saycan.skills.data.store import write_shard

    library = default_library(make_robot(work.robot, cameras=()))
    assert library is not None

    def robot_in_scene(skill: Any, number: int) -> Any:
        scene = sample_scene(skill, number, "training", work.scenes, work.robot)
        return Gate(make_robot(work.robot, scene=scene, image_size=work.image_size)), scene.describe()

    actor = None
    if work.policy != "experts":
        import torch

        torch.set_num_threads(1)
        actor = lambda robot: make_policy(work.policy, robot)  # noqa: E731
    made = Collected(scenes=work.count)

    def episodes() -> Any:
        nonlocal made
        for number in range(work.first, work.first + work.count):
            try:
                for episode in collect_scene(number, work.plan, library, robot_in_scene, actor, work.policy):
                    verbs = Counter({episode.skill.verb: 1})
                    made += Collected(0, 1, len(episode), int(episode.success), verbs)
                    yield episode
            except UnsafeActionError:
                raise  # the policy's fault, in every scene
            except (SceneError, RobotError):  # a thing slips out of the fingers at the start; the gate stops the robot
                continue

    simulator = "pybullet" if work.robot == "panda" else "mujoco"
    versions = {name: version(name) for name in ("saycan-robotics", simulator, "numpy")}
    facts = about(library, work.plan, versions, distribution_version()) | {"how": work.how(), "scenes": work.count}
    facts["env_name"] = f"saycan {work.robot}"
    write_shard(work.path, episodes(), facts)
    return made


def _weights(policy: str) -> tuple[str, str]:
    """What tells the files of a learned policy and of the values with which it looks from others."""
    kind, _, file = policy.partition(":")
    if kind != "learned":
        return "", ""
    from saycan.skills.shipped import POLICY, VALUES

    path = Path(file) if file else POLICY
    try:
        return digest(path), digest(VALUES) if VALUES.exists() else ""
    except OSError as error:
        raise MissingPartError(
            f"no trained weights at {path}: {error.strerror}; train some with: saycan train"
        ) from error


def _fits(work: Work) -> bool:
    """Whether the shard that is there is the one wanted; one with fewer scenes is made again.

    Raises BadInputError for one that was made in another way.
    """
    from saycan.skills.data.store import about

    found = about(work.path)
    wanted: dict[str, Any] = json.loads(json.dumps(work.how()))
    unsaid = {name: wanted[name] for name in ("weights", "eyes")}
    unsaid["distribution"] = found.get("distribution", wanted["distribution"])
    there = unsaid | found.get("how", wanted)
    other = [f"{name} is {there.get(name)}, not {value}" for name, value in wanted.items() if there.get(name) != value]
    if other:
        raise BadInputError(
            f"{work.path.parent} holds a data set that was collected in another way ({'; '.join(other)}); "
            "collect into another folder, or with the same options and weights"
        )
    return bool(found.get("scenes", work.count) >= work.count)
