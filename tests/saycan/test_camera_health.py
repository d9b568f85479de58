"""Cameras that show nothing any more are noticed, and those that do are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saycan.camera_health import CameraHealth
from saycan.observation import Observation
from saycan.robot import Freshness, RobotSpec

SHAPE = (6, 8, 3)


def spec(simulated: bool = False) -> RobotSpec:
    cameras = {"head": SHAPE, "wrist": SHAPE}
    return RobotSpec("arm", cameras=cameras, joints=1, simulated=simulated, freshness=Freshness(picture=0.5))


def seen(time: float, head: int = 0, wrist: int = 0, base: float = 0.0, ee: float = 0.0, **more) -> Observation:
    rng = np.random.default_rng(head)
    images = {"head": rng.integers(0, 255, SHAPE, np.uint8), "wrist": np.full(SHAPE, wrist, np.uint8)}
    position = np.array([ee, 0.0, 0.0])
    return Observation(
        time, images, np.zeros(1), 1.0, position, np.array([1.0, 0, 0, 0]), np.array([base, 0, 0]), **more
    )


def problems(cameras: CameraHealth, observations: list[Observation]) -> list[str]:
    return [problem for one in observations if (problem := cameras.problem(one))]


def test_pictures_that_change_are_fine() -> None:
    assert not problems(CameraHealth(spec()), [seen(0.1 * n, head=n, wrist=20 + n) for n in range(30)])


def test_the_very_same_picture_is_noticed_after_a_while_and_after_a_new_one_no_more() -> None:
    cameras = CameraHealth(spec())
    still = [seen(0.1 * n, head=0, wrist=20 + n) for n in range(12)]
    found = problems(cameras, still)
    assert len(found) == 6 and "'head' has shown the same picture for 0.6 s" in found[0]
    assert not problems(cameras, [seen(1.3, head=1, wrist=50)])


@pytest.mark.parametrize(("base", "ee", "noticed"), [(0.0, 0.0, False), (0.2, 0.0, True), (0.0, 0.3, True)])
def test_a_simulated_camera_shows_the_same_unless_the_robot_has_moved(base, ee, noticed) -> None:
    moving = [seen(0.1 * n, wrist=20 + n, base=base * n / 12, ee=ee * n / 12) for n in range(13)]
    behind_a_driver = replace(spec(), freshness=Freshness(picture=0.5, noisy_pictures=False))
    for robot in (spec(simulated=True), behind_a_driver):
        assert bool(problems(CameraHealth(robot), moving)) == noticed


def test_black_is_noticed_however_it_flickers() -> None:
    found = problems(CameraHealth(spec()), [seen(0.1 * n, head=n, wrist=n % 5) for n in range(12)])
    assert found and "'wrist' has been black for 0.6 s" in found[0]
    cameras = CameraHealth(spec())
    assert not problems(cameras, [seen(0.1 * n, head=n, wrist=0 if n % 4 else 90) for n in range(12)])


def test_a_picture_that_was_taken_long_ago_is_late() -> None:
    cameras = CameraHealth(spec())
    assert not problems(cameras, [seen(5.0, wrist=20, image_times={"head": 4.6})])
    assert problems(cameras, [seen(5.2, wrist=21, image_times={"head": 4.6})]) == [
        "the newest picture of camera 'head' is 0.6 s old"
    ]


def test_begun_anew_what_was_seen_counts_no_more() -> None:
    cameras = CameraHealth(spec())
    assert problems(cameras, [seen(0.0, wrist=20), seen(0.6, wrist=21)])
    cameras.forget()
    assert not problems(cameras, [seen(0.7, wrist=22)])
    assert not problems(cameras, [seen(0.1, wrist=23)]), "a clock that was set back"
