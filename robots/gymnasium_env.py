"""The kitchen as a Gymnasium environment, for whoever brings a learner of their own.

    import gymnasium
    from saycan.robots.gymnasium_env import register

    register()
    env = gymnasium.make("saycan/Kitchen-v0", variation="wide")
    observation, info = env.reset(seed=0, options={"skill": "pick up the apple"})
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())

Gymnasium knows the name once `register` has been called (since 1.0 it loads no plug-ins of its own accord); or make a
`KitchenEnv` without it. Gymnasium is an extra: `pip install "saycan-robotics[gym]"`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from saycan.action import ACTION_SIZE, GRIPPER, TERMINATE, Action
from saycan.errors import BadInputError, RobotError, UnknownNameError
from saycan.executor import SETTLE, standing
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.robots.kitchen.distribution import DISTRIBUTION, Split
from saycan.robots.kitchen.kitchen import CAMERAS, Kitchen
from saycan.robots.kitchen.scene import Scene, parse_scene
from saycan.robots.kitchen.variation import sample_variation
from saycan.skill import Skill
from saycan.symbolic import succeeded
from saycan.vocabulary import KITCHEN

ID = "saycan/Kitchen-v0"
"""What `gymnasium.make` takes after `register`."""

LETS_GO = ("place", "put down", "trash", "bring")
"""Verbs that end in letting go of something, which then falls."""

_PROPRIOCEPTION_HIGH = np.array([*[4.0] * 7, 1.0, *[2.0] * 3, *[1.0] * 4, *[100.0] * 3], dtype=np.float32)
_PROPRIOCEPTION_LOW = np.where(np.arange(18) == 7, 0.0, -_PROPRIOCEPTION_HIGH).astype(np.float32)

Observed = dict[str, NDArray[Any]]
"""What `observation_space` holds."""


def register() -> None:
    """Make `ID` known to Gymnasium; does nothing where it is known already."""
    if ID not in gymnasium.registry:
        gymnasium.register(id=ID, entry_point=f"{__name__}:{KitchenEnv.__name__}")


class KitchenEnv(gymnasium.Env):  # type: ignore[misc]  # where Gymnasium is not installed, its types are not either
    """One episode is one attempt at one skill, in a scene in which it can be done.

    Observations: a dict of one (H, W, 3) uint8 image for each camera, and "proprioception", (18,) float32: the vector
    of `Observation.proprioception` (7 joints, gripper, end-effector position and quaternion, base pose).

    Actions: (11,) float32 in [-1, 1], scaled to `RobotSpec.action_space` by `to_action`: -1 is its lowest and 1 its
    highest value, so that 0 moves nothing, with the gripper half open. What is above 0 in the last says that the
    skill has ended. The gate limits actions as it does for every policy.

    Reward: 1 in the step after which the skill has been done, else 0. It is privileged: the simulator's own state is
    asked (`saycan.symbolic.succeeded`), which a real robot could not do. What is let go of has to have come to rest
    (`saycan.executor.SETTLE`), which is waited for within the step where the action's last number ends the episode.

    An episode is terminated by success or by the action's last number, and truncated after `Skill.seconds`. The
    instruction is `info["instruction"]` and the attribute `instruction`; info also says whether it is a "success", the
    "scene" in words, and the "energy" spent so far in J.

    Args:
        skills: What is drawn from when `reset` names no skill; by default picking up each of the kitchen's things.
        split: Seeds of the scenes: "training" or "evaluation".
        variation: How scenes are varied: see `saycan.robots.kitchen.variation.sample_variation`.
        image_size: Height and width of images, pixels.
        cameras: Which cameras see.
        render_mode: None, or "rgb_array": `render` gives a picture of the whole kitchen.

    Attributes:
        kitchen: The robot itself, for scripted experts and other `PrivilegedWorld` readers.
        skill: What is attempted.
        instruction: Its phrase.

    Raises:
        BadInputError: No skill, or an unknown render mode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  (Gymnasium's own name and type)

    def __init__(
        self,
        skills: Sequence[Skill] | None = None,
        split: Split = "training",
        variation: str = "frozen",
        image_size: int = 64,
        cameras: Sequence[str] = CAMERAS,
        render_mode: str | None = None,
    ) -> None:
        if skills is None:
            skills = [Skill(f"pick up the {noun.name}", "pick up", noun.name) for noun in KITCHEN.objects]
        if not skills:
            raise BadInputError("an environment needs at least one skill, found none; leave skills out for the default")
        if render_mode not in (None, "rgb_array"):
            raise BadInputError(f"render_mode must be None or 'rgb_array', found {render_mode!r}")
        if split not in DISTRIBUTION.seeds:
            raise UnknownNameError("split", split, DISTRIBUTION.seeds)
        self.skills = {skill.phrase: skill for skill in skills}
        self.render_mode = render_mode
        self._split, self._variation = split, variation
        self.kitchen = Kitchen("nothing", image_size=image_size, cameras=cameras)
        self._gate = Gate(self.kitchen)
        spec = self.kitchen.spec
        self._low, self._high = spec.action_space
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_SIZE,), np.float32)
        spaces: dict[str, gymnasium.Space[Any]] = {
            name: gymnasium.spaces.Box(0, 255, shape, np.uint8) for name, shape in spec.cameras.items()
        }
        spaces["proprioception"] = gymnasium.spaces.Box(_PROPRIOCEPTION_LOW, _PROPRIOCEPTION_HIGH, dtype=np.float32)
        self.observation_space = gymnasium.spaces.Dict(spaces)
        self.skill = skills[0]
        self._steps: int | None = None  # None before the first reset
        self._since = 0  # control periods in which it has been done

    @property
    def instruction(self) -> str:
        """What the robot is told to do in this episode."""
        return self.skill.phrase

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observed, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds the draws of this and all later episodes.
            options: "skill": a phrase of `skills` or a `Skill`; "scene": words or a `Scene` of the kitchen. What is
                left out is drawn.

        Returns:
            Observation and info.

        Raises:
            BadInputError: An option that does not exist, or of the wrong type.
            UnknownNameError: A phrase that is not among `skills`.
            SceneError: A scene that cannot be built.
        """
        super().reset(seed=seed)
        given = dict(options or {})
        skill = self._chosen(given.pop("skill", None))
        scene = given.pop("scene", None)
        if given:
            raise BadInputError(f"unknown options {', '.join(map(repr, given))}; valid: 'skill', 'scene'")
        if scene is None:
            number = int(self.np_random.integers(DISTRIBUTION.seeds[self._split][1]))
            scene = sample_variation(skill, number, self._split, self._variation)
        elif isinstance(scene, str):
            scene = parse_scene(scene)
        if not isinstance(scene, Scene):
            raise BadInputError(f"a scene is words or a saycan.robots.kitchen.Scene, found {type(scene).__name__}")
        self.kitchen.reset(scene, int(self.np_random.integers(2**31)))
        self._gate.release()
        self.skill, self._steps, self._since = skill, 0, 0
        self._before = self.kitchen.privileged_state()
        return self._observed(self._gate.observe()), self._info(False)

    def step(self, action: NDArray[np.float32]) -> tuple[Observed, float, bool, bool, dict[str, Any]]:
        """One control period of 0.1 s. Raises RobotError before the first reset."""
        if self._steps is None:
            raise RobotError("this environment was not reset yet; call reset() first")
        rate = self.kitchen.spec.rate
        sent = self._gate.apply(self.to_action(action))
        for waiting in standing(sent, rate) if sent.terminate else ():
            self._gate.apply(waiting)
        self._steps += 1
        done = succeeded(self.kitchen.privileged_state(), self.skill, self._before)
        self._since = self._since + 1 if done else 0
        falls = self.skill.verb in LETS_GO and not sent.terminate
        success = self._since > (round(SETTLE * rate) if falls else 0)
        terminated = success or sent.terminate
        limit = math.ceil(self.skill.seconds * rate)
        observed = self._observed(self._gate.observe())
        return observed, float(success), terminated, not terminated and self._steps >= limit, self._info(success)

    def to_action(self, vector: NDArray[np.float32]) -> Action:
        """The robot's action for one of this environment's, (11,) in [-1, 1]; what lies outside is clipped."""
        share = 0.5 * (np.clip(np.asarray(vector, np.float64), -1.0, 1.0) + 1.0)
        values = self._low + share * (self._high - self._low)
        ended = bool(share[TERMINATE] > 0.5)
        return Action(values[:GRIPPER], float(values[GRIPPER]), values[GRIPPER + 1 : TERMINATE], ended)

    def to_vector(self, action: Action) -> NDArray[np.float32]:
        """The inverse of `to_action`, to show this environment what a policy of SayCan does."""
        share = (action.to_vector() - self._low) / (self._high - self._low)
        return np.clip(2.0 * share - 1.0, -1.0, 1.0).astype(np.float32)

    def render(self) -> NDArray[np.uint8] | None:
        """(480, 640, 3) uint8, the whole kitchen from a corner, in the render mode "rgb_array"; else None."""
        return self.kitchen.view(640, 480) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Release the kitchen. Idempotent."""
        self._gate.close()

    def _chosen(self, skill: object) -> Skill:
        if skill is None:
            phrases = [*self.skills]
            return self.skills[phrases[int(self.np_random.integers(len(phrases)))]]
        if isinstance(skill, Skill):
            return skill
        if not isinstance(skill, str):
            raise BadInputError(f"a skill is a phrase or a saycan.Skill, found {type(skill).__name__}")
        if skill not in self.skills:
            raise UnknownNameError("skill", skill, self.skills)
        return self.skills[skill]

    def _observed(self, observation: Observation) -> Observed:
        values = np.clip(observation.proprioception(), _PROPRIOCEPTION_LOW, _PROPRIOCEPTION_HIGH)
        return {**observation.images, "proprioception": values}

    def _info(self, success: bool) -> dict[str, Any]:
        return {
            "instruction": self.instruction,
            "success": success,
            "scene": self.kitchen.scene.describe(),
            "energy": self.kitchen.energy,
        }
