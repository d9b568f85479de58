"""A GL context is a thread's as long as it is current there, and no other can have it: pictures in several threads."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar

import mujoco
import numpy as np
import pytest

from saycan.robots.kitchen import Kitchen, gl
from saycan.robots.kitchen.render import choose_renderer

SCENE = "apple on table"


class Older:
    """A stand-in for a context of a MuJoCo without `as_current`; like EGL's it is refused to a second thread."""

    made: ClassVar[list[Any]] = []

    def __init__(self, width: int, height: int) -> None:
        self.thread: int | None = None
        self.freed = 0
        self.made.append(self)

    def make_current(self) -> None:
        if self.thread not in (None, threading.get_ident()):
            raise RuntimeError("EGL_BAD_ACCESS")
        self.thread = threading.get_ident()

    def free(self) -> None:
        self.freed += 1


class Context(Older):
    """The same of a MuJoCo that has it."""

    @contextlib.contextmanager
    def as_current(self) -> Iterator[None]:
        self.make_current()
        try:
            yield
        finally:
            self.thread = None


@pytest.fixture
def standing_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], list[Any]]:
    """Puts a class in the place of GL and returns what is made of it; drawing needs it to be current, draws nothing."""

    def current(*_: Any) -> None:
        assert Older.made[-1].thread == threading.get_ident(), "nothing is current in this thread"

    def drawing(*_: Any) -> Any:
        current()
        return SimpleNamespace(free=current)

    def stand_in(kind: type) -> list[Any]:
        monkeypatch.setattr(Older, "made", [])
        monkeypatch.setitem(sys.modules, "mujoco.standin", SimpleNamespace(GLContext=kind))  # type: ignore[arg-type]
        for module in (gl, sys.modules["saycan.robots.kitchen.render"]):
            monkeypatch.setattr(module, "find_gl", lambda: ("standin", "it stands in"))
        monkeypatch.setattr(mujoco, "MjrContext", drawing)
        for call in ("mjr_setBuffer", "mjr_render", "mjr_readPixels"):
            monkeypatch.setattr(mujoco, call, current)
        return Older.made

    return stand_in


@pytest.fixture
def aside() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Calls in another thread, as `AgentRunnable.ainvoke` does; it lives on until the test has ended."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda call: pool.submit(call).result(30.0)


def test_a_context_is_a_threads_only_while_it_draws(standing_in, aside) -> None:
    made = standing_in(Context)
    kitchen = Kitchen(SCENE, cameras=())
    aside(lambda: kitchen.view(64, 48))
    assert made[0].thread is None
    kitchen.view(64, 48)
    aside(kitchen.close)
    assert len(made) == 1 and made[0].freed == 1 and made[0].thread is None


@pytest.mark.parametrize("kind", [Context, Older])
def test_a_scene_and_an_end_come_from_another_thread_than_the_pictures(standing_in, aside, kind: type) -> None:
    made = standing_in(kind)
    kitchen = Kitchen(SCENE, cameras=())
    aside(lambda: kitchen.view(64, 48))
    kitchen.reset("coke can on table")
    assert kitchen.privileged_state().objects[0].name == "coke can"
    aside(lambda: kitchen.view(64, 48))
    kitchen.close()
    kitchen.close()
    assert kitchen._closed and [context.freed for context in made] == [1, 1]


def test_an_error_of_gl_at_the_end_is_not_the_robots(standing_in, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> None:
        raise RuntimeError("EGL_BAD_CONTEXT")

    made = standing_in(Context)
    kitchen = Kitchen(SCENE, cameras=())
    kitchen.view(64, 48)
    monkeypatch.setattr(Context, "make_current", fail)
    monkeypatch.setattr(Context, "free", fail)
    kitchen.close()
    assert len(made) == 1 and kitchen._closed and kitchen._view is None


@pytest.mark.parametrize("older", [False, True])
def test_real_pictures_are_the_same_in_every_thread(aside, older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not choose_renderer().gl:
        pytest.skip("no GL library works here")
    context = importlib.import_module(f"mujoco.{gl.find_gl()[0]}").GLContext
    if older:
        if gl.find_gl()[0] == "cgl":
            pytest.skip("CGL's context stays with its thread")
        monkeypatch.delattr(context, "as_current", raising=False)
    kitchen = Kitchen(SCENE, cameras=())
    there = aside(lambda: kitchen.view(64, 48))
    here = kitchen.view(64, 48)
    assert here.std() > 10.0
    np.testing.assert_array_equal(there, here)
    kitchen.reset()
    np.testing.assert_array_equal(aside(lambda: kitchen.view(64, 48)), here)
    kitchen.close()
    assert kitchen._closed
