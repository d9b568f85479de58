from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from saycan.errors import BadInputError
from saycan.planners.prompt import Prompt
from saycan.planners.say import Say
from saycan.skill import DONE, Skill

PROMPT = Prompt.load("kitchen")
SKILLS = (Skill("wave", "wave"), Skill("bow deeply", "bow"), Skill("go to the close counter", "go to"), DONE)


class Model:
    """Log-probabilities by the option; with nothing asked for, others."""

    name = "model"

    def __init__(self, asked: dict[str, float], idle: dict[str, float]) -> None:
        self.asked, self.idle, self.prompts = asked, idle, list[str]()

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        self.prompts.append(prompt)
        table = self.idle if prompt == PROMPT.render("") else self.asked
        return np.array([table.get(option.strip(), -9.0) for option in options])


class Counting(Model):
    def lengths(self, prompt: str, options: Sequence[str]) -> NDArray[np.int64]:
        return np.array([len(option.split()) for option in options])


ASKED = {"wave": -2.0, "bow deeply": -3.0, "go to the close counter": -5.0, "go to the counter": -4.0, "done": -1.0}
IDLE = {"wave": -2.5, "bow deeply": -7.0, "done": -0.5, "go to the counter": -np.inf}


def test_the_sum_is_what_the_model_says_and_wordings_add_up() -> None:
    found = Say(Model(ASKED, IDLE), PROMPT).log_say(PROMPT.render("greet"), SKILLS)
    assert found == pytest.approx([-2.0, -3.0, np.logaddexp(-5.0, -4.0), -1.0])


def test_the_mean_is_taken_over_tokens() -> None:
    found = Say(Counting(ASKED, IDLE), PROMPT, "mean").log_say(PROMPT.render("greet"), SKILLS)
    assert found == pytest.approx([-2.0, -1.5, np.logaddexp(-1.0, -1.0), -1.0])


def test_the_prior_is_taken_off_and_asked_for_once() -> None:
    model = Model(ASKED, IDLE)
    say = Say(model, PROMPT, "prior")
    for _ in range(2):
        found = say.log_say(PROMPT.render("greet"), SKILLS)
        # What is never said with nothing asked for is left as it is: its difference would be infinite.
        assert found == pytest.approx([0.5, 4.0, np.logaddexp(4.0, -4.0), -0.5])
    assert model.prompts.count(PROMPT.render("")) == 1


def test_a_scoring_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(BadInputError, match="unknown scoring 'best'; valid: sum, mean, prior"):
        Say(Model(ASKED, IDLE), PROMPT, "best")
    with pytest.raises(BadInputError, match="'model' does not tell"):
        Say(Model(ASKED, IDLE), PROMPT, "mean")
