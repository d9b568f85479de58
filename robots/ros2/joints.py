"""Where a ROS 2 robot's joints are, and when that was measured: several publishers may share the topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from saycan.ros import seconds


@dataclass(frozen=True)
class JointReadings:
    """The newest of every joint that was ever heard of.

    Attributes:
        positions: rad or m, by the joint's name.
        times: s, the stamp of the message that told it.
    """

    positions: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)

    def after(self, message: Any) -> JointReadings:
        """With what a sensor_msgs/JointState tells; a joint without a position in it is as old as before."""
        told = dict(zip(message.name, message.position, strict=False))
        times = dict.fromkeys(told, seconds(message.header.stamp))
        return JointReadings({**self.positions, **told}, {**self.times, **times})

    def time(self, joints: Iterable[str]) -> float:
        """s, when the one of these joints was measured that has been silent longest.

        It goes on only while all of their publishers do, in the steps of the slowest, and back only where the clock of
        one does.
        """
        return min(self.times[joint] for joint in joints)
