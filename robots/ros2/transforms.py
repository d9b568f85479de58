"""Where a base is by tf, and poses of messages in the plane."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import MissingPartError
from saycan.ros import seconds


class Transforms:
    """Where one tf frame is in another, in the plane."""

    def __init__(self, node: Any, parent: str, child: str) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise MissingPartError("frames need tf2_ros: apt install ros-$ROS_DISTRO-tf2-ros-py") from error
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._parent, self._child = parent, child

    def there(self) -> bool:
        """Whether it is known."""
        from rclpy.time import Time

        return bool(self._buffer.can_transform(self._parent, self._child, Time()))

    def pose(self) -> tuple[NDArray[np.float64], float]:
        """(3,) x m, y m, yaw rad, and the stamp in s of the oldest link between them: inf where all are static."""
        from rclpy.time import Time

        found = self._buffer.lookup_transform(self._parent, self._child, Time())
        transform, time = found.transform, seconds(found.header.stamp)
        return planar(transform.translation, transform.rotation), time or math.inf  # tf2 stamps static ones 0


def planar(position: Any, rotation: Any) -> NDArray[np.float64]:
    """(3,) x m, y m, yaw rad of a pose's messages."""
    x, y, z, w = rotation.x, rotation.y, rotation.z, rotation.w
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return np.array([position.x, position.y, yaw])
