"""The example of somebody's own robot does what its words say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from saycan import Agent, check_policy, check_robot
from saycan.conformance import ConformanceError
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.step import EndState

FILE = Path(__file__).parents[2] / "examples" / "own_robot.py"


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("own_robot", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_nods(example) -> None:
    lamp = example.Lamp()
    llm = ScriptedLanguageModel(["look down", "look up", "look ahead"])
    agent = Agent(lamp, llm=llm, library=example.HEIGHT, policy=example.policy, values=example.value, record=None)
    heights = [lamp.head[2] for event in agent.stream("nod") if type(event).__name__ == "Step"]
    assert heights == pytest.approx([0.2, 0.6, 0.4], abs=0.011)
    assert agent.run("nod").end is EndState.FINISHED


def test_it_has_three_phrases_and_fits_on_a_page(example) -> None:
    assert len(example.HEIGHT) == 3
    code = [line for line in FILE.read_text().splitlines() if line.strip()]
    assert len(code) <= 30


def test_it_passes_the_conformance_suites(example) -> None:
    check_policy(example.policy, example.Lamp(), example.HEIGHT)
    with pytest.raises(ConformanceError, match="after close"):  # up to there: a memory has nothing to close
        check_robot(example.Lamp())
