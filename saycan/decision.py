"""One SayCan decision: say, can and their product for every option."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saycan.skill import Skill
from saycan.usage import Usage


@dataclass(frozen=True, eq=False)
class Decision:
    """Which skill comes next, and why (Ahn et al. 2022, algorithm 1).

    Attributes:
        skills: The N options that were scored.
        say: (N,) float64, p(skill | instruction, steps so far), normalised over the options; sums to 1.
        can: (N,) float64 in [0, 1], p(success | observation, skill).
        combined: (N,) float64, say * can, normalised to sum to 1 (all zeros when no option can succeed).
        log_say: (N,) float64, the language model's log-probabilities in nats, before normalisation.
        chosen: Index of the option that was picked, or None when no option is worth trying.
        prompt: What the language model was given.
        seconds_say, seconds_can: Wall-clock time of the two halves.
        model: Name of the language model that said so; after a fallback, of the one that stood in.
        usage: What it has cost.
        refusal: Why the language model declined to say anything; nothing is chosen then. Empty otherwise.
        note: One line for people on how the options came about, or why none was chosen. Mostly empty.
    """

    skills: tuple[Skill, ...]
    say: NDArray[np.float64]
    can: NDArray[np.float64]
    combined: NDArray[np.float64]
    log_say: NDArray[np.float64]
    chosen: int | None
    prompt: str = ""
    seconds_say: float = 0.0
    seconds_can: float = 0.0
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    refusal: str = ""
    note: str = ""

    def __repr__(self) -> str:
        return f"Decision({self.skill and self.skill.phrase!r} of {len(self.skills)} options)"

    @property
    def skill(self) -> Skill | None:
        """The option that was picked."""
        return None if self.chosen is None else self.skills[self.chosen]

    def leading(self, count: int = 5) -> list[int]:
        """Indices of the `count` best options by combined score, then by say, best first."""
        order = np.lexsort((-self.say, -self.combined))
        return [int(index) for index in order[:count]]

    def shown(self, count: int = 5) -> list[int]:
        """The same, but the option that was picked is always among them, last if need be."""
        found = self.leading(count)
        return found if self.chosen is None or self.chosen in found else [*found[:-1], self.chosen]
