"""Which variant of FFHQ a set is: the published pictures, a resized form named by its filter, or unknown.

The filter matters: StyleGAN2-ADA's authors traced a gap of one FID point to box against Lanczos at 256 px
(github.com/NVlabs/stylegan2-ada-pytorch/issues/283). Without the published list it is told by the mean spectrum:

- `corner`: how far the spectrum falls from 0.38-0.44 to 0.60-0.68 cycles a pixel. A box lets detail fold back into the corner.
- `lean`: diagonal less axial power at 0.42-0.48 cycles a pixel, less the same at 0.15-0.22. Of separable filters one that is
  flat and then falls steeply (Lanczos) takes from the axes alone what a slowly falling one takes from both.

Both in decades of power, of luma under a Hann window. 27 photographs of faces at 1024 px, brought to 256 px, have `lean` and
`corner`: Lanczos 0.32 and 1.01, box 0.04 and 0.66, Hamming 0.03 and 0.76, bicubic 0.18 and 0.99, bilinear 0.05 and 1.11,
nearest 0.07 and 0.35. The standard deviation between pictures is 0.16 and 0.24.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from models.data.pictures import PICTURE_ERRORS
from models.data.plain import PlainPictures
from models.data.sources import decoded
from models.data.splits import Split

LANCZOS, BOX, WHOLE, THUMBNAILS, UNKNOWN = "lanczos 256 of 1024", "box 256", "1024 PNG", "thumbnails 128", "unknown"
LISTED = {"image": WHOLE, "thumbnail": THUMBNAILS}
# What tells of a filter is a mean over many: 256 pictures know `lean` to 0.01 and `corner` to 0.015.
LOOKED_AT, LEAST = 256, 24
# Name -> (least and most `lean`, least and most `corner`).
FILTERS = {LANCZOS: ((0.25, 0.45), (0.80, 1.25)), BOX: ((-0.05, 0.14), (0.50, 0.70))}
# From which to which frequency, in cycles a pixel, and the most decades that power falls. 8 JPEGs of FFHQ fall by 1.2 and 0.9;
# enlarged from 256 px by 3.2 over the first, from 512 px by 1.5 (bilinear) and 2.2 (Lanczos) over the second.
FALLS = ((0.1, 0.2, 1.8), (0.2, 0.35, 1.42))
# Steps across the borders of 8 x 8 blocks beside those inside; 1 in a picture that was never JPEG at this size.
BLOCKS = 1.06


@dataclass(frozen=True)
class Variant:
    """A form of FFHQ.

    Attributes:
        name: `1024 PNG`, `thumbnails 128`, `lanczos 256 of 1024`, `box 256`, or `unknown`.
        why: what it is known by, or why it is not.
    """

    name: str
    why: str

    @property
    def known(self) -> bool:
        return self.name != UNKNOWN

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def variant_of(pictures: PlainPictures, split: Split) -> Variant:
    """The form of a set of photographs, by the published list where it is here, else by the pixels' statistics."""
    members, listed = pictures.members, split.listed
    if listed is not None and listed.form:
        lacking = np.flatnonzero(listed.numbers < 0)
        if not len(lacking):
            return Variant(LISTED[listed.form], "by the published MD5 sums")
        # Records carry these words, and take plain characters alone.
        first = re.sub(r"[^\w./#-]", "_", pictures.names[int(lacking[0])], flags=re.ASCII)[:80]
        return Variant(
            UNKNOWN, f"{len(lacking)} of {len(members)} pictures are not in the published list, e.g. {first}"
        )
    sides = sorted(set(zip(members["width"].tolist(), members["height"].tolist())))
    if sides == [(128, 128)] and split.numbers is not None:
        return Variant(THUMBNAILS, "by the numbers and the published MD5 sum of picture 0")
    if sides not in ([(256, 256)], [(1024, 1024)]):
        listing = ", ".join(f"{width} x {height}" for width, height in sides[:3])
        return Variant(UNKNOWN, f"no form of FFHQ that statistics tell has {listing} pixels")
    if len(members) < LEAST:
        return Variant(UNKNOWN, f"{len(members)} pictures are too few for statistics; {LEAST} are needed")
    order = members["pixel_sha256"].argsort().to_numpy()[:LOOKED_AT]
    try:
        return named([decoded(pictures.read(int(row))) for row in order])
    except PICTURE_ERRORS as error:
        return Variant(UNKNOWN, f"a picture cannot be read: {type(error).__name__}")


def named(photographs: list[np.ndarray]) -> Variant:
    """The form of (S, S, 3) uint8 photographs of one side, 256 or 1024, by their statistics."""
    luma = [picture @ np.array([0.299, 0.587, 0.114]) for picture in photographs]
    if len(luma[0]) == 1024:
        if any(fall > most for fall, most in _falls(luma)):
            return Variant(UNKNOWN, "1024 px enlarged from less: its fine detail is missing")
        if (blocks := float(np.mean([_blocks(one) for one in luma]))) > BLOCKS:
            return Variant(UNKNOWN, f"1024 px with the 8 x 8 blocks of JPEG ({blocks:.2f} of the steps inside them)")
        return Variant(WHOLE, "by the pixels' statistics")
    lean, corner = filter_marks(luma)
    for name, ((lean_low, lean_high), (corner_low, corner_high)) in FILTERS.items():
        if lean_low <= lean <= lean_high and corner_low <= corner <= corner_high:
            return Variant(name, "by the pixels' statistics")
    return Variant(UNKNOWN, f"256 px by no filter that is known (lean {lean:.2f}, corner {corner:.2f})")


def filter_marks(luma: list[np.ndarray]) -> tuple[float, float]:
    """`lean` and `corner` of (S, S) pictures, in decades."""
    power, radius, angle = _spectrum(luma)
    axial, diagonal = np.minimum(angle, 90 - angle) < 12, abs(angle - 45) < 12

    def mean(low: float, high: float, where: np.ndarray | None = None) -> float:
        ring = (radius >= low) & (radius < high)
        return float(power[ring if where is None else ring & where].mean())

    def lean(low: float, high: float) -> float:
        return mean(low, high, diagonal) - mean(low, high, axial)

    return lean(0.42, 0.48) - lean(0.15, 0.22), mean(0.38, 0.44) - mean(0.60, 0.68)


def _falls(luma: list[np.ndarray]) -> list[tuple[float, float]]:
    power, radius, _ = _spectrum(luma)

    def at(frequency: float) -> float:
        return float(power[abs(radius - frequency) < 0.01].mean())

    return [(at(near) - at(far), most) for near, far, most in FALLS]


def _blocks(luma: np.ndarray) -> float:
    across = np.abs(np.diff(luma, axis=1)).mean(0)
    border = np.arange(len(across)) % 8 == 7
    return float(across[border].mean() / max(across[~border].mean(), 1e-9))


def _spectrum(luma: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean log10 power, radius in cycles a pixel, and angle in degrees [0, 90], each (S, S)."""
    side = len(luma[0])
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.zeros((side, side))
    for one in luma:
        # A thousandth of a grey level's power, so that a flat picture has a logarithm.
        power += np.log10(np.abs(np.fft.fft2((one - one.mean()) * window)) ** 2 + 1e-3)
    across, down = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))
    return power / len(luma), np.hypot(across, down), np.degrees(np.arctan2(abs(down), abs(across)))
