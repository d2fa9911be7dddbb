"""The protocol as code. What a number depends on makes its identity; two numbers compare only under the same one.

Section 4 of the paper leaves much open; the choices here are named and stand in every protocol's parameters:
1,000 faces x 10 styles (LPIPS: mean over the 45 pairs of each face, then over faces), the same pictures for FID, ten
references of its own for each face, drawn without replacement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.tasks.paper import slug
from models.data.release import Release
from suite.errors import SuiteError
from suite.files import digest

VERSION = 1


@dataclass(frozen=True)
class Protocol:
    """What one metric's numbers depend on.

    Attributes:
        metric: the metric's name, given by its extractor.
        parameters: JSON-able; everything that the numbers depend on besides the method.
        version: of this code's way to measure; records of earlier versions keep theirs.
    """

    metric: str
    parameters: dict[str, Any]
    version: int = VERSION

    @property
    def family(self) -> str:
        """`aahq-fid-v1`, `aahq-lpips-v1`, `aahq-fd-factor-v1`, ..."""
        return family(self.metric, self.version)

    @property
    def id(self) -> str:
        """The family and the digest of the parameters: `aahq-fid-v1:0a1b2c3d4e5f`."""
        return f"{self.family}:{digest({'metric': self.metric, 'parameters': self.parameters})[:12]}"

    def lines(self) -> list[str]:
        """The parameters in words, one a line."""
        return [f"{self.id} ({self.metric})", *(f"  {key} = {value}" for key, value in sorted(self.parameters.items()))]


def family(metric: str, version: int = VERSION) -> str:
    """The protocol family of a metric's name."""
    return f"aahq-{slug(metric)}-v{version}"


def version_of(protocol: str) -> int:
    """The version in a protocol's id: 1 of `aahq-fid-v1:0a1b2c3d4e5f`."""
    return int(protocol.rpartition(":")[0].rpartition("-v")[2])


def seed_of(*parts: object) -> int:
    """A 48-bit seed from any parts, the same on every machine and version of every library."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


@dataclass(frozen=True)
class EvalPairs:
    """Which faces meet which styles.

    Attributes:
        seed: what everything is drawn from. A maintainer may keep it to himself: then the drawn styles are hidden.
        face_rows: (F,) rows of the release, for methods that restyle pictures.
        style_rows: (F, K) rows of the release: each face's references.
    """

    seed: str
    face_rows: tuple[int, ...]
    style_rows: tuple[tuple[int, ...], ...]

    @property
    def faces(self) -> int:
        return len(self.face_rows)

    @property
    def styles(self) -> int:
        return len(self.style_rows[0])

    def face_seed(self, face: int) -> int:
        """The seed of an invented face; the same for all of its styles and all indicators."""
        return seed_of(self.seed, "face", face)

    def style_seed(self, face: int, style: int) -> int:
        """The seed of a latent style code."""
        return seed_of(self.seed, "style", face, style)

    def sample_seed(self, face: int, style: int) -> int:
        """The seed of any other draw that a method makes for a picture."""
        return seed_of(self.seed, "sample", face, style)

    @property
    def digest(self) -> str:
        """Digest of the draw."""
        return digest({"seed": self.seed, "faces": self.face_rows, "styles": self.style_rows})


def sample_pairs(
    release: Release, faces: int, styles: int, seed: str, face_split: str = "test", style_split: str = "test"
) -> EvalPairs:
    """Draw `faces` photographs and `styles` references for each, from the release's splits.

    The order comes from hashes of the pictures' ids, so it depends on no library's random numbers and changes little
    when a picture leaves the release.

    Raises:
        SuiteError: fewer pictures than wanted.
    """
    ids = release.manifest["id"].tolist()
    photos, art = pool(release, face_split, "photo"), pool(release, style_split, "art")
    if len(photos) < faces:
        small = " (photographs below 100 have no split)" if release.photographs.get("split") == "none" else ""
        raise SuiteError(
            f"faces: {faces} wanted, the release has {len(photos)} photographs in split {face_split!r}{small}; "
            "give a larger release or --set faces=N"
        )
    if len(art) < styles:
        raise SuiteError(f"styles: {styles} wanted for each face, split {style_split!r} has {len(art)} artistic faces")

    def first(rows: Sequence[int], count: int, *salt: object) -> tuple[int, ...]:
        return tuple(sorted(rows, key=lambda row: (seed_of(seed, *salt, ids[row]), ids[row]))[:count])

    face_rows = first(photos, faces, "faces")
    return EvalPairs(seed, face_rows, tuple(first(art, styles, "styles", face) for face in range(faces)))


def pool(release: Release, split: str, domain: str) -> list[int]:
    """Rows of a split (`train`, `val`, `test` or `all`) and domain, rising."""
    if split == "all":
        return [row for name in ("train", "val", "test") for row in pool(release, name, domain)]
    return [int(row) for row in release.split(split, domain)]


def content_digest(release: Release, rows: Sequence[int]) -> str:
    """Digest of the pictures of `rows`, in order, from the manifest's digests of their decoded pixels."""
    sums = release.manifest["pixel_sha256"].to_numpy()
    return digest([str(sums[row]) for row in rows])
