"""One release of two: photographs from one place, artistic faces from another, read as though they lay in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.data import splits
from models.data.identity import forget, pixel_sha256
from models.data.plain import PlainPictures
from models.data.release import Release, open_release
from models.data.sources import Pictures, decoded, open_whole
from models.data.variants import Variant, variant_of
from suite.errors import SuiteError
from suite.files import digest

# Raised when plain photographs are known otherwise: their numbers go under other protocols then.
IDENTITY = "pixels-1"
# What the protocol and the records read of a row.
_COLUMNS = ("id", "split", "domain", "sha256", "pixel_sha256", "cluster", "recipe", "factors")


class PairedRelease(Release):
    """Artistic faces of a release and photographs of any local form.

    Photographs of a release keep their ids and splits. Those of a folder, zip or other plain form are known by their pixels
    alone and have the fixed split of `models.data.splits`, so that any copy and any form of them is the same release.

    Attributes:
        form: what plain photographs are, in words, for the protocol; None for those of a release.
    """

    def __init__(self, art: Release, photos: Pictures, rows: pd.DataFrame, form: PlainForm | None = None) -> None:
        styles = np.flatnonzero((art.manifest["domain"] == "art").to_numpy())
        manifest = pd.concat([art.manifest.iloc[styles][list(_COLUMNS)], rows[list(_COLUMNS)]], ignore_index=True)
        # Files, offsets and sizes are those of two places; `png` and `image` know which.
        manifest = manifest.assign(file="", offset=0, bytes=0)
        card: dict[str, Any] = dict(art.card) | {"domains": ["art", "photo"], "count": len(manifest)}
        known = photos.key if form is None else form.digest
        super().__init__(art.root, card, manifest, digest(["joined", art.digest, known]))
        self.form = form
        self._art, self._styles, self._photos = art, styles, photos
        self._members = rows["member"].to_numpy() if form else np.arange(len(rows))

    @property
    def photographs(self) -> dict[str, str]:
        return {} if self.form is None else self.form.says

    @property
    def doubt(self) -> str:
        return (
            ""
            if self.form is None or self.form.variant.known
            else f"photographs of an unknown form: {self.form.variant.why}"
        )

    def png(self, index: int) -> bytes:
        """Encoded bytes of row `index`: PNG of a release, of another form as its files are."""
        if index < len(self._styles):
            return self._art.png(int(self._styles[index]))
        return self._photos.read(int(self._members[index - len(self._styles)]))

    def image(self, index: int) -> np.ndarray:
        """Picture of row `index`: (H, W, 3) uint8 RGB. A plain photograph must have the pixels that it was known by."""
        if index < len(self._styles):
            return self._art.image(int(self._styles[index]))
        name = self._photos.names[int(self._members[index - len(self._styles)])]
        try:
            pixels = decoded(self.png(index))
        except (OSError, ValueError) as error:
            raise SuiteError(f"--faces: {name}: not a whole picture ({error})") from None
        if isinstance(self._photos, PlainPictures) and pixel_sha256(pixels) != self.manifest["pixel_sha256"].iat[index]:
            forget(self._photos.place)
            raise SuiteError(
                f"--faces: {name}: changed while it was in use; run the command again, on a set that stays"
            )
        return pixels


@dataclass(frozen=True)
class PlainForm:
    """What plain photographs are.

    Attributes:
        digest: of their pixels and split, whatever their form, order and names.
    """

    variant: Variant
    split: str
    digest: str

    @property
    def says(self) -> dict[str, str]:
        """For the protocol; another `identity` is another way to know photographs."""
        return {"identity": IDENTITY, "form": self.variant.name, "split": self.split}

    def __str__(self) -> str:
        return f"{self.variant}, split {self.split}"


def open_places(data: Path | None, faces: Path | None, art: Path | None) -> Release:
    """One release for what may lie in two places; `faces` and `art` come before what `data` holds of their kind.

    Raises:
        SuiteError: no release there, or two places that do not go together.
    """
    photographs, artistic = faces or data, art or data
    if photographs is None or artistic is None:
        raise SuiteError("--data: give a release with both domains, or --faces and --art")
    return open_release(artistic) if photographs == artistic else join(artistic, photographs)


def join(art: Path, faces: Path) -> PairedRelease:
    """Open the release `art` and the photographs `faces` (a release, folder, zip, tar shards or Parquet).

    Raises:
        SuiteError: either cannot be read, has none of its kind, a photograph is damaged, or sizes differ.
    """
    release = open_release(art)
    if not (release.manifest["domain"] == "art").any():
        raise SuiteError(f"--art {art}: the release holds no artistic faces")
    try:
        photos = open_whole(faces, "photo")
        if isinstance(photos, PlainPictures):
            return _join_plain(release, photos, art)
        shape = decoded(photos.read(0)).shape[:2]
    except SuiteError as error:
        raise SuiteError(str(error).replace("--data", "--faces", 1)) from None
    except (OSError, ValueError) as error:
        raise SuiteError(f"--faces {faces}: {photos.names[0]}: not a whole picture ({error})") from None
    if shape != (release.size, release.size):
        raise SuiteError(_sizes(faces, f"{shape[1]} x {shape[0]} pixels", art, release.size))
    return PairedRelease(release, photos, _release_rows(faces))


def _sizes(faces: Path, sides: str, art: Path, size: int) -> str:
    return f"--faces {faces}: {sides}, --art {art}: {size} x {size}; give both at one size ('aahq build --size')"


def _release_rows(faces: Path) -> pd.DataFrame:
    manifest = open_release(faces).manifest
    return manifest[manifest["domain"] == "photo"][list(_COLUMNS)]


def _join_plain(release: Release, photos: PlainPictures, art: Path) -> PairedRelease:
    members = photos.members
    if (broken := members[members["fault"] != ""]).size:
        first = broken.iloc[0]
        raise SuiteError(
            f"--faces {photos.place}: {first['name']}: not a whole picture ({first['fault']}), {len(broken)} such of "
            f"{len(members)} in all; get them again"
        )
    split = splits.of(members, photos.place)
    other = members[(members["width"] != release.size) | (members["height"] != release.size)]
    if len(other):
        first = other.iloc[0]
        what = f"{first['name']} has {first['width']} x {first['height']} pixels, as {len(other)} of {len(members)}"
        variant = variant_of(photos, split)
        raise SuiteError(_sizes(photos.place, f"{what}; the set is {variant}", art, release.size))
    rows = _plain_rows(members, split.parts, release.recipe)
    kept = digest(["photographs", IDENTITY, split.name, rows["pixel_sha256"].tolist(), rows["split"].tolist()])
    return PairedRelease(release, photos, rows, PlainForm(variant_of(photos, split), split.name, kept))


def _plain_rows(members: pd.DataFrame, parts: np.ndarray, recipe: str) -> pd.DataFrame:
    """One row per photograph in the order of its pixels' digest, a repeated one once. FFHQ is aligned by AAHQ's recipe."""
    rows = pd.DataFrame({"pixel_sha256": members["pixel_sha256"], "split": parts, "member": np.arange(len(members))})
    rows = rows.sort_values(["pixel_sha256", "split"], ignore_index=True).drop_duplicates(
        "pixel_sha256", ignore_index=True
    )
    names = "photo:" + rows["pixel_sha256"]
    return rows.assign(id=names, cluster=names, domain="photo", sha256="", recipe=recipe, factors=None)
