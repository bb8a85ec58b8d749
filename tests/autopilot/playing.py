"""Autopilots that answer each other until nobody says anything any more."""

from __future__ import annotations

from nom_negotiate import Desk
from nom_negotiate.autopilot import Pilots, Step


def play(desk: Desk, *, most: int = 60) -> list[Step]:
    """Poll and let the autopilots answer until nobody says anything; return what was said."""
    said: list[Step] = []
    pilots = Pilots(desk, every_s=0, on_step=said.append)
    for _ in range(most):
        before = len(said)
        pilots.follow(desk.poll())
        if len(said) == before:
            desk.poll()
            return said
    raise AssertionError("they go on for ever")
