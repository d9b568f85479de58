from __future__ import annotations

import numpy as np
import pytest

from saycan.errors import LanguageModelError
from saycan.language import LanguageModel
from saycan.planners.prompt import Prompt
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.skill import Skill
from saycan.step import Memory, Outcome, Step

OPTIONS = [" wave.", " bow.", " done."]


def leader(model: ScriptedLanguageModel, *taken: tuple[str, Outcome]) -> str:
    memory: list[Memory] = [Step(i, Skill(phrase, phrase), how) for i, (phrase, how) in enumerate(taken, start=1)]
    scores = model.score(Prompt.load().render("greet", memory), OPTIONS)
    return OPTIONS[int(scores.argmax())].strip(" .")


def test_it_is_a_language_model_and_its_probabilities_sum_to_one() -> None:
    model = ScriptedLanguageModel(["wave"])
    assert isinstance(model, LanguageModel)
    assert np.exp(model.score("", OPTIONS)).sum() == pytest.approx(1.0)
    assert np.exp(ScriptedLanguageModel().score("", [" done."])) == pytest.approx([1.0])


def test_it_goes_through_its_script_by_what_the_prompt_says_has_been_done() -> None:
    model, good = ScriptedLanguageModel(["wave", "bow", "wave"]), Outcome.SUCCEEDED
    assert leader(model) == "wave"
    assert leader(model) == "wave"  # asking twice changes nothing
    assert leader(model, ("wave", good)) == "bow"
    assert leader(model, ("wave", good), ("bow", good)) == "wave"
    assert leader(model, ("wave", good), ("bow", good), ("wave", good)) == "done"
    assert leader(model) == "wave"  # another run


def test_a_failed_step_leads_again() -> None:
    model = ScriptedLanguageModel(["wave", "bow"])
    assert leader(model, ("wave", Outcome.FAILED)) == "wave"
    assert leader(model, ("wave", Outcome.TIMED_OUT), ("wave", Outcome.SUCCEEDED)) == "bow"


def test_it_can_be_made_to_fail() -> None:
    with pytest.raises(ConnectionError):
        ScriptedLanguageModel(error=ConnectionError("unplugged")).score("", OPTIONS)
    scores = ScriptedLanguageModel(scores={"bow": float("nan")}).score("", OPTIONS)
    assert np.isnan(scores).tolist() == [False, True, False]
    with pytest.raises(LanguageModelError, match=r"'juggle'.*wave, bow, done"):
        ScriptedLanguageModel(["juggle"]).score("", OPTIONS)
    with pytest.raises(LanguageModelError, match="between 0 and 1"):
        ScriptedLanguageModel(confidence=1.0)


def test_it_remembers_its_prompts() -> None:
    model = ScriptedLanguageModel()
    model.score("first", OPTIONS)
    model.score("second", OPTIONS)
    assert model.prompts == ["first", "second"]
