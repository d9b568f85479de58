"""A trained network as a policy: history, chunks, scaling and phrases around one forward pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import PolicyError
from saycan.observation import Observation
from saycan.place import Place
from saycan.skill import Skill
from saycan.skills.checkpoint import Checkpoint
from saycan.skills.features import observation_rows, state_features

STILL = 0.003
"""m and rad a period, hand and base together, below which a robot stands still."""


class LearnedPolicy:
    """Implements `saycan.Policy` with a checkpoint.

    Args:
        checkpoint: See `saycan.skills.checkpoint.load`.
        places: The robot's map (`RobotSpec.places`); without one, skills that drive cannot be done.
        stride: Periods between two observations of the history; as in the data that it was trained on.
        execute: How many actions of a chunk are carried out before the next look; at most the network's chunk.
        patience: Periods without any movement after which it says that it has ended: a function of what is seen does
            not move again where it has come to rest.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        places: Mapping[str, Place],
        stride: int | None = None,
        execute: int = 1,
        patience: int = 30,
    ) -> None:
        self._checkpoint, self._places = checkpoint, places
        self._network = checkpoint.network
        self._history = int(getattr(self._network, "history", 1))  # of torch.nn.Module
        self._stride = int(checkpoint.about.get("stride", 1)) if stride is None else stride
        self._execute = min(execute, int(getattr(self._network, "chunk", 1)))
        self._seen: deque[Observation] = deque(maxlen=(self._history - 1) * self._stride + 1)
        self._waiting: deque[NDArray[np.float64]] = deque()
        self._patience, self._still = patience, 0
        self.name = f"learned policy ({checkpoint.kind})"

    def reset(self, skill: Skill) -> None:
        """Forget the last episode. Raises MissingPartError for a phrase that cannot be embedded."""
        self._seen.clear()
        self._waiting.clear()
        self._still = 0
        self._checkpoint.sentences.embed([skill.phrase])

    def act(self, observation: Observation, skill: Skill) -> Action:
        """One forward pass, or the next action of the last chunk. Raises PolicyError without the right cameras."""
        self._seen.append(observation)
        if not self._waiting:
            self._waiting.extend(self._infer(skill)[: self._execute])
        action = Action.from_vector(self._waiting.popleft())
        moving = np.linalg.norm(action.ee_delta) + np.linalg.norm(action.base_delta) > STILL
        self._still = 0 if moving else self._still + 1
        if self._still > self._patience:
            return Action(gripper=action.gripper, terminate=True)
        return action

    def _infer(self, skill: Skill) -> NDArray[np.float64]:
        """(C, 11) actions from now on."""
        import torch

        from saycan.skills.policies.network import Inputs

        newest = len(self._seen) - 1
        seen = [self._seen[max(0, newest - k * self._stride)] for k in reversed(range(self._history))]
        cameras = self._checkpoint.config.get("cameras", ())
        missing = [name for name in cameras if name not in seen[-1].images]
        if missing:
            found = ", ".join(seen[-1].images) or "none"
            raise PolicyError(f"this policy looks through the cameras {', '.join(cameras)}; the robot has: {found}")
        images = {
            name: torch.from_numpy(np.stack([one.images[name] for one in seen])).permute(0, 3, 1, 2)[None]
            for name in cameras
        }
        state = self._checkpoint.scaling.standardise(state_features(observation_rows(seen), skill, self._places))
        text = self._checkpoint.sentences.embed([skill.phrase])
        with torch.inference_mode():
            inputs = Inputs(images, torch.from_numpy(state)[None], torch.from_numpy(text))
            scaled = self._network.actions(inputs)[0].numpy()  # type: ignore[operator]
        return self._checkpoint.scaling.unscale_actions(scaled)
