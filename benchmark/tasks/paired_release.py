"""One release of two: photographs from one place, artistic faces from another, read as though they lay in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.data.release import Release, open_release
from models.data.sources import Pictures, ReleasePictures, decoded, open_pictures
from suite.errors import SuiteError
from suite.files import digest

# What the protocol and the records read of a row.
_COLUMNS = ("id", "split", "domain", "sha256", "pixel_sha256", "cluster", "recipe", "factors")


class PairedRelease(Release):
    """Artistic faces of a release and photographs of any local form.

    Photographs of a release keep their splits. A folder, zip or other plain form has none: its photographs serve as
    the test split, though training has seen them too; `splits` says which it is.

    Attributes:
        splits: whether the photographs came with splits.
    """

    def __init__(self, art: Release, photos: Pictures, rows: pd.DataFrame, splits: bool) -> None:
        styles = np.flatnonzero((art.manifest["domain"] == "art").to_numpy())
        manifest = pd.concat([art.manifest.iloc[styles][list(_COLUMNS)], rows], ignore_index=True)
        # Files, offsets and sizes are those of two places; `png` and `image` know which.
        manifest = manifest.assign(file="", offset=0, bytes=0)
        card: dict[str, Any] = dict(art.card) | {"domains": ["art", "photo"], "count": len(manifest)}
        super().__init__(art.root, card, manifest, digest(["joined", art.digest, photos.key]))
        self.splits = splits
        self._art, self._styles, self._photos = art, styles, photos

    def png(self, index: int) -> bytes:
        """Encoded bytes of row `index`: PNG of a release, of another form as its files are."""
        if index < len(self._styles):
            return self._art.png(int(self._styles[index]))
        return self._photos.read(index - len(self._styles))

    def image(self, index: int) -> np.ndarray:
        """Picture of row `index`: (H, W, 3) uint8 RGB."""
        if index < len(self._styles):
            return self._art.image(int(self._styles[index]))
        name = self._photos.names[index - len(self._styles)]
        try:
            return decoded(self.png(index))
        except (OSError, ValueError) as error:
            raise SuiteError(f"--faces: {name}: not a whole picture ({error})") from None


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
        SuiteError: either cannot be read, has none of its kind, or their pictures differ in size.
    """
    release = open_release(art)
    if not (release.manifest["domain"] == "art").any():
        raise SuiteError(f"--art {art}: the release holds no artistic faces")
    try:
        photos = open_pictures(faces, "photo")
        found = decoded(photos.read(0)).shape[:2]
    except SuiteError as error:
        raise SuiteError(str(error).replace("--data", "--faces", 1)) from None
    except (OSError, ValueError) as error:
        raise SuiteError(f"--faces {faces}: {photos.names[0]}: not a whole picture ({error})") from None
    if found != (release.size, release.size):
        raise SuiteError(
            f"--faces {faces}: {found[1]} x {found[0]} pixels, --art {art}: {release.size} x {release.size}; "
            "give both at one size ('aahq build --size')"
        )
    whole = isinstance(photos, ReleasePictures)
    return PairedRelease(release, photos, _release_rows(faces) if whole else _plain_rows(photos, release.recipe), whole)


def _release_rows(faces: Path) -> pd.DataFrame:
    manifest = open_release(faces).manifest
    return manifest[manifest["domain"] == "photo"][list(_COLUMNS)]


def _plain_rows(photos: Pictures, recipe: str) -> pd.DataFrame:
    """Rows for pictures that bring nothing but their names. FFHQ is aligned by the recipe that AAHQ took over."""
    rows = pd.DataFrame({"id": [f"photo:{name}" for name in photos.names]})
    constants = {
        "split": "test",
        "domain": "photo",
        "sha256": "",
        "pixel_sha256": "",
        "recipe": recipe,
        "factors": None,
    }
    return rows.assign(**constants, cluster=rows["id"])[list(_COLUMNS)]
