"""Commands that serve until they are told to end: a policy to robots elsewhere, an agent to other nodes of ROS 2."""

from __future__ import annotations

from contextlib import closing
from queue import SimpleQueue
from time import sleep
from typing import Annotated

import typer

from saycan.compose import with_adapter
from saycan.options import (
    Adapter,
    DetectorName,
    Fallback,
    Library,
    Llm,
    MaxSteps,
    PlannerName,
    PolicyName,
    Robot,
    Scoring,
    Traceback,
    Values,
)
from saycan.screen import telling


def serve_policy(
    robot: Robot = "kitchen",
    policy: PolicyName = None,
    library: Library = None,
    host: Annotated[str, typer.Option(help="Who may connect: 127.0.0.1 is this computer alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    traceback: Traceback = False,
) -> None:
    """Serve a policy to robots elsewhere, in openpi's protocol, until Ctrl-C.

    It is that of --policy, else of the --library, else the learned one.
    """
    with telling(traceback) as screen:
        from saycan.serving import PolicyServer
        from saycan.session import Interrupts, Setup, opened
        from saycan.skill_file import read_skills

        policy = policy or (None if library is None else read_skills(library).policy) or "learned"
        with opened(Setup(robot, policy=policy, library=library), screen.out) as agent:
            server = PolicyServer(agent.require_policy(), agent.robot.spec, agent.library, host, port)
            screen.out.print(f"serving {policy} for {agent.robot.spec.name} at {server.url}", highlight=False)
            if host not in ("127.0.0.1", "localhost", "::1"):
                screen.out.print("whoever can connect can use it: nobody is asked who they are", style="yellow")
            ended: SimpleQueue[None] = SimpleQueue()  # an Event's lock may be held when the signal comes
            with server, Interrupts(lambda: ended.put(None), lambda line: None):
                _wait(ended)


def ros2(
    robot: Robot = "ros2:kitchen",
    llm: Llm = "gemma",
    adapter: Adapter = None,
    fallback: Fallback = None,
    planner: PlannerName = "saycan",
    scoring: Scoring = "sum",
    policy: PolicyName = None,
    values: Values = None,
    detector: DetectorName = None,
    library: Library = None,
    max_steps: MaxSteps = 20,
    traceback: Traceback = False,
) -> None:
    """Serve the agent as a ROS 2 node until Ctrl-C: action ~/instruct, topics of what it decides (docs/ros2.md)."""
    with telling(traceback) as screen:
        from saycan.node import AgentNode
        from saycan.session import Interrupts, Setup, load_planner, opened

        llm = with_adapter(llm, adapter)
        setup = Setup(
            robot, llm, fallback=fallback, planner=planner, scoring=scoring, max_steps=max_steps, record=None,
            policy=policy, values=values, detector=detector, library=library,
        )  # fmt: skip
        with opened(setup, screen.out) as agent:
            load_planner(agent, setup, screen.out)
            ended: SimpleQueue[None] = SimpleQueue()
            with closing(AgentNode(agent, lambda: ended.put(None))) as node:
                screen.out.print("the node /saycan is there: actions /saycan/instruct", highlight=False)
                with Interrupts(lambda: ended.put(None), lambda line: screen.aside.print(line, style="yellow")):
                    _wait(ended)
                node.require_serving()


def _wait(ended: SimpleQueue[None]) -> None:
    """Until something is in it. On Windows `get()` would hear no signal."""
    while ended.empty():
        sleep(0.2)
