from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saycan.errors import BadInputError
from saycan.goals import parse
from saycan.planners.prompt import Prompt, patterns
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import SymbolicKitchen
from saycan.skill import DONE, Skill
from saycan.skills.kitchen import kitchen_library
from saycan.step import Feedback, Memory, Outcome, Step

PROMPT = Prompt.load("kitchen")
WAVE, BOW = Skill("wave", "wave"), Skill("bow", "bow")


def test_steps_and_feedback_follow_the_instruction_in_order() -> None:
    memory: list[Memory] = [
        Step(1, WAVE, Outcome.SUCCEEDED),
        Feedback("human", "the other\nhand"),
        Step(2, WAVE, Outcome.FAILED, "the arm is tired"),
        Step(3, BOW, Outcome.TIMED_OUT),
        Feedback("thermometer", "21 degrees"),
    ]
    tail = PROMPT.render("greet  the\tguests", memory).splitlines()[-8:]
    assert tail == [
        "Request: greet the guests",
        "Steps:",
        "1. wave.",
        "Person: the other hand",
        "2. wave. (failed: the arm is tired)",
        "3. bow. (failed: timed out)",
        "Thermometer: 21 degrees",
        "4.",
    ]


def test_a_prompt_grows_at_its_end_alone() -> None:
    before = PROMPT.render("greet", [Step(1, WAVE, Outcome.SUCCEEDED)])
    after = PROMPT.render("greet", [Step(1, WAVE, Outcome.SUCCEEDED), Step(2, BOW, Outcome.SUCCEEDED)])
    assert after == before + " bow.\n3."


def test_braces_in_what_people_say_stay_braces() -> None:
    prompt = PROMPT.render("greet {number}", [Feedback("human", "{text}")])
    assert "greet {number}" in prompt
    assert "Person: {text}" in prompt


def test_a_long_failure_is_cut() -> None:
    last = PROMPT.render("greet", [Step(1, WAVE, Outcome.FAILED, "no " * 500)]).splitlines()[-2]
    assert len(last) < 200


def test_a_skill_may_have_several_wordings() -> None:
    texts, owners = PROMPT.options([WAVE, Skill("go to the close counter", "go to"), DONE])
    assert texts == [" wave", " go to the close counter", " go to the counter", " done"]
    assert owners.tolist() == [0, 1, 1, 2]


def test_what_begins_another_phrase_is_scored_with_its_end() -> None:
    longer = [Skill(phrase, "x") for phrase in ("wave to the crowd", "bow", "wave", "wave to", "go to the counter")]
    texts, _ = PROMPT.options([*longer, Skill("go to the close counter", "go to")])
    assert texts[:4] == [" wave to the crowd", " bow", " wave.", " wave to."]
    assert texts[4:] == [" go to the counter", " go to the close counter", " go to the counter"], (
        "twice is no beginning"
    )


@given(st.lists(st.text("ab ", min_size=1, max_size=5), min_size=1, max_size=8, unique=True))
def test_no_text_that_is_scored_begins_another(phrases: list[str]) -> None:
    texts, _ = PROMPT.options([Skill(phrase, "x") for phrase in phrases])
    assert not any(one != other and other.startswith(one) for one in texts for other in texts)


def test_every_step_of_the_examples_is_a_skill_and_no_example_gives_the_demonstration_away() -> None:
    library = kitchen_library()
    for instruction, steps in PROMPT.examples:
        assert [library.find(step).phrase for step in steps] == list(steps)
        assert steps[-1] == DONE.phrase
        assert "clean" not in instruction.lower()
        # Played in a kitchen where all of it can be done, with the close counter dirty, it stays dirty.
        things = ", ".join(f"{noun} on table" for noun in {library.find(s).object for s in steps} - {None, "sponge"})
        words = f"sponge on table, {things + ', ' if things else ''}spill on close counter, spill on far counter"
        kitchen = SymbolicKitchen(parse_scene(f"{words}, spill on table"))
        for step in steps:
            assert kitchen.perform(library.find(step)) is None, (instruction, step)
        assert not parse('clean("close counter")').holds(kitchen.privileged_state())


def test_a_prompt_of_ones_own(tmp_path: Path) -> None:
    packaged = Path(__file__).parents[2] / "prompts" / "kitchen.toml"
    mine = tmp_path / "mine.toml"
    mine.write_text(packaged.read_text(encoding="utf-8").replace("Request:", "Bitte:"), encoding="utf-8")
    assert "Bitte: grüße" in Prompt.load(mine).render("grüße")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("header =", "heading ="), "heading"),
        (("{instruction}", "{instructions}"), "KeyError"),
        (('option = " {phrase}"', "option = 3"), "wrong field"),
        (("[wordings]", "[wording"), "not TOML"),
        (("[[examples]]", "[[example]]"), "examples"),
    ],
)
def test_a_prompt_file_that_is_wrong_says_so(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    packaged = Path(__file__).parents[2] / "prompts" / "kitchen.toml"
    broken = tmp_path / "broken.toml"
    broken.write_text(packaged.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(BadInputError, match=complaint):
        Prompt.load(broken)


def test_an_unknown_prompt_names_the_packaged_ones() -> None:
    with pytest.raises(BadInputError, match=r"\['adapted', 'kitchen'\]"):
        Prompt.load("no such prompt")


def test_a_prompt_may_tell_what_the_robot_can_do() -> None:
    adapted = Prompt.load("adapted").about(kitchen_library())
    told = adapted.render("wave").split("\n")[:4]
    assert "It can: find the THING; pick up the THING; place the THING on the PLACE; put down the THING;" in told[1]
    assert "wipe the PLACE with the sponge; put the THING in the trash can;" in told[1], "what is always so stays"
    assert "open the drawer; close the drawer; done." in told[1]
    assert "coke can, pepsi can" in told[2] and told[3].startswith("Places: close counter, far counter, table")
    assert adapted.about(kitchen_library()) is adapted, "once"
    assert PROMPT.about(kitchen_library()) is PROMPT, "examples tell it here"


def test_phrases_without_things_are_told_as_they_are() -> None:
    wave, lift = Skill("wave", "wave"), Skill("lift the cup", "lift", "cup")
    assert patterns([wave, lift, DONE]) == ["wave", "lift the cup", "done"]
    assert patterns([lift, Skill("lift the cupboard", "lift", "cupboard")]) == ["lift the THING"]
    text = Prompt.load("adapted").about([wave, DONE]).render("greet them")
    assert "It can: wave; done.\nThings: none.\nPlaces: none." in text


def test_a_model_is_asked_in_the_prompt_that_it_was_trained_on() -> None:
    class Trained:
        prompt_name = "adapted"

    assert Prompt.of(Trained(), [DONE]).header.startswith(Prompt.load("adapted").header)
    assert Prompt.of(object(), [DONE]) == PROMPT
