"""Which part of the painter's range a set of portraits is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from aahq.painted.portraits.styles import FAMILIES


@dataclass(frozen=True)
class World:
    """A part of the painter's range.

    Attributes:
        name: as `--world` and a portrait's factors give it.
        families: of styles that its art is painted in.
        pose: factor on the three angles of the head.
        backdrops: kinds of background (`aahq.painted.portraits.backdrop`), by number.
    """

    name: str
    families: tuple[str, ...]
    pose: float
    backdrops: tuple[int, ...]


GALLERY = World("gallery", tuple(family for family in FAMILIES if family != "natural"), 1.0, (0, 1, 2, 3, 4, 5))
# Families that differ at 64 px, heads that nearly face the viewer, plain grounds: a world that a small network can learn.
SMALL = World("small", ("ink", "cel", "woodcut", "watercolour", "stained glass", "screen print"), 0.4, (0, 5))

WORLDS = {world.name: world for world in (GALLERY, SMALL)}
