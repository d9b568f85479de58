"""Learning better what has been done, and nothing else: whatever else the network says, it goes on saying.

Values want thousands of attempts of the very policy; whether something has been done is to be seen in anybody's. So a
detector that errs is taught by pictures of what it errs about, and held to its own earlier answers about all the rest
(Li and Hoiem 2016, "Learning without forgetting", arXiv:1606.09282):

    done(s, own phrase)  <- the label            where it could be seen
    any other answer     <- what it was          values, preconditions, deeds that others speak of
    features, coherence  <- what they were       so that a foreign picture is told as before
"""

from __future__ import annotations

import copy
from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saycan.skills.training.questions import ValueBatches
from saycan.skills.training.value import POINTING, incoherent
from saycan.skills.values.network import ANSWERS, ValueNetwork, binary_loss, pointing_loss

FEATURES, COHERENT = 0.1, 0.02
"""Weights of the squares of what features (whitened) and the logit of coherence have moved by."""


class SuccessLearner:
    """The losses of one step.

    Attributes:
        target: The network as it was; saved with the one that learns.

    Args:
        batches: Where batches come from.
        network: A trained one.
        verbs: Whose deeds are learned; those of other verbs stay as they were. None: of all.
        whiten: (F, F), makes the features' covariance that of white noise; None takes them as they are.
    """

    def __init__(
        self,
        batches: ValueBatches,
        network: ValueNetwork,
        verbs: Collection[str] | None = None,
        whiten: NDArray[np.float32] | None = None,
    ) -> None:
        self._batches = batches
        self._taught = np.array([verbs is None or skill.verb in verbs for skill in batches.skills])
        self._whiten = None if whiten is None else torch.from_numpy(np.asarray(whiten, np.float32))
        self.target = copy.deepcopy(network).eval().requires_grad_(False)

    def losses(self, network: ValueNetwork, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        """Named losses of a random batch; for `saycan.training.loop.train`."""
        batches = self._batches
        rows, phrases = batches.draw(rng, size)
        asked = batches.questions(rows, phrases, rng)
        taught = (phrases == batches.own[rows][:, None]) & self._taught[phrases]
        own = torch.from_numpy(taught).to(asked.done.device).float()
        foreign = incoherent(asked, rng)
        look, strange = network.look(asked.images, asked.body), network.look(*foreign).coherent
        answers = network.ask(look, network.read(asked.text), asked.place)
        with torch.no_grad():
            before, was_strange = self.target.look(asked.images, asked.body), self.target.look(*foreign).coherent
            said = self.target.ask(before, self.target.read(asked.text), asked.place)
        others = {name: torch.ones_like(own) for name in ANSWERS} | {"done": 1.0 - own}
        kept = [binary_loss(getattr(answers, name), getattr(said, name).sigmoid(), others[name]) for name in ANSWERS]
        moved = look.features - before.features
        if self._whiten is not None:
            moved = moved @ self._whiten.to(moved.device)
        coherence = torch.cat([look.coherent - before.coherent, strange - was_strange])
        return {
            "done": binary_loss(answers.done, asked.done, own * asked.visible),
            "kept": sum(kept, torch.zeros_like(kept[0])),
            "pointing": POINTING * pointing_loss(answers.attention, asked.where),
            "features": FEATURES * moved.square().mean(),
            "coherent": COHERENT * coherence.square().mean(),
        }
