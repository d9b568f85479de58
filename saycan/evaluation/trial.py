"""What a suite is tried with: which agent, in which kitchen, with what taken out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from saycan import compose
from saycan.agent import Agent
from saycan.errors import BadInputError, UnknownNameError
from saycan.evaluation.ablation import ABLATIONS, NoAffordance, NoFeedback, NoLanguage
from saycan.language import LanguageModel

EXECUTIONS = {
    "oracle": "skills take effect at once wherever they are possible: this measures planning",
    "physics": "the policy carries them out in the simulated kitchen: this measures everything",
}

FOREVER = 86_400.0
"""Seconds: what bounds an episode is its number of steps, so that a slow computer has the same results."""


@dataclass(frozen=True)
class Trial:
    """Names of parts, as `saycan.compose` knows them; None takes the kitchen's defaults.

    Attributes:
        llm: The language model.
        execute: "oracle" or "physics".
        planner, scoring: As of `saycan.Agent`.
        policy, detector: Of physics alone; the oracle takes none.
        values: Can, which looks at pictures in either.
        without: What is taken out: names of `ABLATIONS`.

    Raises:
        UnknownNameError: For another execution or ablation.
        BadInputError: A policy or detector for the oracle.
    """

    llm: str = "gemma"
    execute: str = "oracle"
    planner: str = "saycan"
    scoring: str = "sum"
    policy: str | None = None
    values: str | None = None
    detector: str | None = None
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.execute not in EXECUTIONS:
            raise UnknownNameError("execution", self.execute, EXECUTIONS)
        for part in self.without:
            if part not in ABLATIONS:
                raise UnknownNameError("ablation", part, ABLATIONS)
        if self.execute == "oracle" and (given := self.policy or self.detector):
            raise BadInputError(
                f"the oracle carries skills out itself; leave {given!r} out, or take the execution 'physics'"
            )

    @property
    def llm_name(self) -> str:
        """`llm` as it is shown and kept: user and password in a server's URL are struck out."""
        return re.sub(r"^([^/?#]*://)[^/?#]*@", r"\1***@", self.llm)

    def language_model(self) -> LanguageModel:
        """The model, loaded."""
        return NoLanguage() if "language" in self.without else compose.make_language_model(self.llm)

    @contextmanager
    def agent(self, llm: LanguageModel, scene: str, seed: int, max_steps: int = 20) -> Iterator[Agent]:
        """An agent in a kitchen of its own; both are closed at the end. Raises SceneError and what its parts raise."""
        robot = compose.make_robot("oracle" if self.execute == "oracle" else "kitchen", scene=scene, seed=seed)
        with ExitStack() as parts:
            parts.callback(robot.close)
            oracle: Any = compose.make_policy("oracle", robot) if self.execute == "oracle" else None
            agent = Agent(
                robot,
                llm=llm,
                policy=self.policy if oracle is None else oracle,
                values=NoAffordance() if "affordance" in self.without else self.values,
                detector=self.detector if oracle is None else oracle,
                planner=self.planner,
                scoring=self.scoring,
                max_steps=max_steps,
                max_seconds=FOREVER,
                record=None,
            )
            parts.enter_context(agent)
            planner = agent.planner
            if "affordance" in self.without and self.planner in ("saycan", "shortlist"):
                everything, library, says = NoAffordance(), agent.library, self.scoring
                planner = compose.make_planner(self.planner, llm, everything, library, says, patience=None)
            if "feedback" in self.without:
                planner = NoFeedback(planner)
            if planner is not agent.planner:
                agent = Agent(
                    robot, llm=llm, policy=agent.policy, values=agent.values, detector=agent.detector,
                    planner=planner, max_steps=max_steps, max_seconds=FOREVER, record=None,
                )  # fmt: skip
                parts.enter_context(agent)
            yield agent
