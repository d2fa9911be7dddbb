"""What a release is made of, counted from its manifest: rights, and its biases (source, time, medium, tone).

Tone is measured on pixels, and says how light and how warm paint is where cheeks are. It is not anybody's skin colour, and no
statement about the people shown or about their origin follows from it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aahq.consent.decide import is_open
from aahq.release.store import decode_png
from aahq.release.tables import read_rows

# Pictures measured for tone: every n-th row, so that cards of a million faces take minutes.
TONE_SAMPLE = 2000
# The cheeks of an aligned face as shares of its side (left, top, right, bottom): the recipe puts eyes at 0.47, mouth at 0.70.
CHEEKS = ((0.31, 0.55, 0.40, 0.64), (0.60, 0.55, 0.69, 0.64))
# Bounds of the individual typology angle, in degrees, from the literature on skin optics (Chardon et al., 1991).
ITA_BANDS = ((55.0, "above 55"), (41.0, "41 to 55"), (28.0, "28 to 41"), (10.0, "10 to 28"), (-30.0, "-30 to 10"))
_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?!\d)")
# The columns that are counted.
_COUNTED = (
    *("source", "key", "license", "artist", "made", "published", "medium", "factors"),
    *("domain", "split", "detector", "source_width", "source_height"),
)
_PERCENTILES = (5, 25, 50, 75, 95)


@dataclass
class ReleaseStats:
    """Counts of faces by what the manifest says of them; `unknown` stands for what a source does not say.

    Attributes:
        rows, works, artists: faces, pictures that they come from, different artists' names.
        synthetic: faces that a program painted; machine-made pictures from elsewhere are refused as far as they are marked.
        top_artists: share of the ten artists with most faces.
        licences: stated licence -> (faces, whether everybody may adapt the work).
        tables: what -> value -> faces.
        percentiles: what -> the 5th, 25th, 50th, 75th and 95th percentile.
        toned: pictures measured for tone.
        bands: band of the typology angle -> pictures.
    """

    rows: int = 0
    synthetic: int = 0
    works: int = 0
    artists: int = 0
    top_artists: float = 0.0
    licences: dict[str, tuple[int, bool]] = field(default_factory=dict)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    percentiles: dict[str, list[float]] = field(default_factory=dict)
    toned: int = 0
    bands: dict[str, int] = field(default_factory=dict)


def release_stats(root: Path, manifest: Path) -> ReleaseStats:
    """Count everything in two passes over the manifest, with a row group in memory at a time."""
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("source", "decade", "medium", "domain", "split", "detector")
    }
    licences: Counter[str] = Counter()
    artists: Counter[str] = Counter()
    works: set[int] = set()
    sides: list[int] = []
    stats = ReleaseStats()
    for row in read_rows(manifest, _COUNTED):
        stats.rows += 1
        stats.synthetic += row["factors"] is not None
        works.add(hash((row["source"], row["key"])))
        licences[row["license"] or "unknown"] += 1
        artists[row["artist"]] += 1
        sides.append(min(row["source_width"], row["source_height"]))
        for name in ("source", "domain", "split", "detector"):
            counts[name][row[name] or "unknown"] += 1
        counts["decade"][decade(row)] += 1
        counts["medium"][medium(row)] += 1
    artists.pop("", None)
    stats.works, stats.artists = len(works), len(artists)
    stats.top_artists = sum(count for _, count in artists.most_common(10)) / max(1, stats.rows)
    stats.licences = {name: (count, is_open(name)) for name, count in _ranked(licences).items()}
    stats.tables = {name: _ranked(counter) for name, counter in counts.items()}
    stats.percentiles["shorter side of the source picture, pixels"] = _spread(
        np.array([side for side in sides if side])
    )
    _measure_tone(root, manifest, stats)
    return stats


def decade(row: Mapping[str, Any]) -> str:
    """The decade that the source states for the work ("1650s"); a museum's word goes before the date of a post."""
    match = _YEAR.search(row["made"] or row["published"])
    return f"{match[1][:3]}0s" if match else "unknown"


def medium(row: Mapping[str, Any]) -> str:
    """What the source says that it is made with; of painted portraits the painter's style."""
    if row["medium"]:
        return str(row["medium"]).strip().lower()[:60]
    style = json.loads(row["factors"] or "{}").get("style_name")
    return str(style).partition("-")[0] if style else "unknown"


def tone(rgb: np.ndarray) -> tuple[float, float]:
    """Lightness and typology angle of an aligned picture where the cheeks lie.

    Args:
        rgb: uint8 (S, S, 3), aligned.

    Returns:
        CIE L* (0 to 100, D65) of the median colour of the two patches, and `atan2(L* - 50, b*)` in degrees.
    """
    side = rgb.shape[0]
    patches = [
        rgb[int(top * side) : int(bottom * side) + 1, int(left * side) : int(right * side) + 1].reshape(-1, 3)
        for left, top, right, bottom in CHEEKS
    ]
    lightness, _, yellow = _lab(np.median(np.concatenate(patches), axis=0))
    return lightness, float(np.degrees(np.arctan2(lightness - 50, yellow)))


def _lab(rgb: np.ndarray) -> tuple[float, float, float]:
    """sRGB 0 to 255 -> CIE L*a*b* with the D65 white (IEC 61966-2-1, CIE 15)."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    relative = matrix @ linear / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * (29 / 6) ** 2 / 3 + 4 / 29)
    return float(116 * y - 16), float(500 * (x - y)), float(200 * (y - z))


def _measure_tone(root: Path, manifest: Path, stats: ReleaseStats) -> None:
    measured = [tone(rgb) for rgb in _sampled(root, manifest, max(1, -(-stats.rows // TONE_SAMPLE)))]
    stats.toned = len(measured)
    if not measured:
        return
    light, angle = np.array(measured).T
    stats.percentiles["lightness L* of the cheek patches, 0 to 100"] = _spread(light)
    stats.percentiles["typology angle of the cheek patches, degrees"] = _spread(angle)
    names = [name for _, name in ITA_BANDS] + ["below -30"]
    bands = Counter(next((name for low, name in ITA_BANDS if value > low), names[-1]) for value in angle)
    stats.bands = {name: bands[name] for name in names}


def _sampled(root: Path, manifest: Path, step: int) -> Iterator[np.ndarray]:
    from aahq.release.store import Pictures

    with Pictures(root) as pictures:
        for number, row in enumerate(read_rows(manifest, ("file", "offset", "bytes"))):
            if number % step == 0 and row["file"]:
                data = pictures.read(row["file"], row["offset"], row["bytes"])
                if data:
                    yield decode_png(data)


def _ranked(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _spread(values: np.ndarray) -> list[float]:
    return [round(float(value), 1) for value in np.percentile(values, _PERCENTILES)] if len(values) else []
