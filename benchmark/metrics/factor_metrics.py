"""True identity kept and true style followed: painted portraits say who and how they are, so it can be checked.

Each picture is read by the factor network; its face (or style) is kept when, of ten candidates, the true one lies
nearest in factor space, each factor weighted by how well the network reads it. Guessing gives 0.1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmark.metrics.extractors.factor_net import HAIR, IDENTITY, STYLE, Reading, Trained, load, prepare
from benchmark.tasks.protocol import Draws, seed_of
from models.data.release import Release

CANDIDATES = 10


class TruthReader:
    """Reads pictures and compares with the release's known factors."""

    def __init__(self, trained: Trained | None = None) -> None:
        self.trained = trained or load()

    def describe(self) -> dict[str, object]:
        """What these numbers depend on besides the pictures."""
        return {"reader": "factor", "weights": self.trained.sha256, "candidates": CANDIDATES, "chance": 1 / CANDIDATES}

    @torch.inference_mode()
    def read(self, pictures: Tensor) -> Reading:
        """What the network says of uint8 pictures (N, 3, H, W)."""
        return self.trained.net(prepare(pictures))

    def people(self, release: Release, rows: list[int]) -> tuple[Tensor, Tensor]:
        """True identity factors in standard units (N, D), and hair classes (N,)."""
        truth = [_factors(release, row) for row in rows]
        numbers = torch.tensor([[float(f[name]) for name in IDENTITY] for f in truth])
        hair = torch.tensor([int(f["hair_style"]) % HAIR for f in truth])
        return (numbers - self.trained.identity_mean) / self.trained.identity_std, hair

    def styles(self, release: Release, rows: list[int]) -> tuple[Tensor, Tensor]:
        """True style factors in standard units (N, D), and family numbers (N,); a family never seen is -1."""
        truth = [_factors(release, row) for row in rows]
        numbers = torch.tensor([[float(f[name]) for name in STYLE] for f in truth])
        known = {name: k for k, name in enumerate(self.trained.net.families)}
        family = torch.tensor([known.get(str(f["style_name"]), -1) for f in truth])
        return (numbers - self.trained.style_mean) / self.trained.style_std, family

    def identity_kept(self, pictures: Tensor, release: Release, draws: Draws, faces: range) -> Tensor:
        """(len(faces) * K,) float64, 1 where the nearest of ten faces of the draw is of the true person."""
        said = self.read(pictures)
        numbers, hair = self.people(release, list(draws.face_rows))
        out = []
        for place, face in enumerate(faces):
            rivals = _rivals(draws, face)
            people = [_factors(release, draws.face_rows[rival])["identity"] for rival in rivals]
            one = slice(place * draws.styles, (place + 1) * draws.styles)
            gap = self._person_gap(said, one, numbers[rivals], hair[rivals])
            out.append(torch.tensor([float(people[int(n)] == people[0]) for n in gap.argmin(1)]).double())
        return torch.cat(out)

    def _person_gap(self, said: Reading, rows: slice, numbers: Tensor, hair: Tensor) -> Tensor:
        weights = 1 / self.trained.identity_error.square()
        gap = ((said.identity[rows, None] - numbers[None]).square() * weights).sum(2)
        return gap - 2 * said.hair[rows].log_softmax(1)[:, hair]

    def style_followed(self, pictures: Tensor, release: Release, draws: Draws, faces: range) -> Tensor:
        """(len(faces) * K,) float64, 1 where the reference's style is the nearest of the face's K reference styles.

        References of one and the same style count alike.
        """
        said = self.read(pictures)
        out = []
        for place, face in enumerate(faces):
            rows = list(draws.style_rows[face])
            names = [(_factors(release, row)["style"]) for row in rows]
            numbers, family = self.styles(release, rows)
            one = slice(place * draws.styles, (place + 1) * draws.styles)
            nearest = self._style_gap(said, one, numbers, family).argmin(1)
            out.append(torch.tensor([float(names[int(n)] == names[k]) for k, n in enumerate(nearest)]).double())
        return torch.cat(out)

    def _style_gap(self, said: Reading, rows: slice, numbers: Tensor, family: Tensor) -> Tensor:
        weights = 1 / self.trained.style_error.square()
        gap = ((said.style[rows, None] - numbers[None]).square() * weights).sum(2)
        odds = said.family[rows].log_softmax(1)
        return gap - 2 * torch.where(family >= 0, odds[:, family.clamp(min=0)], odds.min(1, keepdim=True).values)


def _rivals(draws: Draws, face: int) -> list[int]:
    """The face and nine others of the draw, the face first; fewer where the draw has fewer."""
    others = sorted((f for f in range(draws.faces) if f != face), key=lambda f: seed_of(draws.seed, "rival", face, f))
    return [face, *others[: CANDIDATES - 1]]


def has_factors(release: Release) -> bool:
    """Whether every picture of the release says who and how it is."""
    return bool(release.manifest["factors"].map(lambda text: isinstance(text, str)).all())


def _factors(release: Release, row: int) -> dict[str, Any]:
    found = release.factors(row)
    assert found is not None, "checked by has_factors before a TruthReader is used"
    return found
