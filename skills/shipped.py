"""The networks that lie in the package, and others like them, as parts of an agent.

What one robot's policy, values and detector share (the network that looks, and what it has seen where) is made once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from weakref import WeakKeyDictionary

from saycan.errors import MissingPartError
from saycan.language import TextEmbedder
from saycan.robot import Robot, RobotSpec
from saycan.skills import checkpoint
from saycan.skills.learned import LearnedSkills
from saycan.skills.policies.learned import LearnedPolicy
from saycan.skills.policies.stall import Stall
from saycan.skills.values.learned import LearnedDetector, LearnedValues
from saycan.skills.values.perception import Perception
from saycan.skills.values.sightings import Sightings

WEIGHTS = Path(__file__).with_name("weights")
POLICY, VALUES = WEIGHTS / "policy.safetensors", WEIGHTS / "values.safetensors"

RATE = 10.0
"""Hz that the shipped networks act at."""


@dataclass(eq=False)
class Learned:
    """The learned parts of one robot.

    Attributes:
        spec: Of the robot whose cameras and map they use; not the robot itself, or it would never be let go.
        values_file: The checkpoint of the value network, where no other is asked for.
        embedder: Makes what embeds phrases that the checkpoints do not keep.
    """

    spec: RobotSpec
    values_file: Path = VALUES
    embedder: Callable[[], TextEmbedder] | None = None
    _perceptions: dict[Path, Perception] = field(default_factory=dict, repr=False)

    @cached_property
    def sightings(self) -> Sightings:
        """What was seen where."""
        return Sightings()

    @property
    def perception(self) -> Perception:
        """The network that looks. Raises MissingPartError when there is none."""
        return self._perceive(self.values_file)

    def policy(self, file: Path = POLICY) -> LearnedSkills:
        """All skills, those of manipulation by the network in `file`."""
        _require(file)
        places = self.spec.places
        looks = self.values_file.exists() and not self.perception.misfit(self.spec.cameras)
        perception = self.perception if looks else None
        return LearnedSkills(LearnedPolicy(self._load(file), places, stall=Stall()), places, perception, self.sightings)

    def values(self, file: Path | None = None) -> LearnedValues:
        """Can, by the network in `file`."""
        return LearnedValues(self._perceive(file or self.values_file), self.sightings)

    def detector(self, file: Path | None = None) -> LearnedDetector:
        """The outcome, by the network in `file`."""
        perception = self._perceive(file or self.values_file)
        return LearnedDetector(perception, perception.thresholds)

    def _perceive(self, file: Path) -> Perception:
        """The network in a file; whoever asks for the same one shares it."""
        if file not in self._perceptions:
            _require(file)
            self._perceptions[file] = Perception(self._load(file), self.spec.places)
        return self._perceptions[file]

    def _load(self, file: Path) -> checkpoint.Checkpoint:
        loaded = checkpoint.load(file)
        loaded.sentences.embedder = self.embedder
        return loaded


def fits(robot: Robot) -> bool:
    """Whether the shipped networks were made for a robot: the simulated kitchen, its rate, its map and both cameras."""
    spec = getattr(robot, "spec", None)
    if not isinstance(spec, RobotSpec):
        return False
    seen = all(spec.cameras.get(camera) == checkpoint.UNSAID for camera in ("head", "wrist"))
    trained = spec.name == "kitchen" and seen and bool(spec.places) and spec.rate == RATE
    return trained and POLICY.exists() and VALUES.exists()


_LEARNED: WeakKeyDictionary[Robot, Learned] = WeakKeyDictionary()


def learned(robot: Robot) -> Learned:
    """The learned parts of a robot, always the same for the same robot."""
    if robot not in _LEARNED:
        _LEARNED[robot] = Learned(robot.spec)
    return _LEARNED[robot]


def learned_policy(robot: Robot, file: str | Path = POLICY) -> LearnedSkills:
    """A policy with the weights in `file`."""
    return learned(robot).policy(Path(file))


def learned_values(robot: Robot, file: str | Path | None = None) -> LearnedValues:
    """The value functions in `file`, the shipped ones by default."""
    return learned(robot).values(Path(file) if file else None)


def learned_detector(robot: Robot, file: str | Path | None = None) -> LearnedDetector:
    """The success detector in `file`, the shipped one by default."""
    return learned(robot).detector(Path(file) if file else None)


def _require(file: Path) -> None:
    if not file.is_file():
        raise MissingPartError(f"no trained weights at {file}; train some with: saycan train")
