"""The colours of the room and of the furniture."""

from __future__ import annotations

from dataclasses import dataclass

from saycan.robots.kitchen.shapes import Rgb


@dataclass(frozen=True)
class Palette:
    """Red, green and blue in [0, 1] of every large part of the kitchen; the defaults are the standard kitchen's.

    Attributes:
        floor, north_wall, south_wall, east_wall, west_wall, tiles, picture: The room; tiles and picture hang on walls.
        close_top, close_cabinet, far_top, far_cabinet, table_top, table_legs: The surfaces and what carries them.
        bin: The trash can's outside.
        tray, shirt, trousers: The operator's side table and clothes.
        drawer_cabinet, drawer_front: The drawer's cabinet; its front panel and the cabinet's top.
    """

    floor: Rgb = (0.56, 0.50, 0.44)
    north_wall: Rgb = (0.82, 0.85, 0.84)
    south_wall: Rgb = (0.85, 0.84, 0.79)
    east_wall: Rgb = (0.78, 0.81, 0.85)
    west_wall: Rgb = (0.85, 0.80, 0.77)
    tiles: Rgb = (0.70, 0.77, 0.74)
    picture: Rgb = (0.86, 0.62, 0.30)
    close_top: Rgb = (0.63, 0.64, 0.66)
    close_cabinet: Rgb = (0.36, 0.27, 0.21)
    far_top: Rgb = (0.80, 0.74, 0.62)
    far_cabinet: Rgb = (0.30, 0.40, 0.50)
    table_top: Rgb = (0.72, 0.56, 0.38)
    table_legs: Rgb = (0.50, 0.36, 0.22)
    bin: Rgb = (0.20, 0.24, 0.26)
    tray: Rgb = (0.86, 0.84, 0.80)
    shirt: Rgb = (0.25, 0.42, 0.68)
    trousers: Rgb = (0.20, 0.20, 0.26)
    drawer_cabinet: Rgb = (0.42, 0.56, 0.53)
    drawer_front: Rgb = (0.55, 0.68, 0.64)
