"""SayCan: robots that do what they are told, in words.

>>> from saycan import Agent
>>> Agent("kitchen").run("clean the counter")  # doctest: +SKIP

Importing this package is cheap: every name below is loaded when it is first used, and numpy is the heaviest thing
that the contracts need. Torch, transformers and MuJoCo are imported by the leaf that uses them.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saycan._version import __version__ as __version__

# OpenMP's threads wait for each other by spinning. Beside any other busy process they spin in each other's way: a
# decision of 0.6 s then took 25, and takes 2.4 when they spin briefly, which costs nothing on a quiet machine. It is
# read when torch is first loaded, by whichever part that is; whoever has set it knows better.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# The leaves (skills, planners, robots, prompts) are top-level folders on disk and sub-packages in Python. An installed
# package finds them through setuptools' package-dir; a bare checkout finds them here.
_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "planners").is_dir():
    __path__.append(str(_root))

_HOME = {
    "Action": "saycan.action",
    "Agent": "saycan.agent",
    "Camera": "saycan.camera",
    "CameraFrame": "saycan.camera",
    "Decision": "saycan.decision",
    "Detection": "saycan.success",
    "EndState": "saycan.step",
    "Feedback": "saycan.step",
    "Gate": "saycan.gate",
    "Goal": "saycan.goals",
    "LanguageModel": "saycan.language",
    "Limits": "saycan.robot",
    "Observation": "saycan.observation",
    "Outcome": "saycan.step",
    "Planner": "saycan.planner",
    "Policy": "saycan.policy",
    "PrivilegedState": "saycan.privileged",
    "PrivilegedWorld": "saycan.privileged",
    "Result": "saycan.step",
    "Robot": "saycan.robot",
    "RobotSpec": "saycan.robot",
    "SayCanError": "saycan.errors",
    "Skill": "saycan.skill",
    "SkillLibrary": "saycan.library",
    "Step": "saycan.step",
    "SuccessDetector": "saycan.success",
    "Tick": "saycan.step",
    "Trace": "saycan.trace",
    "ValueFunction": "saycan.value",
    "check_policy": "saycan.conformance",
    "check_robot": "saycan.conformance",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one list of names, kept sorted by construction

if TYPE_CHECKING:
    from saycan.action import Action as Action
    from saycan.agent import Agent as Agent
    from saycan.camera import Camera as Camera
    from saycan.camera import CameraFrame as CameraFrame
    from saycan.conformance import check_policy as check_policy
    from saycan.conformance import check_robot as check_robot
    from saycan.decision import Decision as Decision
    from saycan.errors import SayCanError as SayCanError
    from saycan.gate import Gate as Gate
    from saycan.goals import Goal as Goal
    from saycan.language import LanguageModel as LanguageModel
    from saycan.library import SkillLibrary as SkillLibrary
    from saycan.observation import Observation as Observation
    from saycan.planner import Planner as Planner
    from saycan.policy import Policy as Policy
    from saycan.privileged import PrivilegedState as PrivilegedState
    from saycan.privileged import PrivilegedWorld as PrivilegedWorld
    from saycan.robot import Limits as Limits
    from saycan.robot import Robot as Robot
    from saycan.robot import RobotSpec as RobotSpec
    from saycan.skill import Skill as Skill
    from saycan.step import EndState as EndState
    from saycan.step import Feedback as Feedback
    from saycan.step import Outcome as Outcome
    from saycan.step import Result as Result
    from saycan.step import Step as Step
    from saycan.step import Tick as Tick
    from saycan.success import Detection as Detection
    from saycan.success import SuccessDetector as SuccessDetector
    from saycan.trace import Trace as Trace
    from saycan.value import ValueFunction as ValueFunction


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'saycan' has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
