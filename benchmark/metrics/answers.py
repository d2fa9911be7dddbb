"""Detect pictures that answer nothing: copies of the data, of reference or face, blends of the two, one picture for many faces.

Judged on thumbnails, whatever the extractor: noise, compression and a little brightness are gone there, and what two pictures
share is seen plainly. Two are taken for one where their correlation is above `NEAR`. Of 400 painted portraits of one world
the two most alike have 0.946, of 27 photographs 0.81; a copy under noise of 8 grey levels has 0.999.

Pictures of the data are looked for wherever they were moved to, by what rolling a picture round its borders leaves of its
thumbnail (`unmoved`). There the two most alike have 0.960 and 0.91, a rolled and noisy copy 0.998.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.prdc import nearest as nearest_gap

SIDE = 16
# Larger pictures are averaged to this side first: what that lets through lies far above a thumbnail's frequencies.
COARSE = 128
NEAR = 0.99
# A mild method leaves its face much as it was: its pictures are the face only where they are no more grey levels away.
UNCHANGED = 6.0
# A blend leaves this share of a picture's variance, and each of the two gives this share of its contrast at least. Half of each
# under noise of 8 grey levels leaves 0.003; a colour transfer, which is no blend, 0.011 and more.
BLEND_LEFT, BLEND_PART = 0.006, 0.2
# The share of a method's pictures from which on its numbers are not ranked.
MOST = 0.25
BLOCK = 1024


class Thumbnails(Extractor):
    """Pictures brought down to 16 x 16, in grey levels, by their lowest frequencies alone.

    An average over fields would let higher ones through, and a picture that is moved by half a field look like another.
    """

    name, fd_name, kernel_name = "thumbnails", "", ""
    dim, size, resize, weights_sha256, licence = 3 * SIDE * SIDE, SIDE, "fourier", "0" * 64, ""

    def embed(self, pictures: Tensor) -> Tensor:
        side = min(max(pictures.shape[-1], SIDE), COARSE)
        waves = torch.fft.rfft2(F.adaptive_avg_pool2d(pictures.float(), side), norm="forward")
        half = SIDE // 2
        low = torch.zeros(*waves.shape[:2], SIDE, half + 1, dtype=waves.dtype, device=waves.device)
        low[..., :half, :half] = waves[..., :half, :half]
        low[..., half + 1 :, :half] = waves[..., 1 - half :, :half]
        # The middle of a pixel is half a pixel in, which is less of the picture the more pixels it has.
        turns = (torch.fft.fftfreq(SIDE)[:, None] + torch.fft.rfftfreq(SIDE)) * (1 - SIDE / side) / 2
        low *= torch.polar(torch.ones_like(turns), 2 * torch.pi * turns).to(low.device)
        return torch.fft.irfft2(low, s=(SIDE, SIDE), norm="forward").flatten(1)


def unit(thumbnails: Tensor) -> Tensor:
    """Less their mean and at length 1; a picture of one colour is 0."""
    centred = thumbnails - thumbnails.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-3)


def mirrored(thumbnails: Tensor) -> Tensor:
    """Thumbnails (N, 768) of the mirrored pictures."""
    return thumbnails.view(-1, 3, SIDE, SIDE).flip(3).flatten(1)


def unmoved(thumbnails: Tensor) -> Tensor:
    """(N, 432) at length 1 of thumbnails (N, 768): the same however a picture is rolled round its borders.

    The strength of each frequency, times the frequency: pictures have most of the low ones, which tell little.
    """
    waves = torch.fft.rfft2(unit(thumbnails).view(-1, 3, SIDE, SIDE)).abs()
    rows, columns = torch.fft.fftfreq(SIDE), torch.fft.rfftfreq(SIDE)
    strengths = (waves * torch.hypot(rows[:, None], columns[None, :]).to(waves)).flatten(1)
    return strengths / strengths.norm(dim=1, keepdim=True).clamp_min(1e-3)


@dataclass(frozen=True)
class Sketches:
    """Thumbnails of pictures that are not here, each as 64 numbers from which no picture can be made again.

    Random signs keep a distance's square to about 18 % (Achlioptas 2003, "Database-friendly random projections"): a copy is
    seen, and what lies near the border may fall on either side.

    Attributes:
        vectors: (N, 64) float32, of what `unmoved` leaves of thumbnails.
    """

    vectors: Tensor


def sketched(thumbnails: Tensor) -> Tensor:
    """(N, 64) float32 of thumbnails (N, 768)."""
    whole = unmoved(thumbnails.float())
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"aahq thumbnails").digest(whole.shape[1] * 8), np.uint8))
    return whole @ torch.from_numpy(bits.astype(np.float32) * 2 - 1).view(-1, 64) / 8


@dataclass(frozen=True)
class Suspicion:
    """How many of a method's pictures are no answer of its own, as shares of all, by kind in words."""

    shares: dict[str, float]

    @property
    def why(self) -> str:
        """Why the method is not ranked; "" where it may be."""
        kind, share = max(self.shares.items(), key=lambda item: item[1], default=("", 0.0))
        return f"{share:.0%} of its pictures are {kind}" if share > MOST else ""


def suspect(
    pictures: Tensor, faces: np.ndarray, data: Tensor | Sketches, own_faces: Tensor | None, references: Tensor | None
) -> Suspicion:
    """Look for pictures that were there before, and for one picture given as many.

    Args:
        pictures: (M, 768) thumbnails of the answers.
        faces: (M,) the face that each is of.
        data: (N, 768) thumbnails, or sketches, of all pictures that a method could have kept: works of art and photographs.
        own_faces, references: (M, 768) thumbnails of what each answers; None where it was given none.
    """
    made = unit(pictures)
    shares = {}
    if own_faces is not None:
        shares["their faces unchanged"] = _share((pictures - own_faces).square().mean(1).sqrt() < UNCHANGED)
    if references is not None:
        shares["their references"] = _share((made * unit(references)).sum(1) > NEAR)
    if own_faces is not None and references is not None:
        shares["blends of face and reference"] = _share(_blended(made, unit(own_faces), unit(references)))
    shares["pictures of the data"] = _share(_nearest_of_data(pictures, data) > NEAR)
    shares["the same for other faces"] = _share(_nearest_of_others(made, torch.from_numpy(faces)) > NEAR)
    return Suspicion(shares)


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())


def _nearest_of_data(pictures: Tensor, data: Tensor | Sketches) -> Tensor:
    """(M,) the largest correlation of each picture, rolled, mirrored or as it is, with one of the data."""
    if isinstance(data, Tensor):
        return _nearest(unmoved(pictures), unmoved(torch.cat([data, mirrored(data)])))
    gaps = [nearest_gap(sketched(one), data.vectors) for one in (pictures, mirrored(pictures))]
    return 1 - torch.minimum(*gaps).square() / 2


def _nearest(queries: Tensor, among: Tensor) -> Tensor:
    parts = [(queries @ among[start : start + BLOCK].T).amax(1) for start in range(0, len(among), BLOCK)]
    return torch.stack(parts).amax(0)


def _nearest_of_others(pictures: Tensor, faces: Tensor) -> Tensor:
    """(M,) the largest correlation with a picture of another face."""
    best = torch.full((len(pictures),), -1.0)
    for start in range(0, len(pictures), BLOCK):
        alike = pictures @ pictures[start : start + BLOCK].T
        same = faces[:, None] == faces[None, start : start + BLOCK]
        best = torch.maximum(best, alike.masked_fill(same, -1.0).amax(1))
    return best


def _blended(pictures: Tensor, faces: Tensor, references: Tensor) -> Tensor:
    """Which pictures are a face and b reference, least squares, with hardly anything left and something of both."""
    sources = torch.stack([faces, references], 2).double()
    gram = sources.transpose(1, 2) @ sources + 1e-6 * torch.eye(2, dtype=torch.double)
    parts = torch.linalg.solve(gram, sources.transpose(1, 2) @ pictures[:, :, None].double())[..., 0]
    left = (pictures.double() - (sources @ parts[:, :, None])[..., 0]).square().sum(1)
    return (left < BLEND_LEFT) & (parts.amin(1) > BLEND_PART)
