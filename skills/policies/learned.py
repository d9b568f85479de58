"""A trained network as a policy: history, chunks, scaling and phrases around one forward pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import PolicyError
from saycan.observation import Observation
from saycan.place import Place
from saycan.skill import Skill
from saycan.skills.checkpoint import Checkpoint
from saycan.skills.features import observation_rows, state_features
from saycan.skills.policies.stall import Stall


class LearnedPolicy:
    """Implements `saycan.Policy` with a checkpoint.

    Args:
        checkpoint: See `saycan.skills.checkpoint.load`.
        places: The robot's map (`RobotSpec.places`); without one, skills that drive cannot be done.
        stride: Periods between two observations of the history; as in the data that it was trained on.
        execute: How many actions of a chunk are carried out before the next look; at most the network's chunk.
        stall: What is done where it comes to rest; None leaves it standing there.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        places: Mapping[str, Place],
        stride: int | None = None,
        execute: int = 1,
        stall: Stall | None = None,
    ) -> None:
        self._checkpoint = checkpoint
        self._places = places if checkpoint.about.get("map", True) else {}  # what it never saw tells it nothing
        self._network = checkpoint.network
        self._history = int(getattr(self._network, "history", 1))  # of torch.nn.Module
        self._stride = int(checkpoint.about.get("stride", 1)) if stride is None else stride
        self._execute = min(execute, int(getattr(self._network, "chunk", 1)))
        window = getattr(self._network, "window", None) if self._execute == 1 else None
        self._window = None if window is None else window(self._stride)  # it keeps what it made of older observations
        kept = 1 if self._window is not None else (self._history - 1) * self._stride + 1
        self._seen: deque[Observation] = deque(maxlen=kept)
        self._waiting: deque[NDArray[np.float64]] = deque()
        self._stall = stall
        self._binary = bool(checkpoint.about.get("binary gripper", False))
        self.name = f"learned policy ({checkpoint.kind})"

    def reset(self, skill: Skill) -> None:
        """Forget the last episode. Raises MissingPartError for a phrase that cannot be embedded."""
        self._seen.clear()
        self._waiting.clear()
        if self._window is not None:
            self._window.reset()
        if self._stall is not None:
            self._stall.reset()
        self._checkpoint.sentences.embed([skill.phrase])

    def act(self, observation: Observation, skill: Skill) -> Action:
        """One forward pass, or the next action of the last chunk. Raises PolicyError for other pictures."""
        self._seen.append(observation)
        if not self._waiting:
            self._waiting.extend(self._infer(skill)[: self._execute])
        action = Action.from_vector(self._waiting.popleft())
        if self._binary and not action.terminate:
            action = replace(action, gripper=1.0 if action.gripper > 0.5 else 0.0)
        if self._stall is None or action.terminate:
            return action
        nudge = self._stall.nudge(observation)
        if self._stall.over:
            return replace(action, terminate=True)
        return action if nudge is None else replace(action, ee_delta=np.concatenate([nudge, action.ee_delta[3:]]))

    def _infer(self, skill: Skill) -> NDArray[np.float64]:
        """(C, 11) actions from now on."""
        import torch

        from saycan.skills.policies.network import Inputs

        newest = len(self._seen) - 1
        history = self._history if self._window is None else 1
        seen = [self._seen[max(0, newest - k * self._stride)] for k in reversed(range(history))]
        cameras = self._checkpoint.config.get("cameras", ())
        if misfit := self._checkpoint.misfit({name: image.shape for name, image in seen[-1].images.items()}):
            raise PolicyError(f"{self.name} cannot run: {misfit}")
        images = {
            name: torch.from_numpy(np.stack([one.images[name] for one in seen])).permute(0, 3, 1, 2)[None]
            for name in cameras
        }
        state = self._checkpoint.scaling.standardise(state_features(observation_rows(seen), skill, self._places))
        text = self._checkpoint.sentences.embed([skill.phrase])
        with torch.inference_mode():
            inputs = Inputs(images, torch.from_numpy(state)[None], torch.from_numpy(text))
            network = self._network if self._window is None else self._window
            scaled = network.actions(inputs)[0].numpy()  # type: ignore[operator]
        return self._checkpoint.scaling.unscale_actions(scaled)
