"""A trained value network, asked about live observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saycan.errors import ValueFunctionError
from saycan.observation import Observation
from saycan.place import Place
from saycan.skill import Skill
from saycan.skills.checkpoint import Checkpoint
from saycan.skills.features import BODY, all_place_features, body_features, nearest, observation_rows

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Impression:
    """What a network makes of one observation and some skills.

    Attributes:
        value, possible, done: (N,) calibrated probabilities.
        strange: How foreign the picture is: above 1 it is not to be trusted.
    """

    value: Vector
    possible: Vector
    done: Vector
    strange: float


class Perception:
    """Asks a value network; one look at an observation serves all skills.

    Args:
        checkpoint: Of a `saycan.skills.values.network.ValueNetwork`.
        places: The robot's map.

    Attributes:
        thresholds: Verb to the probability from which a deed counts as done, as fitted.
    """

    def __init__(self, checkpoint: Checkpoint, places: Mapping[str, Place]) -> None:
        if checkpoint.kind != "value":
            raise ValueFunctionError(
                f"this checkpoint holds a network of kind {checkpoint.kind!r}, not a value network"
            )
        self.places = places
        self._checkpoint = checkpoint
        calibration = checkpoint.about.get("calibration", {})
        self._calibration = {name: tuple(calibration.get(name, (1.0, 0.0))) for name in ("value", "possible", "done")}
        self._foreign = checkpoint.about.get("foreign", {})
        self.thresholds: Mapping[str, float] = checkpoint.about.get("thresholds", {})
        self._phrases: dict[tuple[str, ...], object] = {}

    def misfit(self, given: Mapping[str, tuple[int, ...]]) -> str:
        """See `Checkpoint.misfit`."""
        return self._checkpoint.misfit(given)

    def ask(self, observation: Observation, skills: Sequence[Skill]) -> Impression:
        """(N,) answers. Raises ValueFunctionError for other pictures than it was trained on."""
        import torch

        checkpoint, network = self._checkpoint, self._checkpoint.network
        cameras = checkpoint.config["cameras"]
        if misfit := self.misfit({name: image.shape for name, image in observation.images.items()}):
            raise ValueFunctionError(f"the value network cannot be asked: {misfit}")
        rows = observation_rows([observation])
        base = rows["base_pose"][0]
        before = np.array([[float(nearest(base, self.places)[1])]])
        joints, gripper, position, quaternion = (
            rows[name] for name in ("joints", "gripper", "ee_position", "ee_quaternion")
        )
        body = body_features(joints, gripper, position, quaternion, before)
        place = all_place_features(skills, base, self.places)
        scaling = checkpoint.scaling
        state = scaling.standardise(np.concatenate([np.repeat(body, len(skills), axis=0), place], axis=1))
        images = {
            name: torch.from_numpy(np.asarray(observation.images[name])).permute(2, 0, 1)[None] for name in cameras
        }
        key = tuple(skill.phrase for skill in skills)
        with torch.inference_mode():
            if key not in self._phrases:
                self._phrases[key] = network.read(torch.from_numpy(checkpoint.sentences.embed(key)))  # type: ignore[operator]
            look = network.look(images, torch.from_numpy(state[:1, :BODY]))  # type: ignore[operator]
            answers = network.ask(look, self._phrases[key], torch.from_numpy(state[None, :, BODY:]))  # type: ignore[operator]
        return Impression(
            self._probability("value", answers.value[0].numpy()),
            self._probability("possible", answers.possible[0].numpy()),
            self._probability("done", answers.done[0].numpy()),
            self.strangeness(look.features[0].numpy(), float(look.coherent[0])),
        )

    def strangeness(self, features: NDArray[np.float32], coherent: float) -> float:
        """The larger of Mahalanobis distance and incoherence, each over its threshold; 0 where none was fitted."""
        if not self._foreign:
            return 0.0
        extra = self._checkpoint.extra
        distance = float(np.linalg.norm((features - extra["mean"]) @ extra["whiten"]))
        threshold = float(self._foreign["coherent"])
        return max(distance / float(self._foreign["distance"]), (threshold - coherent) / 4.0 + 1.0)

    def _probability(self, answer: str, logits: NDArray[np.float32]) -> Vector:
        """Platt's calibration: sigmoid(a logit + b)."""
        a, b = self._calibration[answer]
        return np.asarray(1.0 / (1.0 + np.exp(-(a * logits.astype(np.float64) + b))))
