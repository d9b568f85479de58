from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from saycan.action import Action
from saycan.adapters import as_policy, as_value_function
from saycan.errors import PolicyError, ValueFunctionError
from saycan.policy import Policy
from saycan.skill import Skill
from saycan.value import ValueFunction

SKILLS = [Skill("wave", "wave"), Skill("bow", "bow")]


def test_functions_become_policies_and_value_functions() -> None:
    action = Action()
    policy = as_policy(lambda observation, skill: action)
    assert isinstance(policy, Policy) and policy.act(None, SKILLS[0]) is action
    values = as_value_function(lambda observation, skill: len(skill.phrase) / 10)
    assert isinstance(values, ValueFunction)
    np.testing.assert_array_equal(values.values(None, SKILLS), [0.4, 0.3])


def test_what_keeps_the_protocol_is_left_alone() -> None:
    policy = SimpleNamespace(reset=print, act=print)
    values = SimpleNamespace(values=print)
    assert as_policy(policy) is policy and as_value_function(values) is values


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1, math.inf])
def test_a_value_that_is_no_probability_is_refused_with_its_skill(value) -> None:
    with pytest.raises(ValueFunctionError, match=r"\[0, 1\], found .* for 'wave'"):
        as_value_function(lambda observation, skill: value).values(None, SKILLS)


@pytest.mark.parametrize("value", ["high", None])
def test_a_value_that_is_no_number_is_refused(value) -> None:
    with pytest.raises(ValueFunctionError, match="failed for 'wave'"):
        as_value_function(lambda observation, skill: value).values(None, SKILLS)


def test_anything_else_is_refused() -> None:
    with pytest.raises(PolicyError, match="policy= takes"):
        as_policy(3)
    with pytest.raises(ValueFunctionError, match="values= takes"):
        as_value_function([0.5, 0.5])
