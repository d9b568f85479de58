from __future__ import annotations

import numpy as np
import pytest

from saycan.action import ACTION_SIZE, Action
from saycan.robot import Limits, RobotSpec


def test_the_action_space_is_what_one_period_allows() -> None:
    low, high = RobotSpec("arm", rate=20.0, limits=Limits(ee_speed=0.4, ee_turn=1.0, base_speed=0.2)).action_space
    assert low.shape == high.shape == (ACTION_SIZE,)
    fastest = Action.from_vector(high)
    assert fastest.ee_delta[:3] == pytest.approx([0.02] * 3)
    assert fastest.ee_delta[3:] == pytest.approx([0.05] * 3)
    assert fastest.base_delta == pytest.approx([0.01, 0.01, 0.05])
    assert fastest.gripper == 1.0
    assert (Action.from_vector(low).ee_delta == -fastest.ee_delta).all()
    assert Action.from_vector(low).gripper == 0.0
    assert (low <= high).all()
    assert np.isfinite([low, high]).all()
