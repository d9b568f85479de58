"""A node of ROS 2 with a thread that serves it, ended cleanly."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from saycan.errors import MissingPartError, RobotError


class Session:
    """A node in a context of its own, so that nothing else in this process that speaks ROS 2 is disturbed.

    Nothing is served before `start`, which is for when all that the node has at first is made: rclpy shows an action
    client to its executor before it is complete, and the thread may die of that (ros2/rclpy#1589).

    Args:
        name: Of the node.
        sim_time: Whether its clock is what /clock says.
        threads: That serve its callbacks; several let one callback wait for another.

    Attributes:
        node: The node.
        context: Its context.

    Raises MissingPartError where rclpy is not installed.
    """

    def __init__(self, name: str, sim_time: bool = False, threads: int = 1) -> None:
        rclpy = require_rclpy()
        from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
        from rclpy.parameter import Parameter

        self.context = rclpy.Context()
        self.context.init()
        overrides = [Parameter("use_sim_time", value=sim_time)]
        self.node: Any = rclpy.create_node(name, context=self.context, parameter_overrides=overrides)
        several = threads > 1
        self._executor: Any = (
            MultiThreadedExecutor(threads, context=self.context)
            if several
            else SingleThreadedExecutor(context=self.context)
        )
        self._executor.add_node(self.node)
        self._name, self._closing = name, False
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None

    def start(self, died: Callable[[], object] = lambda: None) -> None:
        """Serve the node's callbacks from now on, in a thread. Once.

        Args:
            died: Called from that thread where it ends before `close`; `require_serving` tells why.
        """
        self._thread = threading.Thread(target=self._serve, args=(died,), name=f"ros2 {self._name}", daemon=True)
        self._thread.start()

    def require_serving(self) -> None:
        """Raise RobotError, with the reason, where the thread has ended before `close`."""
        if self._fault is not None:
            why = f"{type(self._fault).__name__}: {self._fault}".removesuffix(": ")
            raise RobotError(
                f"the ROS 2 node {self._name} hears nothing any more, since the thread that serves it ended: {why}; "
                "close what it belongs to, and make a new one to go on"
            ) from self._fault

    def now(self) -> float:
        """Seconds on the node's clock; 0 before the first /clock where that counts."""
        return float(self.node.get_clock().now().nanoseconds) * 1e-9

    def close(self) -> None:
        """End the thread, then the node, then the context: in another order the process aborts. Idempotent."""
        self._closing = True
        if self.context.ok():
            self._executor.shutdown(timeout_sec=2.0)
            if self._thread is not None:
                self._thread.join(timeout=5.0)
            self.node.destroy_node()
            self.context.try_shutdown()

    def _serve(self, died: Callable[[], object]) -> None:
        from rclpy.executors import ExternalShutdownException

        try:
            self._executor.spin()
            fault: BaseException = ExternalShutdownException("somebody has shut ROS 2 down in this process")
        except BaseException as error:
            fault = error
        if not self._closing:
            self._fault = fault
            died()


def seconds(stamp: Any) -> float:
    """Of a builtin_interfaces/Time."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


def stamp(time: float) -> Any:
    """A builtin_interfaces/Time."""
    from builtin_interfaces.msg import Time

    whole = int(time)
    return Time(sec=whole, nanosec=int((time - whole) * 1e9))


def duration(time: float) -> Any:
    """A builtin_interfaces/Duration."""
    from builtin_interfaces.msg import Duration

    whole = int(time)
    return Duration(sec=whole, nanosec=int((time - whole) * 1e9))


def domain() -> str:
    """The ROS domain that this process is in."""
    return os.environ.get("ROS_DOMAIN_ID", "0") or "0"


def require_rclpy() -> Any:
    """The module rclpy. Raises MissingPartError where there is none."""
    try:
        import rclpy
    except ImportError as error:
        raise MissingPartError(
            "ROS 2 is not here: run this in a shell in which a ROS 2 installation has been sourced "
            f"(source /opt/ros/.../setup.bash), or in an environment that .ci/ros2 makes ({error})"
        ) from error
    return rclpy
