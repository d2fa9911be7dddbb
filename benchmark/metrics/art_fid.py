"""ArtFID (Wright & Ommer 2022, arXiv 2207.12280): (1 + FID to the styles) x (1 + LPIPS to the content).

The Fréchet distance is between stylised pictures and their own references, in features of an Inception that was trained on
artworks; LPIPS (AlexNet) is between each picture and its face.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.extractors.art_inception import ArtInception, open_art_inception
from benchmark.metrics.extractors.features import checked_weights
from benchmark.metrics.frechet import frechet_distance, frechet_influence, too_few
from benchmark.metrics.gaussian import fit
from benchmark.metrics.influence import of_pictures
from benchmark.metrics.lpips import Diversity, alex
from benchmark.metrics.measured import Measured

NAME = "ArtFID"


@dataclass(frozen=True)
class ArtFid:
    """What it measures with.

    Attributes:
        extractor: the Inception trained on artworks.
        content: LPIPS, at the extractor's size.
    """

    extractor: ArtInception
    content: Diversity

    def describe(self) -> dict[str, Any]:
        """What it depends on besides the pictures."""
        return {"style": self.extractor.describe(), "content": self.content.describe()}

    @torch.inference_mode()
    def to_content(self, pictures: Tensor, faces: Tensor) -> Tensor:
        """(N,) float64 LPIPS between uint8 pictures and their faces, pair by pair."""
        device = self.content.weights[0].device
        ours, theirs = (self.content.prepare(x).to(device) for x in (pictures, faces))
        return self.content.distance(ours, theirs).cpu()


@dataclass(frozen=True)
class Stylised:
    """A cell's pictures beside the two that each answers.

    Attributes:
        pictures, styles: (M, D) features of the pictures and of their references, in one order.
        content: (M,) distance of each picture to its face.
        faces, references: (M,) the face and the reference that each picture answers.
        depends: what the number depends on, for the protocol.
    """

    pictures: np.ndarray
    styles: np.ndarray
    content: np.ndarray
    faces: np.ndarray
    references: np.ndarray
    depends: dict[str, Any]


def measure(sets: Stylised) -> Measured:
    """The number, and what each face and reference pulls: through pictures, references and distances to the face together."""
    styles, answers = fit(sets.styles), fit(sets.pictures)
    distance, content = max(frechet_distance(styles, answers), 0.0), float(sets.content.mean())
    value = (1 + distance) * (1 + content)
    count, dim = sets.pictures.shape
    distinct = len(np.unique(sets.references))
    short = too_few(distinct, count, dim)
    pulls = None
    if short is None:
        # A reference that is drawn again moves the styles as well as the pictures; the distance is symmetric.
        moved = frechet_influence(styles, answers, sets.pictures) + frechet_influence(answers, styles, sets.styles)
        pull = (1 + content) * moved.numpy() + (1 + distance) * (sets.content - content)
        pulls = of_pictures(pull, sets.faces, sets.references)
    return Measured(NAME, value, None, distinct, count, short or "", short is None, sets.depends, pulls)


def open_art_fid(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> ArtFid:
    """With the published weights of both networks."""
    inception = open_art_inception(folder, offline, device)
    file, sha256 = checked_weights("alexnet", folder, offline)
    trunk = torch.load(file, map_location="cpu", weights_only=True)
    return ArtFid(inception, alex(trunk, sha256, verified=True, size=inception.size, device=device))
