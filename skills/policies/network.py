"""What a policy network takes and gives: the one contract that training, evaluation and every architecture share.

Letters in shapes: B batch, T observations of history (oldest first, newest last), C actions in a chunk, H and W pixels,
P numbers of proprioception, E numbers of a sentence embedding, A = 11 numbers of an action (`Action.to_vector`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a network sees.

    Attributes:
        images: Camera name to (B, T, 3, H, W) uint8.
        state: (B, T, P) float32, proprioception, standardised.
        text: (B, E) float32, frozen embedding of the skill's phrase, standardised.
    """

    images: Mapping[str, Tensor]
    state: Tensor
    text: Tensor


@dataclass(frozen=True, eq=False)
class Targets:
    """What a network is trained towards.

    Attributes:
        actions: (B, C, A) float32 in [-1, 1]: the demonstrated actions from now on, scaled by the robot's limits; the
            gripper's opening and terminate are scaled to -1 (closed, go on) and 1 (open, end).
        mask: (B, C) float32, 0 where the episode has ended before that action.
        points: Camera name to (B, 3) float32: where the goal of the skill appears in the newest image, as (x, y) in
            [-1, 1] from left to right and top to bottom, and whether it lies in the picture (1 or 0). For auxiliary
            losses; labels that only a simulator has.
        named: (B, M, E) float32, sentences about M things that may be in the pictures; None where nobody knows.
        spots: Camera name to (B, M, 3) float32, where those things appear, as in `points`.
        goal: (B, 3) float32, the same goal from the end effector, in the base frame, m; NaN where there is none.
    """

    actions: Tensor
    mask: Tensor
    points: Mapping[str, Tensor] = field(default_factory=dict)
    goal: Tensor | None = None
    named: Tensor | None = None
    spots: Mapping[str, Tensor] = field(default_factory=dict)


class PolicyNetwork(Protocol):
    """A `torch.nn.Module` that maps observations and a sentence to actions.

    One that keeps what it made of older observations also has `window(stride)`, which gives an object with `reset()`
    and `actions(inputs)`, told the newest observation alone (T = 1) in every control period.

    Attributes:
        history: T, how many observations it looks at.
        chunk: C, how many actions it predicts at once.
    """

    history: int
    chunk: int

    def losses(self, inputs: Inputs, targets: Targets) -> dict[str, Tensor]:
        """Name to scalar loss; what is minimised is their sum, so each is weighted already."""
        ...

    def actions(self, inputs: Inputs) -> Tensor:
        """(B, C, A) float32 in [-1, 1], the actions to take, scaled as in `Targets`."""
        ...

    def looks_at(self, inputs: Inputs) -> dict[str, Tensor]:
        """Camera name to (B, h, w), the larger the more it looks there for the goal; without attention none."""
        ...
