"""Errors: what crosses from one process to another says the same there."""

from __future__ import annotations

import pickle

import pytest

from saycan import errors
from saycan.errors import SayCanError, UnknownNameError

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SayCanError)]
UNKNOWN = UnknownNameError("robot", "kitchn", ("kitchen", "fake"))


@pytest.mark.parametrize("kind", ALL)
def test_every_error_comes_out_of_another_process_as_it_was(kind: type[SayCanError]) -> None:
    error = UNKNOWN if kind is UnknownNameError else kind("x")
    told = pickle.loads(pickle.dumps(error))
    assert type(told) is type(error) and str(told) == str(error) and vars(told) == vars(error)
