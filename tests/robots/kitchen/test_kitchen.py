from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from saycan import check_robot
from saycan.action import Action
from saycan.errors import BadInputError, RobotError, SceneError, UnknownNameError
from saycan.privileged import PrivilegedWorld, Resettable
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.control import ARM_JOINTS
from saycan.robots.kitchen.physics import Physics

SCENE = "at table, coke can and sponge on table, spill on close counter, apple on far counter"


def drive(kitchen: Kitchen, periods: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(periods):
        kitchen.apply(Action(rng.uniform(-0.03, 0.03, 6), rng.random(), rng.uniform(-0.04, 0.04, 3)))


def test_conforms() -> None:
    assert len(check_robot(Kitchen(SCENE, image_size=32))) > 5
    assert isinstance(Kitchen(SCENE, cameras=()), PrivilegedWorld)
    assert isinstance(Kitchen(SCENE, cameras=()), Resettable)


def test_same_scene_and_seed_give_the_same_run_bit_for_bit() -> None:
    runs = []
    for _ in range(2):
        kitchen = Kitchen(SCENE, seed=7, image_size=32)
        drive(kitchen, 30)
        runs.append(kitchen)
    first, second = (kitchen.observe() for kitchen in runs)
    assert (first.proprioception() == second.proprioception()).all()
    assert all((first.images[name] == second.images[name]).all() for name in first.images)
    states = [kitchen.privileged_state() for kitchen in runs]
    for one, other in zip(states[0].objects, states[1].objects, strict=True):
        assert (one.position == other.position).all()
        assert (one.quaternion == other.quaternion).all()
    assert not np.allclose(
        Kitchen(SCENE, seed=8, cameras=()).privileged_state().objects[0].position, states[0].objects[0].position
    )


def test_reset_brings_the_same_scene_back() -> None:
    kitchen = Kitchen(SCENE, seed=3, cameras=())
    before = kitchen.observe().proprioception()
    drive(kitchen, 10)
    assert not (kitchen.observe().proprioception() == before).all()
    kitchen.reset()
    assert (kitchen.observe().proprioception() == before).all()
    kitchen.reset("at close counter, apple in hand")
    assert kitchen.privileged_state().held == "apple"


def test_a_scene_that_cannot_be_built_leaves_the_old_one() -> None:
    kitchen = Kitchen(SCENE, cameras=())
    with pytest.raises(SceneError, match="unicorn"):
        kitchen.reset("unicorn on table")
    with pytest.raises(BadInputError, match="int"):
        kitchen.reset(5)
    assert len(kitchen.privileged_state().objects) == 3
    with pytest.raises(UnknownNameError, match="head, wrist"):
        Kitchen(SCENE, cameras=("tail",))
    with pytest.raises(BadInputError, match="16 to 1024"):
        Kitchen(SCENE, image_size=4)


def test_the_reference_is_followed_within_millimetres() -> None:
    kitchen = Kitchen("nothing", cameras=())
    start = kitchen.observe().ee_position
    for _ in range(10):
        kitchen.apply(Action([0.01, 0.02, -0.02, 0, 0, 0]))
    assert kitchen.observe().ee_position - start == pytest.approx([0.1, 0.2, -0.2], abs=0.004)
    here = kitchen.observe().ee_position
    for _ in range(20):
        kitchen.apply(Action())
    assert kitchen.observe().ee_position == pytest.approx(here, abs=0.002)  # standing still does not creep


def test_joint_torques_and_speeds_stay_within_limits() -> None:
    kitchen = Kitchen(SCENE, cameras=())
    physics: Physics = kitchen._physics
    model, data = physics.model, physics.data
    arm = [model.joint(name).dofadr[0] for name in ARM_JOINTS]
    for _ in range(8):  # as hard as the gate lets through, down onto the table
        kitchen.apply(Action([0.0, 0.03, -0.04, 0, 0, 0.15], 0.0, [0.04, 0.03, 0.1]))
        low, high = model.actuator_forcerange.T
        assert (low <= data.actuator_force).all()
        assert (data.actuator_force <= high).all()
        assert np.abs(data.qvel[arm]).max() < 3.0


def test_nothing_is_welded() -> None:
    model = Kitchen("sponge in hand", cameras=())._physics.model
    kinds = {int(kind) for kind in model.eq_type}
    assert kinds == {int(mujoco.mjtEq.mjEQ_JOINT)}  # the two fingers mirror each other; nothing else is tied
    assert model.nmocap == 0


def test_what_is_held_falls_when_the_gripper_opens() -> None:
    kitchen = Kitchen("at close counter, coke can in hand", cameras=())
    assert kitchen.privileged_state().held == "coke can"
    for _ in range(30):
        kitchen.apply(Action(gripper=0.0))
    assert kitchen.privileged_state().held == "coke can"
    for _ in range(15):
        kitchen.apply(Action(gripper=1.0))
    thing = kitchen.privileged_state().by_id("coke can")
    assert not thing.held
    assert thing.position[2] < 0.95


def test_hold_keeps_the_grip_and_stops_the_motion() -> None:
    kitchen = Kitchen("coke can in hand", cameras=())
    for _ in range(4):
        kitchen.apply(Action([0, 0.04, 0, 0, 0, 0], 0.0))
    kitchen.hold()
    here = kitchen.observe().ee_position
    for _ in range(10):
        kitchen.apply(Action(gripper=0.0))
    assert kitchen.observe().ee_position == pytest.approx(here, abs=0.01)
    assert kitchen.privileged_state().held == "coke can"


def test_places_visited_are_noted() -> None:
    kitchen = Kitchen("at table", cameras=())
    assert kitchen.privileged_state().robot_place == "table"
    for _ in range(20):
        kitchen.apply(Action(base_delta=[-0.04, 0, 0]))
    state = kitchen.privileged_state()
    assert state.robot_place is None
    assert state.visited == ("table",)


def test_closed_means_closed() -> None:
    kitchen = Kitchen("nothing", image_size=32)
    assert kitchen.view(64, 48).shape == (48, 64, 3)
    kitchen.close()
    kitchen.close()
    kitchen.hold()
    for verb in (kitchen.observe, lambda: kitchen.apply(Action()), lambda: kitchen.view(64, 48)):
        with pytest.raises(RobotError, match="closed"):
            verb()


@pytest.mark.parametrize("part", ["qpos", "qvel"])
def test_a_simulation_that_diverges_is_told(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes of it into a file where the program was started
    kitchen = Kitchen("apple on table", cameras=())
    kitchen.apply(Action())
    getattr(kitchen._physics.data, part)[0] = np.nan  # MuJoCo sets everything back to the start by itself then
    with pytest.raises(RobotError, match="diverged; reset"):
        kitchen.apply(Action())
    with pytest.raises(RobotError, match="diverged; reset"):
        kitchen.apply(Action())
    kitchen.reset()
    kitchen.apply(Action())


def test_a_rate_that_its_physics_cannot_keep_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"physics steps of 0\.004 s, found the rate 1000 Hz"):
        Kitchen(rate=1000.0)
