"""The parts of the run, in order, with the seconds that each may take: 11 minutes and a half in all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part, which runs in a process of its own.

    Attributes:
        seconds: how long it may begin new work; it is ended when it takes longer by GRACE.
        where: module and function that take a `Run`.
        behind: runs beside the next part: it needs no GPU.
    """

    seconds: float
    where: str
    behind: bool = False


GRACE = 20.0
PARTS = {
    "paint": Part(120, "trained:paint", behind=True),
    "right": Part(105, "right:measure"),
    "kernels": Part(60, "kernels:measure"),
    "pace": Part(130, "pace:measure"),
    "trained": Part(295, "trained:measure"),
    "cells": Part(100, "trained:cells"),
}
