"""SayCan behind /autosteer in LeRobot's interactive rollout, for a policy that cannot plan for itself.

    python examples/lerobot_autosteer.py my_skills.toml gemma lerobot-rollout --interactive=true --policy.path=... ...

LeRobot's own /autosteer asks the policy for its next subtask, and one without a text head has none to say. This stands
between you and the rollout. What you type goes through as it is, but for "/autosteer GOAL": every skill of the file is
scored afresh, the best one is sent as "/subtask PHRASE", and the next is decided on when its `seconds` are over, until
"done" wins. "/autosteer off", "/subtask", "/reset" and "/stop" end it, as they do there.

LeRobot has the cameras, so that nothing is seen here: a skill counts as done when its time is over, and `can` finds
everything possible that has not just been done. Put your own camera behind `look` and a value function behind `can`.
"""

import subprocess
import sys
import threading
from collections.abc import Callable

import numpy as np

from saycan import Observation, Skill, SkillLibrary, Step
from saycan.adapters import as_value_function
from saycan.compose import make_language_model, make_planner
from saycan.skill_file import read_skills
from saycan.step import Memory, Outcome

MOST = 20
"""Subtasks for one goal."""


def look() -> Observation:
    return Observation(0.0, {}, np.zeros(0), 1.0, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3))


class Autosteer:
    """Decides what the rollout is told.

    Args:
        library: The phrases that its policy was trained on.
        llm: Name of the language model: "gemma", "openai:MODEL", ...
        tell: Takes a command for the rollout, such as "/subtask stack the blocks".
        say: Takes a line for whoever watches.
    """

    def __init__(
        self, library: SkillLibrary, llm: str, tell: Callable[[str], object], say: Callable[[str], object] = print
    ) -> None:
        self._last: str | None = None
        self._planner = make_planner("saycan", make_language_model(llm), as_value_function(self.can), library)
        self._tell, self._say = tell, say
        self._off = threading.Event()
        self._thread = threading.Thread()

    def heard(self, line: str) -> None:
        """What somebody typed."""
        command, _, goal = line.strip().partition(" ")
        if command in ("/autosteer", "/subtask", "/reset", "/stop"):
            self.stop()
        if command != "/autosteer":
            self._tell(line.strip())
        elif goal.strip("'\" ") not in ("", "off"):
            self._off = threading.Event()
            self._thread = threading.Thread(target=self._steer, args=(goal.strip("'\" "), self._off), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """The last subtask stays in effect, as with LeRobot's own."""
        self._off.set()
        if self._thread.is_alive():
            self._thread.join()

    def can(self, observation: Observation, skill: Skill) -> float:
        return 0.1 if skill.phrase == self._last else 0.9

    def _steer(self, goal: str, off: threading.Event) -> None:
        memory: list[Memory] = []
        self._last = None
        while len(memory) < MOST:
            try:
                decision = self._planner.decide(goal, memory, look())
            except Exception as error:  # whoever types on must be heard on
                self._say(f"autosteer stopped: {error}")
                return
            skill = decision.skill
            if off.is_set():
                return
            if skill is None or decision.chosen is None or skill.phrase == "done":
                break
            self._say(f"autosteer: {skill.phrase} ({decision.combined[decision.chosen]:.0%})")
            self._tell(f"/subtask {skill.phrase}")
            self._last = skill.phrase
            if off.wait(skill.seconds):
                return
            memory.append(Step(len(memory) + 1, skill, Outcome.SUCCEEDED))
        self._say(f"autosteer: nothing more to do for {goal!r}; the last subtask stays in effect")


def main(file: str, llm: str, command: list[str]) -> int:
    library = read_skills(file).library
    assert library is not None
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, bufsize=1) as rollout:

        def tell(line: str) -> None:
            assert rollout.stdin is not None
            print(line, file=rollout.stdin, flush=True)

        steer = Autosteer(library, llm, tell)
        for line in sys.stdin:
            steer.heard(line)
            if line.strip() == "/stop":
                break
        steer.stop()
    return rollout.returncode


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
