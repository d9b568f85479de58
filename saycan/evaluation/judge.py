"""One episode: an agent carries a case out, and the simulator's own state says how that went."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from saycan import goals
from saycan.agent import Agent
from saycan.decision import Decision
from saycan.errors import MissingPartError, SuiteError
from saycan.evaluation.blame import Moment, blame
from saycan.evaluation.record import Record
from saycan.evaluation.shortest import concerned, shortest_plan
from saycan.evaluation.suite import Case
from saycan.evaluation.trial import Trial
from saycan.language import LanguageModel
from saycan.privileged import PrivilegedState, PrivilegedWorld
from saycan.step import EndState, Event, Result, Step, Tick
from saycan.usage import usage_of

SLACK = 4
"""Skills that are allowed beyond twice the shortest plan."""


def run_case(case: Case, seed: int, trial: Trial, llm: LanguageModel) -> Record:
    """Carry out one case in its own kitchen.

    Raises SuiteError when no plan reaches the goal, SceneError when no kitchen looks like its start, KeyboardInterrupt
    when Ctrl-C has ended the run.
    """
    with trial.agent(llm, case.scene, seed) as agent:
        world = _world(agent)
        before = world.privileged_state()
        plan = shortest_plan(before, case.condition, agent.library)
        if plan is None:
            raise SuiteError(f"case {case.id}: no plan reaches the goal {case.goal} from {case.scene!r}")
        limit = 2 * len(plan) + SLACK
        tally = _Tally(world)
        used = usage_of(llm)
        result = tally.drain(agent.stream(case.instruction, max_steps=limit))
        if result.interrupted:
            raise KeyboardInterrupt
        used = usage_of(llm) - used
        after = world.privileged_state()
        energy = float(getattr(agent.robot.driver, "energy", 0.0))
        holds = case.condition.holds(after)
        parts = case.condition.conjuncts()
        disturbed = moved(before, after, case.condition)
        success = result.end is EndState.FINISHED and holds and not disturbed
        # A server that is away is none of the four; a robot that failed in a skill is.
        broke_off = result.end is EndState.FAILED and not (result.steps and result.message == result.steps[-1].message)
        nobodys = success or broke_off
        fault = "" if nobodys else blame(tally.moments, case.condition, agent.library)
    return Record(
        id=case.id,
        family=case.family,
        instruction=case.instruction,
        case=case.digest,
        seed=seed,
        llm=llm.name,
        success=success,
        steps=result.plan,
        outcomes=tuple(step.outcome.value for step in result.steps),
        end=result.end.value,
        message=result.message,
        shortest=len(plan),
        limit=limit,
        holds=holds,
        reached=sum(part.holds(after) for part in parts) / len(parts),
        disturbed=disturbed,
        blame=fault,
        decisions=tally.decisions,
        seconds_deciding=result.seconds_deciding,
        seconds_say=tally.seconds_say,
        seconds_can=tally.seconds_can,
        tokens=used.tokens_in + used.tokens_out,
        seconds=tally.seconds,
        path=tally.path,
        energy=energy if trial.execute == "physics" else 0.0,
    )


def moved(before: PrivilegedState, after: PrivilegedState, goal: goals.Goal) -> tuple[str, ...]:
    """Ids of the things that are elsewhere now, though the goal does not concern them and the hand was free of them."""
    meant = concerned(goal)
    was = {thing.id: (thing.place, thing.held) for thing in before.objects}
    return tuple(
        thing.id
        for thing in after.objects
        if thing.name not in meant
        and thing.id != before.held  # which has to go somewhere
        and (thing.place, thing.held) != was[thing.id]
    )


class _Tally:
    """Counts along a run's events, and keeps each decision's world."""

    def __init__(self, world: PrivilegedWorld) -> None:
        self._world = world
        self._open: tuple[PrivilegedState, Decision] | None = None
        self._base: NDArray[np.float64] | None = None
        self.moments: list[Moment] = []
        self.decisions = 0
        self.seconds_say = self.seconds_can = self.seconds = self.path = 0.0

    def drain(self, events: Generator[Event, None, Result]) -> Result:
        """To its end."""
        result = None
        for event in events:
            match event:
                case Decision():
                    self._close(None)
                    self._open = (self._world.privileged_state(), event)
                    self.decisions += 1
                    self.seconds_say += event.seconds_say
                    self.seconds_can += event.seconds_can
                case Tick():
                    self._move(event)
                case Step():
                    self._close(event)
                case Result():
                    result = event
        self._close(None)
        assert result is not None, "the last event is the result"
        return result

    def _close(self, step: Step | None) -> None:
        if self._open is not None:
            state, decision = self._open
            self.moments.append(Moment(state, decision, step, self._world.privileged_state()))
            self._open = None

    def _move(self, tick: Tick) -> None:
        base = tick.observation.base_pose[:2]
        if self._base is not None:
            self.path += float(np.linalg.norm(base - self._base))
        self._base = base
        self.seconds = tick.observation.time


def _world(agent: Agent) -> PrivilegedWorld:
    driver = agent.robot.driver
    if not isinstance(driver, PrivilegedWorld):
        raise MissingPartError(f"{agent.robot.spec.name} gives no state away by which a goal could be judged")
    return driver
