"""The kitchen without physics: every skill that can be done works at once."""

from __future__ import annotations

import numpy as np

from saycan.privileged import ObjectState, PrivilegedState, SpillState
from saycan.robots.kitchen.control import GRIP_WIDTH
from saycan.robots.kitchen.layout import DRAWER_TRAVEL
from saycan.robots.kitchen.scene import HAND, Scene
from saycan.robots.kitchen.state import drawer_state, place_states
from saycan.skill import Skill
from saycan.symbolic import effect, precondition

_CELLS = 9  # of a spill
_HAND_HEIGHT = 1.0  # m


class SymbolicKitchen:
    """Judges plans apart from how well skills are carried out. Implements `saycan.PrivilegedWorld`; it is no robot.

    Args:
        scene: What is where in the beginning; everything stands upright in the middle of its place.
    """

    def __init__(self, scene: Scene) -> None:
        self.state = symbolic_state(scene)

    def privileged_state(self) -> PrivilegedState:
        """What is where now."""
        return self.state

    def perform(self, skill: Skill) -> str | None:
        """Carry out a skill perfectly. Returns why it cannot be done, and then changes nothing; else None."""
        problem = precondition(self.state, skill)
        self.state = effect(self.state, skill)
        return problem


def symbolic_state(scene: Scene) -> PrivilegedState:
    """The scene as privileged state, without building it."""
    opening = scene.drawer * DRAWER_TRAVEL
    places = place_states(opening, scene.layout)
    hand = np.array([*scene.base[:2], _HAND_HEIGHT])
    held = scene.in_hand
    return PrivilegedState(
        objects=tuple(
            ObjectState(
                id=thing.id,
                name=thing.name,
                position=hand if thing.place == HAND else places[thing.place].center,
                quaternion=np.array([1.0, 0.0, 0.0, 0.0]),
                size=np.array(scene.model(thing.name).size),
                place=None if thing.place == HAND else thing.place,
                held=thing.place == HAND,
            )
            for thing in scene.things
        ),
        places=places,
        spills=tuple(
            SpillState(place, np.repeat(places[place].center[None], _CELLS, axis=0), _CELLS) for place in scene.spills
        ),
        drawers=(drawer_state(opening, scene.layout),),
        base_pose=scene.base,
        ee_position=hand,
        ee_yaw=0.0,
        gripper=0.0 if held else 1.0,
        gripper_width=GRIP_WIDTH,
        held=held.id if held else None,
        robot_place=scene.start,
        visited=(scene.start,),
    )
