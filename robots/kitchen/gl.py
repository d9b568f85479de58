"""Pictures by OpenGL, where a probe finds a library that works: for films and for people, never for the policy."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Generator
from functools import cache
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from saycan.errors import MissingPartError

PROBE_SECONDS = 15.0

# A GL library can end the whole process or never return, so it is tried in another one first. MuJoCo's classic
# renderer is asked for by its own calls: its Filament renderer can abort.
_PROBE = """
import importlib, sys
import mujoco, numpy
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(32, 32)
context.make_current()
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 3"/><geom size="1" rgba="1 0 0 1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
scene, camera = mujoco.MjvScene(model, 10), mujoco.MjvCamera()
mujoco.mjv_defaultFreeCamera(model, camera)
mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
drawing = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, drawing)
area, picture = mujoco.MjrRect(0, 0, 32, 32), numpy.zeros((32, 32, 3), numpy.uint8)
mujoco.mjr_render(area, scene, drawing)
mujoco.mjr_readPixels(picture, None, area, drawing)
red, green, _ = picture.reshape(-1, 3).mean(axis=0)
sys.exit(0 if red > 5 and red > 3 * green else 3)
"""


@cache
def find_gl() -> tuple[str | None, str]:
    """The GL back-end that works here, or None, and why in one line. Looked for once in a process.

    The environment variable MUJOCO_GL narrows the search to the back-end that it names; "off" finds none.
    """
    wanted = os.environ.get("MUJOCO_GL", "").strip().casefold()
    if wanted in {"off", "disable", "disabled", "false", "0"}:
        return None, f"MUJOCO_GL is {wanted!r}"
    known = {"Linux": ("egl", "osmesa"), "Darwin": ("cgl",)}.get(platform.system(), ("glfw",))
    candidates = (wanted,) if wanted in {"egl", "osmesa", "cgl", "glfw"} else known
    failures = []
    for backend in candidates:
        failure = _try(backend)
        if failure is None:
            return backend, f"{backend} works"
        failures.append(f"{backend}: {failure}")
    return None, "; ".join(failures)


def _try(backend: str) -> str | None:
    """What goes wrong with a back-end, or None."""
    command = [sys.executable, "-c", _PROBE, backend]
    environment = {**os.environ, "MUJOCO_GL": backend}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PROBE_SECONDS:.0f} s"
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1][:160] if lines else f"ended with code {done.returncode}"


class GlRenderer:
    """MuJoCo's classic OpenGL renderer on a context of its own. Raises MissingPartError where none works.

    Made, used and closed by whatever threads, one at a time: a context is a thread's only while it draws.

    Args:
        model: Compiled kitchen.
        width, height: Pixels.
    """

    def __init__(self, model: Any, width: int, height: int) -> None:
        backend, why = find_gl()
        if backend is None:
            raise MissingPartError(f"no OpenGL library works here ({why}); the ray renderer needs none")
        self.size = (width, height)
        self._model, self._backend = model, backend
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        self._context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
        self._scene = mujoco.MjvScene(model, 1000)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False  # ten times the cost on a software renderer
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._options = mujoco.MjvOption()
        self._options.flags[mujoco.mjtVisFlag.mjVIS_TRANSPARENT] = False
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        with _current(backend, self._context):
            self._drawing = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawing)
        self._area = mujoco.MjrRect(0, 0, width, height)

    def render(self, data: Any, camera: str) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, what a fixed camera sees."""
        self._camera.fixedcamid = self._model.camera(camera).id
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._camera, everything, self._scene)
        width, height = self.size
        picture = np.empty((height, width, 3), np.uint8)
        with _current(self._backend, self._context):
            mujoco.mjr_render(self._area, self._scene, self._drawing)
            mujoco.mjr_readPixels(picture, None, self._area, self._drawing)
        return np.ascontiguousarray(np.flipud(picture))  # GL counts rows from below

    def close(self) -> None:
        """Release the context. Idempotent, raises nothing: what GL keeps all the same is memory."""
        context, self._context = self._context, None
        if context is None:
            return
        with contextlib.suppress(Exception), _current(self._backend, context):
            self._drawing.free()
        with contextlib.suppress(Exception):
            context.free()


@contextlib.contextmanager
def _current(backend: str, context: Any) -> Generator[None]:
    """Within this block a context is this thread's; after it no thread's, for none can take it from another."""
    if hasattr(context, "as_current"):
        with context.as_current():
            yield
        return
    context.make_current()
    try:
        yield
    finally:
        _let_go(backend)


def _let_go(backend: str) -> None:
    """This thread has no context any more. For a MuJoCo without `as_current`; a context of CGL stays where it is."""
    module = importlib.import_module(f"mujoco.{backend}")
    match backend:
        case "egl":
            egl = module.EGL
            egl.eglMakeCurrent(module.EGL_DISPLAY, egl.EGL_NO_SURFACE, egl.EGL_NO_SURFACE, egl.EGL_NO_CONTEXT)
        case "osmesa":
            module.osmesa.OSMesaMakeCurrent(None, None, module.GL.GL_FLOAT, 0, 0)
        case "glfw":
            module.glfw.make_context_current(None)
