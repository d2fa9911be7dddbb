"""The gallery's works, their pictures, and what a build should make of each picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from aahq.painted.portraits.styles import FAMILIES, style_seed

# What each kind of picture is planted for, and what a build should say of it: "keep", "one of cluster" (a cluster
# keeps one picture) or a reason.
KINDS: dict[str, str] = {
    "portrait": "keep",
    "group": "keep",
    "copy": "one of cluster",
    "recompressed": "one of cluster",
    "resized": "one of cluster",
    "mirrored": "one of cluster",
    "cropped": "one of cluster",
    "recoloured": "one of cluster",
    "progress": "one of cluster",
    "landscape": "no_face",
    "still life": "no_face",
    "blurred": "quality_blurred",
    "tiny": "too_small",
    "page noai": "page_noai",
    "header noai": "header_noai",
    "robots": "robots",
    "embedded noai": "embedded_noai",
    "tag noai": "tag_noai",
    "ai made": "ai_made",
    "adult": "adult",
    "grey": "keep",
    "cmyk": "keep",
    "rotated": "keep",
    "transparent edge": "keep",
}

# Kinds besides plain portraits, most telling first; a small gallery shows the first ones.
_SPECIALS = (
    "page noai", "landscape", "group", "copy", "progress", "header noai", "mirrored", "embedded noai", "blurred",
    "cropped", "still life", "tag noai", "recompressed", "grey", "tiny", "ai made", "resized", "robots", "adult",
    "recoloured", "rotated", "cmyk", "group", "landscape", "transparent edge", "still life",
)  # fmt: skip
_FIRST = (
    "Ada",
    "Bela",
    "Chidi",
    "Dana",
    "Emre",
    "Fumiko",
    "Gita",
    "Hugo",
    "Ines",
    "Jun",
    "Kofi",
    "Lena",
    "Mira",
    "Noor",
)
_LAST = (
    "Abara",
    "Brandt",
    "Castell",
    "Duarte",
    "Eriksen",
    "Farouk",
    "Grimaldi",
    "Hoshino",
    "Ilves",
    "Jansen",
    "Kovacs",
)
_MOODS = (
    "in morning light",
    "at rest",
    "looking up",
    "study",
    "in the studio",
    "after rain",
    "with a smile",
    "in autumn",
)


@dataclass(frozen=True)
class GalleryImage:
    """One picture of a work.

    Attributes:
        number: the asset's id, unique in the gallery.
        kind: a key of `KINDS`.
        seeds: what it is painted from: (identity, style, variation) or (scene seed, style); groups: (style, *people).
        width, height: of the picture before the kind's own change.
        cluster: pictures of one cluster show the same work; empty for a picture alone.
        step: of a work in progress: 0 sketch, 1 underpainting, 2 finished.
    """

    number: int
    kind: str
    seeds: tuple[int, ...]
    width: int
    height: int
    cluster: str = ""
    step: int = 2


@dataclass(frozen=True)
class Work:
    """One work with its page. `fault` names the fault of a work that the fault mode adds."""

    number: int
    hash_id: str
    title: str
    user: str
    full_name: str
    shown: tuple[GalleryImage, ...]
    tags: tuple[str, ...] = ()
    adult: bool = False
    noai: str = ""
    fault: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def hash_of(number: int, seed: int) -> str:
    """A work's short name: six letters and digits, different for every number below 36^6."""
    value = (number * 1_000_003 + seed * 7919 + 60_466_176) % 36**6
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    out = ""
    for _ in range(6):
        value, rest = divmod(value, 36)
        out = digits[rest] + out
    return out


def plan(count: int, seed: int, side: int) -> list[Work]:
    """The gallery's works in the order in which they are listed; a function of its arguments alone.

    Args:
        count: works. seed: another seed, other works. side: longest side of a picture, about.
    """
    rng = np.random.default_rng([seed, count, 11])
    specials = min(int(count * 0.42), len(_SPECIALS) * max(1, count // 60))
    kinds = [*(_SPECIALS[k % len(_SPECIALS)] for k in range(specials)), *["portrait"] * (count - specials)]
    order = rng.permutation(count)
    # A duplicate needs an original: the portraits come first in painting order, copies refer to them.
    portraits = [k for k in range(count) if kinds[k] == "portrait"]
    works: dict[int, Work] = {}
    copied = iter(portraits)
    made = Maker(seed, side, rng)
    for k in portraits:
        works[k] = made.work(k, "portrait")
    for k in range(specials):
        original = None
        if KINDS[kinds[k]] == "one of cluster" and kinds[k] != "progress":
            source = next(copied, None)
            if source is None:
                works[k] = made.work(k, "portrait")
                continue
            works[source] = made.in_cluster(works[source])
            original = works[source]
        works[k] = made.work(k, kinds[k], original)
    return [works[int(k)] for k in order]


class Maker:
    """Makes works one by one from one stream of accidents."""

    def __init__(self, seed: int, side: int, rng: np.random.Generator) -> None:
        self.seed, self.side, self.rng = seed, side, rng

    def in_cluster(self, work: Work) -> Work:
        shown = tuple(replace(picture, cluster=work.hash_id) for picture in work.shown)
        return replace(work, shown=shown)

    def work(self, number: int, kind: str, original: Work | None = None) -> Work:
        rng = self.rng
        who = int(rng.integers(len(_FIRST))), int(rng.integers(len(_LAST)))
        full = f"{_FIRST[who[0]]} {_LAST[who[1]]}"
        hash_id = hash_of(number, self.seed)
        shown = self._shown(number, kind, hash_id, original)
        subject = {"landscape": "Valley", "still life": "Fruit", "group": "Friends"}.get(kind, "Portrait")
        title = f"{subject} {_MOODS[int(rng.integers(len(_MOODS)))]}, no. {number}"
        tags = [family_name(shown[0]), subject.lower()]
        tags += {"tag noai": ["NoAI"], "ai made": ["CreatedWithAI"]}.get(kind, [])
        noai = {"page noai": "meta", "header noai": "header", "robots": "robots", "embedded noai": "embedded"}.get(
            kind, ""
        )
        user = full.lower().replace(" ", "") + str(number % 7)
        return Work(number, hash_id, title, user, full, shown, tuple(tags), kind == "adult", noai)

    def _shown(self, number: int, kind: str, hash_id: str, original: Work | None) -> tuple[GalleryImage, ...]:
        rng = self.rng
        base = 100_000 + 10 * number
        if original is not None:
            return (replace(original.shown[0], number=base, kind=kind, cluster=original.hash_id),)
        tall = self.side, int(self.side * rng.uniform(0.76, 0.92))
        identity = self.seed * 1_000_000 + 900_000 + number
        family = FAMILIES[number % len(FAMILIES)]
        style = style_seed(family, self.seed * 100 + number)
        if kind == "group":
            people = tuple(identity + 50_000 * (k + 1) for k in range(int(rng.integers(2, 5))))
            return (GalleryImage(base, kind, (style, *people), *tall),)
        if kind in ("landscape", "still life"):
            return (GalleryImage(base, kind, (number, style), *tall),)
        seeds = (identity, style, int(rng.integers(3)))
        size = tall[::-1]
        if kind == "progress":
            seeds = (identity, style_seed("oil", self.seed * 100 + number), 0)
            return tuple(GalleryImage(base + step, kind, seeds, *size, cluster=hash_id, step=step) for step in range(3))
        return (GalleryImage(base, kind, seeds, *size),)


def family_name(shown: GalleryImage) -> str:
    """The style family that the picture is painted in."""
    at = {"group": 0, "landscape": 1, "still life": 1}.get(shown.kind, 1)
    return FAMILIES[shown.seeds[at] % len(FAMILIES)]


def pictures(works: list[Work]) -> Iterator[tuple[Work, GalleryImage]]:
    """Every picture with its work, in listing order."""
    for work in works:
        for shown in work.shown:
            yield work, shown
