"""The kitchen in which every skill that can be done works at once: for judging plans apart from execution.

Physics builds what the cameras see, `saycan.symbolic` says what a skill changes. After each skill the kitchen is built
anew: things that nobody touched stay where they were, the one that was put somewhere gets a free spot there, the hand
holds what was picked up, and the robot stands at the dock.
"""

from __future__ import annotations

from dataclasses import replace

from saycan.action import Action
from saycan.errors import MissingPartError
from saycan.observation import Observation
from saycan.privileged import ObjectState, PrivilegedState
from saycan.robots.kitchen.kitchen import Kitchen
from saycan.robots.kitchen.scene import HAND, Thing
from saycan.skill import Skill
from saycan.success import Detection
from saycan.symbolic import effect, precondition


class OracleKitchen(Kitchen):
    """The kitchen, where every skill that can be done works at once; arguments are those of `Kitchen`."""

    def reset(self, scene: object = None, seed: int | None = None) -> None:
        """Begin anew; see `Kitchen.reset`. The same again is the scene that was given, not what was made of it."""
        super().reset(getattr(self, "_given", None) if scene is None else scene, seed)
        self._given = self.scene
        self._seen, self._passed, self._done = (), 0.0, 0  # type: tuple[str, ...], float, int

    def observe(self) -> Observation:
        """Rendered from the state as it is; the clock goes on from skill to skill."""
        seen = super().observe()
        return replace(seen, time=seen.time + self._passed)

    def privileged_state(self) -> PrivilegedState:
        """As `Kitchen`'s, with the places that were visited before the last skill too."""
        state = super().privileged_state()
        return replace(state, visited=tuple(dict.fromkeys((*self._seen, *state.visited))))

    def perform(self, skill: Skill) -> str | None:
        """Carry out a skill perfectly. Returns why it cannot be done, and then changes nothing; else None.

        Raises SceneError where what is put somewhere finds no room there.
        """
        before = self.privileged_state()
        problem = precondition(before, skill)
        after = effect(before, skill)
        if problem is None and after is not before:
            self._enter(before, after)
        return problem

    def _enter(self, before: PrivilegedState, after: PrivilegedState) -> None:
        """Build the kitchen that is as `after` says."""
        drawer = {state.name: state.opening / state.travel for state in after.drawers}
        scene = replace(
            self.scene,
            things=tuple(self._thing(thing, before) for thing in after.objects),
            spills=tuple(spill.place for spill in after.spills if len(spill.cells)),
            start=after.robot_place or self.scene.start,
            base_offset=(0.0, 0.0, 0.0),
            drawer=float(min(max(drawer.get("drawer", 0.0), 0.0), 1.0)),
        )
        passed, seed, done = self._passed + float(self._physics.data.time), self.seed, self._done + 1
        super().reset(scene, seed + 7919 * done)
        self.seed, self._passed, self._done, self._seen = seed, passed, done, after.visited

    def _thing(self, thing: ObjectState, before: PrivilegedState) -> Thing:
        """Where it was, if nobody moved it; else anywhere at its new place."""
        if thing.held:
            return Thing(thing.id, thing.name, HAND)
        place = thing.place or "table"
        was = before.by_id(thing.id)
        if thing.place is None or was.place != place:
            return Thing(thing.id, thing.name, place)
        x, y, z = (float(value) for value in thing.position)
        return Thing(thing.id, thing.name, place, (x, y, z, thing.yaw))


class PrivilegedOracle:
    """A policy that has every skill take effect at once, and the detector that knows whether it did.

    Implements `saycan.Policy` and `saycan.success.SuccessDetector`.

    Args:
        kitchen: Whose skills they are.

    Raises:
        MissingPartError: In another robot nothing takes effect at once.
    """

    name = "privileged oracle"

    def __init__(self, kitchen: OracleKitchen) -> None:
        if not isinstance(kitchen, OracleKitchen):
            raise MissingPartError(f"the oracle works in an OracleKitchen (robot 'oracle'), found {kitchen!r}")
        self._kitchen = kitchen
        self._problem: str | None = None

    def reset(self, skill: Skill) -> None:
        """Begin a skill."""
        self._problem = None

    def act(self, observation: Observation, skill: Skill) -> Action:
        """All of it in one period, and the end."""
        self._problem = self._kitchen.perform(skill)
        held = self._kitchen.privileged_state().held is not None
        return Action(gripper=0.0 if held else 1.0, terminate=True)

    def detect(self, skill: Skill, before: Observation, after: Observation) -> Detection:
        """Whether it could be done, and why not."""
        return Detection(self._problem is None, float(self._problem is None), self._problem or "")
