"""Your own robot, three phrases and two functions: all that an agent needs (python examples/own_robot.py)."""

import numpy as np

from saycan import Action, Agent, Observation, RobotSpec, Skill


class Lamp:
    """A desk lamp with three joints that a motor controller would move; here it only remembers where it is."""

    # yours: simulated=False, device=..., limits=...; apply() then sleeps until its period is over
    spec = RobotSpec("lamp", rate=20.0, joints=3, simulated=True)

    def __init__(self) -> None:
        self.time, self.head = 0.0, np.array([0.2, 0.0, 0.4])  # s; m, in the lamp's own frame

    def observe(self) -> Observation:
        upright, still = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3)
        return Observation(self.time, {}, np.zeros(3), 1.0, self.head.copy(), upright, still)

    def apply(self, action: Action) -> Action:
        self.time, self.head = self.time + 1 / self.spec.rate, self.head + action.ee_delta[:3]
        return action

    def hold(self) -> None: ...

    def close(self) -> None: ...


HEIGHT = {"look up": 0.6, "look down": 0.2, "look ahead": 0.4}


def policy(observation: Observation, skill: Skill) -> Action:
    error = HEIGHT[skill.phrase] - observation.ee_position[2]
    return Action([0.0, 0.0, 0.2 * error, 0.0, 0.0, 0.0], terminate=abs(error) < 0.01)


def value(observation: Observation, skill: Skill) -> float:
    return 0.9 if skill.phrase == "done" or abs(HEIGHT[skill.phrase] - observation.ee_position[2]) > 0.01 else 0.05


if __name__ == "__main__":
    print(Agent(Lamp(), library=HEIGHT, policy=policy, values=value).run("nod").plan)
