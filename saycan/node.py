"""An agent as a ROS 2 node: told what to do by an action, telling what it decides by topics.

    saycan ros2 --robot ros2:my_robot.toml

| name | kind | what |
|---|---|---|
| ~/instruct | action saycan_interfaces/Instruct | carry out an instruction; one at a time, cancelling holds the robot |
| ~/decision | topic saycan_interfaces/Decision | every decision, the best options first |
| ~/state | topic saycan_interfaces/State | idle, running or halted, twice a second and when it changes |
| ~/tell | topic std_msgs/String | a word on the way, heard before the next decision |
| ~/emergency_stop, ~/recover | service std_srvs/Trigger | see `saycan.gate.Gate` |
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from saycan.agent import Agent
from saycan.decision import Decision
from saycan.errors import SayCanError
from saycan.instruction import check_instruction
from saycan.ros import Session, stamp
from saycan.step import EndState, Result, Step, Tick

NAME = "saycan"
MOST = 20  # options of a decision that are published
_STATE = 0.5  # s


class AgentNode:
    """See the module.

    Args:
        agent: It stays its owner's to close; nothing else may run it meanwhile.
        died: Called, from another thread, when the node hears nothing any more; a run that goes on has been told to
            stop then, since nobody can cancel it, and `require_serving` tells why.

    Raises MissingPartError where rclpy or saycan_interfaces are not installed.
    """

    def __init__(self, agent: Agent, died: Callable[[], object] = lambda: None) -> None:
        interfaces = _interfaces()
        self._agent, self._died = agent, died
        self._busy = threading.Lock()
        self._doing = ("", "")  # instruction and skill
        self._session = Session(NAME, threads=4)
        try:
            self._offer(interfaces)
            self._session.start(self._end)
        except BaseException:
            self._session.close()
            raise

    def require_serving(self) -> None:
        """Raise RobotError, with the reason, where it hears nothing any more."""
        self._session.require_serving()

    def close(self) -> None:
        """End a run that goes on, the robot held, and the node. Idempotent."""
        self._agent.stop()
        with self._busy:
            self._session.close()

    def _end(self) -> None:
        """Nothing is heard any more."""
        self._agent.stop()
        self._died()

    def _offer(self, interfaces: Any) -> None:
        from rclpy.action import ActionServer, CancelResponse, GoalResponse
        from rclpy.callback_groups import ReentrantCallbackGroup
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from saycan_interfaces.action import Instruct
        from std_msgs.msg import String
        from std_srvs.srv import Trigger

        node, group = self._session.node, ReentrantCallbackGroup()
        self._interfaces = interfaces
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._decisions = node.create_publisher(interfaces.Decision, "~/decision", 10)
        self._states = node.create_publisher(interfaces.State, "~/state", latched)
        node.create_subscription(String, "~/tell", self._tell, 10, callback_group=group)
        node.create_service(Trigger, "~/emergency_stop", self._emergency_stop, callback_group=group)
        node.create_service(Trigger, "~/recover", self._recover, callback_group=group)
        node.create_timer(_STATE, self._publish_state, callback_group=group)

        def accept(goal: Any) -> Any:
            try:
                check_instruction(goal.instruction)
            except SayCanError as error:
                node.get_logger().warning(f"refused: {error}")
                return GoalResponse.REJECT
            if self._busy.locked():
                node.get_logger().warning("refused: the robot is carrying out something already")
                return GoalResponse.REJECT
            return GoalResponse.ACCEPT

        def cancel(handle: Any) -> Any:
            self._agent.stop()
            return CancelResponse.ACCEPT

        self._server = ActionServer(
            node, Instruct, "~/instruct", self._carry_out, goal_callback=accept, cancel_callback=cancel,
            callback_group=group,
        )  # fmt: skip

    def _carry_out(self, handle: Any) -> Any:
        """One goal, to its end; whatever the end, the robot is held before the result is out."""
        from saycan_interfaces.action import Instruct

        result = Instruct.Result()
        if not self._busy.acquire(blocking=False):  # two goals were accepted at the same moment
            handle.abort()
            result.end, result.message = EndState.FAILED.value, "the robot is carrying out something already"
            return result
        try:
            done = self._run(handle)
            result.end, result.message, result.plan = done.end.value, done.message, list(done.plan)
            if handle.is_cancel_requested:
                handle.canceled()
            elif done.end is EndState.FINISHED:
                handle.succeed()
            else:
                handle.abort()
        except SayCanError as error:
            result.end, result.message = EndState.FAILED.value, str(error)
            handle.abort()
        finally:
            self._doing = ("", "")
            self._busy.release()
            self._publish_state()
        return result

    def _run(self, handle: Any) -> Result:
        from saycan_interfaces.action import Instruct

        goal, result = handle.request, None
        self._doing = (goal.instruction, "")
        events = self._agent.stream(
            goal.instruction, max_steps=goal.max_steps or None, max_seconds=goal.max_seconds or None
        )
        with closing(events):
            for event in events:
                match event:
                    case Decision():
                        self._publish_decision(goal.instruction, event)
                        if event.skill is not None:
                            self._doing = (goal.instruction, event.skill.phrase)
                        self._publish_state()
                    case Tick() if event.index == 1:
                        handle.publish_feedback(Instruct.Feedback(skill=event.skill.phrase))
                    case Step():
                        handle.publish_feedback(
                            Instruct.Feedback(
                                index=event.index, skill=event.skill.phrase, outcome=event.outcome.value,
                                message=event.message, seconds=float(event.seconds),
                            )
                        )  # fmt: skip
                    case Result():
                        result = event
                if handle.is_cancel_requested:  # a run that had not begun when it was cancelled has forgotten the stop
                    self._agent.stop()
        assert result is not None, "the last event is the result"
        return result

    def _publish_decision(self, instruction: str, decision: Decision) -> None:
        best = decision.shown(MOST)
        message = self._interfaces.Decision(instruction=instruction)
        message.header.stamp = stamp(self._session.now())
        message.skills = [decision.skills[number].phrase for number in best]
        message.say = [float(decision.say[number]) for number in best]
        message.can = [float(decision.can[number]) for number in best]
        message.combined = [float(decision.combined[number]) for number in best]
        message.chosen = -1 if decision.chosen is None else best.index(decision.chosen)
        self._decisions.publish(message)

    def _publish_state(self) -> None:
        halt = self._agent.robot.halted
        instruction, skill = self._doing
        message = self._interfaces.State(instruction=instruction, skill=skill)
        message.header.stamp = stamp(self._session.now())
        message.status = "halted" if halt is not None else "running" if self._busy.locked() else "idle"
        if halt is not None:
            message.halt, message.severity = halt.reason, halt.severity.name.lower()
        self._states.publish(message)

    def _tell(self, message: Any) -> None:
        try:
            self._agent.tell(message.data)
        except SayCanError as error:
            self._session.node.get_logger().warning(f"not told: {error}")

    def _emergency_stop(self, request: Any, response: Any) -> Any:
        self._agent.emergency_stop("asked for by ~/emergency_stop")
        response.success, response.message = True, "nothing moves until ~/recover"
        return response

    def _recover(self, request: Any, response: Any) -> Any:
        try:
            self._agent.robot.recover()
            response.success = True
        except SayCanError as error:
            response.success, response.message = False, str(error)
        return response


def _interfaces() -> Any:
    from saycan.errors import MissingPartError
    from saycan.ros import require_rclpy

    require_rclpy()
    try:
        import saycan_interfaces.msg
    except ImportError as error:
        raise MissingPartError(
            "saycan_interfaces is not installed: colcon build robots/ros2/interfaces/saycan_interfaces in a workspace, "
            "and source it (docs/ros2.md)"
        ) from error
    return saycan_interfaces.msg
