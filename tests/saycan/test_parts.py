from __future__ import annotations

from saycan.adapters import as_policy
from saycan.parts import Part, describe_parts, privileged_notice
from tests.saycan.events import StillRobot


class PrivilegedEye:
    pass


def wave(observation: object, skill: object) -> None:
    pass


class Agent:
    robot = StillRobot()
    policy = as_policy(wave)
    detector = PrivilegedEye()
    _llm = "gemma"

    @property
    def planner(self) -> object:
        raise AssertionError("describing an agent must not load its language model")


def test_parts_are_named_without_loading_any() -> None:
    assert describe_parts(Agent()) == (
        Part("robot", "still (simulated)"),
        Part("say", "gemma"),
        Part("do", "wave"),
        Part("check", "PrivilegedEye", privileged=True),
    )


def test_a_bare_robot_is_a_part() -> None:
    assert describe_parts(StillRobot()) == (Part("robot", "still (simulated)"),)


def test_the_notice_names_privileged_parts_only() -> None:
    assert privileged_notice(describe_parts(Agent())) == "privileged: PrivilegedEye read the simulator's own state"
    assert privileged_notice(describe_parts(StillRobot())) == ""
