"""A LeRobot checkpoint as a policy: it runs in LeRobot's own environment, in a process of its own.

Two kinds fit a robot. One was trained on this project's data (`saycan data export`): it sees the proprioception of
`Observation` and says the eleven numbers of `Action`. The other was trained on the robot's own motors, as LeRobot
records them: it sees and says motor positions, which a `saycan.robot.MotorDriven` robot makes an `Action` of, so that
the gate limits it like any other.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.action import ACTION_SIZE, Action
from saycan.errors import BadInputError, PolicyError
from saycan.lerobot import Bridge
from saycan.observation import Observation
from saycan.robot import MotorDriven, Robot
from saycan.skill import Skill
from saycan.skills.policies.remote import RemotePolicy

_MODULE = "saycan.skills.policies.lerobot_server"
_STATE, _IMAGES = "observation.state", "observation.images."


class LeRobotPolicy(RemotePolicy):
    """Implements `saycan.policy.Policy`.

    Args:
        checkpoint: A folder that LeRobot's `save_pretrained` made, a name on the hub, or "ws://127.0.0.1:PORT" of such
            a process that runs already.
        robot: That it acts for.
        cameras: The checkpoint's name of a camera to the robot's, where they differ.
        device: Where it runs, such as "cuda"; by default where the checkpoint says.
        timeout: s that an action may take.
        ends_by_time: Whether it says that the skill has ended when the skill's time is up, so that the success detector
            judges what was done. Actions of motors cannot say so themselves, and those of this project's data hold it
            in one row of dozens, which a regression hardly learns.
        environment: See `saycan.lerobot.find_python`.

    Raises:
        BadInputError: The checkpoint cannot be loaded, or does not fit the robot.
        MissingPartError: LeRobot's environment is not there.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        robot: Robot,
        *,
        cameras: Mapping[str, str] | None = None,
        device: str = "",
        timeout: float = 1.0,
        ends_by_time: bool = True,
        environment: str | Path | None = None,
    ) -> None:
        self._name, self._cameras = str(checkpoint), dict(cameras or {})
        self._motors = robot if isinstance(robot, MotorDriven) else None
        self._bridge: Bridge | None = None
        self._began: float | None = None
        self._opening: float | None = None  # that was commanded last
        url = self._name
        if not url.startswith(("ws://", "wss://")):
            found = Path(checkpoint)
            where = str(found.resolve()) if found.exists() else self._name
            if not found.exists() and (found.is_absolute() or self._name.count("/") != 1):
                raise BadInputError(
                    f"there is no folder {self._name!r}: a LeRobot policy is a folder that save_pretrained made, or "
                    "USER/NAME on the hub"
                )
            arguments = [where, *(["--device", device] if device else [])]
            self._bridge = Bridge(_MODULE, arguments, environment)
            self._end = weakref.finalize(self, self._bridge.close)
            url = self._bridge.url
        super().__init__(
            url, robot.spec.rate, fields=self._seen, to_action=self._done, timeout=timeout, chunk=1
        )  # fmt: skip
        try:
            self._open()
            self._features, self._by_motors = self._fitted(robot)
            self._ends_by_time = ends_by_time
        except BaseException:
            self.close()
            raise

    def reset(self, skill: Skill) -> None:
        """The next observation begins anew."""
        super().reset(skill)
        self._began = self._opening = None

    def act(self, observation: Observation, skill: Skill) -> Action:
        """The action for this moment. Raises PolicyError when none came in time, or one that is none."""
        if self._began is None:
            self._began = observation.time
        left = skill.seconds - (observation.time - self._began)
        if self._ends_by_time and left < 1.5 / self._rate:
            # What was measured would let go of what stops the fingers before they get where they were sent.
            opening = observation.gripper if self._opening is None else self._opening
            return Action(gripper=min(max(opening, 0.0), 1.0), terminate=True)
        action = super().act(observation, skill)
        self._opening = action.gripper
        return action

    def close(self) -> None:
        """End the connection, and the process where it was started here. Idempotent."""
        super().close()
        if self._bridge is not None:
            self._end()

    def __repr__(self) -> str:
        return f"LeRobotPolicy({self._name!r})"

    def _fitted(self, robot: Robot) -> tuple[dict[str, str], bool]:
        """What each feature is made of ("" for proprioception, "motors", or a camera), and whether actions are motors'.

        Raises BadInputError that names what does not fit.
        """
        about = self.metadata
        if "features" not in about:
            raise BadInputError(f"{self._name} serves no LeRobot policy; --policy remote:{self._name} asks others")
        spec = robot.spec
        count = len(self._motors.motors) if self._motors is not None else None
        sizes = {"": spec.joints + 11} if count is None else {"motors": count, "": spec.joints + 11}
        found: dict[str, str] = {}
        for name, feature in about["features"].items():
            kind, shape = feature["kind"], tuple(feature["shape"])
            if name == _STATE:
                fitting = [what for what, size in sizes.items() if shape == (size,)]
                if not fitting:
                    raise BadInputError(
                        f"{self._name} looks at {_STATE} of {shape[0]} numbers, and {spec.name} has "
                        f"{_sizes(spec.joints, count)}; train it on data of this robot"
                    )
                found[name] = fitting[0]
            elif kind == "VISUAL":
                found[name] = self._camera(name, shape, spec.name, spec.cameras)
            else:
                raise BadInputError(
                    f"{self._name} looks at {name}, which no robot has here; there are {_STATE} and {_IMAGES}CAMERA"
                )
        action = int(about["action"])
        if action not in (ACTION_SIZE, count):
            by = "" if count is None else f", or {count} of its motors"
            raise BadInputError(
                f"{self._name} says actions of {action} numbers, and {spec.name} takes {ACTION_SIZE} of an Action{by}"
            )
        return found, action == count

    def _camera(self, name: str, shape: tuple[int, ...], robot: str, there: Mapping[str, tuple[int, ...]]) -> str:
        wanted = name.removeprefix(_IMAGES)
        camera = self._cameras.get(wanted, wanted)
        if camera not in there:
            raise BadInputError(
                f"{self._name} wants a camera {wanted!r}, and {robot} has {', '.join(there) or 'none'}; say which: "
                f"LeRobotPolicy(..., cameras={{{wanted!r}: {next(iter(there), 'CAMERA')!r}}})"
            )
        expected = (*shape[1:], shape[0])
        if tuple(there[camera]) != expected:
            raise BadInputError(
                f"{self._name} takes pictures of {expected} from camera {wanted!r}, and {robot}'s {camera!r} gives "
                f"{tuple(there[camera])}; set the camera to that size"
            )
        return camera

    def _seen(self, observation: Observation, skill: Skill) -> Mapping[str, Any]:
        seen: dict[str, NDArray[Any]] = {}
        for name, what in self._features.items():
            if name != _STATE:
                seen[name] = np.asarray(observation.images[what])
            elif what == "motors":
                assert self._motors is not None
                seen[name] = self._motors.read_motors(observation)
            else:
                seen[name] = observation.proprioception()
        return {"observation": seen, "prompt": skill.phrase}

    def _done(self, vector: NDArray[np.float64], observation: Observation) -> Action:
        if self._by_motors:
            assert self._motors is not None
            return self._motors.toward(vector)
        said = Action.from_vector(vector)
        opening = min(max(said.gripper, 0.0), 1.0)  # a regression goes a little beyond what it was taught
        return Action(said.ee_delta, opening, said.base_delta, said.terminate)

    def _ask(self, observation: Observation, skill: Skill) -> NDArray[np.float64]:
        try:
            return super()._ask(observation, skill)
        except PolicyError as error:
            if self._bridge is not None and not self._bridge.alive:
                raise PolicyError(f"the process of {self._name} has ended: {self._bridge.said() or error}") from error
            raise


def lerobot_policy(robot: Robot, checkpoint: str, **options: Any) -> LeRobotPolicy:
    """A LeRobot checkpoint (a folder, a name on the hub), run in LeRobot's environment."""
    if not checkpoint:
        raise BadInputError(
            "'lerobot:' needs a checkpoint after the colon, as in 'lerobot:outputs/act/pretrained_model'"
        )
    return LeRobotPolicy(checkpoint, robot, **options)


def _sizes(joints: int, motors: int | None) -> str:
    own = f"{joints + 11} of proprioception"
    return own if motors is None else f"{motors} motors, or {own}"
