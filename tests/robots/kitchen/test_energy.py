from __future__ import annotations

import mujoco
import numpy as np
import pytest

from saycan.action import Action
from saycan.robots.kitchen import Kitchen


def test_energy_is_the_absolute_work_of_all_actuators() -> None:
    kitchen, twin = Kitchen("at table", cameras=()), Kitchen("at table", cameras=())
    assert kitchen.energy == 0.0
    actions = [Action([0.02, 0.0, -0.02, 0.0, 0.0, 0.1], 0.3, [-0.03, 0.02, 0.05]) for _ in range(6)]
    work = 0.0
    physics = twin._physics
    for action in actions:
        kitchen.apply(action)
        for setpoint in physics._controller.plan(physics.data, action):  # the same steps, summed one by one
            physics._controller.track(physics.data, setpoint)
            mujoco.mj_step(physics.model, physics.data)
            for force, velocity in zip(physics.data.actuator_force, physics.data.actuator_velocity, strict=True):
                work += abs(force * velocity) * physics.model.opt.timestep
    assert kitchen.energy == pytest.approx(work, rel=1e-9)
    assert work > 1.0


def test_driving_costs_about_the_kinetic_energy_twice_and_standing_next_to_nothing() -> None:
    kitchen = Kitchen("at operator", cameras=())
    for _ in range(10):
        kitchen.apply(Action())
    standing = kitchen.energy
    assert standing < 0.5
    for _ in range(10):
        kitchen.apply(Action(base_delta=[-0.04, 0.0, 0.0]))
    for _ in range(5):
        kitchen.apply(Action())
    model = kitchen._physics.model
    mass = model.body_subtreemass[model.body("base").id]
    kinetic = 0.5 * mass * 0.4**2
    assert (
        1.0 * kinetic < kitchen.energy - standing < 4.0 * kinetic
    )  # up to speed and down again, with wheels that slip


def test_energy_starts_anew_with_a_scene_and_only_grows() -> None:
    kitchen = Kitchen("at table, tea in hand", cameras=())
    readings = [kitchen.energy]
    rng = np.random.default_rng(0)
    for _ in range(5):
        kitchen.apply(Action(rng.uniform(-0.02, 0.02, 6), 0.0))
        readings.append(kitchen.energy)
    assert readings[0] == 0.0
    assert (np.diff(readings) > 0.0).all()
    kitchen.reset()
    assert kitchen.energy == 0.0
