from __future__ import annotations

import numpy as np
import pytest

from saycan.action import Action


def test_vector_and_back() -> None:
    action = Action([1, 2, 3, 4, 5, 6], 0.25, [7, 8, 9], terminate=True)
    vector = action.to_vector()
    assert vector.tolist() == [1, 2, 3, 4, 5, 6, 0.25, 7, 8, 9, 1]
    again = Action.from_vector(vector)
    assert (again.to_vector() == vector).all()
    assert again.terminate is True
    assert Action.from_vector([0.0] * 10 + [0.49]).terminate is False


def test_the_empty_action_stands_still_with_an_open_gripper() -> None:
    action = Action()
    assert not action.ee_delta.any()
    assert not action.base_delta.any()
    assert (action.gripper, action.terminate) == (1.0, False)


def test_is_finite() -> None:
    assert Action().is_finite()
    assert not Action([0, 0, np.nan, 0, 0, 0]).is_finite()
    assert not Action(gripper=float("inf")).is_finite()


def test_arrays_are_its_own_and_cannot_be_changed() -> None:
    delta = np.zeros(6)
    action = Action(delta)
    delta[0] = 1.0
    assert action.ee_delta[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        action.ee_delta[0] = 1.0


@pytest.mark.parametrize("wrong", [[0.0] * 5, [[0.0] * 6], 1.0])
def test_wrong_shapes_are_named(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"ee_delta must have shape \(6,\)"):
        Action(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"action vector must have shape \(11,\)"):
        Action.from_vector([0.0] * 7)
