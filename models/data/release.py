"""The one reader of a release of faces: its manifest as a table, its pictures as arrays, from a folder or from shards.

The format is described in `docs/`; it is read here without the package that writes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from suite.errors import SuiteError, did_you_mean
from suite.files import sha256_file
from suite.parquet import read_batches, text_bytes

SCHEMA = 1
# Of all texts of a manifest; a million rows have about as much.
MANIFEST_MAX = 4 << 30
NEEDED = ("id", "file", "offset", "bytes", "sha256", "pixel_sha256", "domain", "split", "cluster", "recipe", "factors")


class Release:
    """A release on disk.

    Attributes:
        root: its folder.
        card: the content of `release.json`.
        manifest: one row per face, sorted by id; see `aahq`'s documentation for the columns.
        digest: SHA-256 of the manifest's bytes: names exactly this set of pictures.
    """

    def __init__(self, root: Path, card: dict[str, Any], manifest: pd.DataFrame, digest: str) -> None:
        self.root = root
        self.card = card
        self.manifest = manifest
        self.digest = digest
        self._files = manifest["file"].to_numpy()
        self._offsets = manifest["offset"].to_numpy()
        self._bytes = manifest["bytes"].to_numpy()
        self._sums = manifest["sha256"].to_numpy()

    def __len__(self) -> int:
        return len(self.manifest)

    @cached_property
    def world(self) -> str:
        """The painter's world that all pictures are of; "" where they are not all painted, or of several."""
        if not self.manifest["factors"].map(lambda text: isinstance(text, str)).all():
            return ""
        worlds = {str((self.factors(row) or {}).get("world", "gallery")) for row in range(len(self))}
        return worlds.pop() if len(worlds) == 1 else ""

    @property
    def photographs(self) -> dict[str, str]:
        """What numbers depend on besides the digest: the form and the split of photographs that brought neither."""
        return {}

    @property
    def doubt(self) -> str:
        """Why numbers of these pictures must not be ranked; "" where they may."""
        return ""

    @property
    def recipe(self) -> str:
        """The alignment recipe's name: a network is used on pictures of the recipe that it was trained on."""
        return str(self.card["recipe"])

    @property
    def size(self) -> int:
        """The pictures' side in pixels."""
        return int(self.card["size"])

    def png(self, index: int) -> bytes:
        """The PNG bytes of row `index` (0 .. len - 1), checked against the manifest's SHA-256.

        Raises:
            SuiteError: the row is a link only, or its picture is missing or changed.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of a release of {len(self)}")
        file = str(self._files[index])
        if not file:
            raise SuiteError(f"{self.root}: row {index} is a link only; get it with 'aahq rebuild'")
        try:
            with (self.root / file.split("#")[0]).open("rb") as source:
                source.seek(int(self._offsets[index]))
                data = source.read(int(self._bytes[index]))
        except OSError as error:
            raise SuiteError(f"{self.root}: {file}: {error.strerror}; run 'aahq verify'", exit_code=1) from None
        if hashlib.sha256(data).hexdigest() != self._sums[index]:
            raise SuiteError(f"{self.root}: {file} is not what the manifest says; run 'aahq verify'", exit_code=1)
        return data

    def image(self, index: int) -> np.ndarray:
        """Picture of row `index`: (H, W, 3) uint8 RGB. Raises as `png` does."""
        with Image.open(io.BytesIO(self.png(index)), formats=("PNG",)) as picture:
            return np.asarray(picture.convert("RGB"))

    def split(self, name: str, domain: str | None = None) -> np.ndarray:
        """Row numbers of a split (`train`, `val` or `test`), of one domain (`art` or `photo`) or both; int64, rising."""
        splits = ("train", "val", "test")
        if name not in splits:
            raise SuiteError(f"split: no {name!r}{did_you_mean(name, splits)}")
        chosen = self.manifest["split"] == name
        if domain is not None:
            if domain not in ("art", "photo"):
                raise SuiteError(f"domain: no {domain!r}{did_you_mean(domain, ('art', 'photo'))}")
            chosen &= self.manifest["domain"] == domain
        return np.flatnonzero(chosen.to_numpy())

    def factors(self, index: int) -> dict[str, Any] | None:
        """The true factors of a painted portrait (`identity`, `style`, ...), or None for any other picture."""
        text = self.manifest["factors"].iloc[index]
        return None if not isinstance(text, str) else json.loads(text)


def open_release(path: str | os.PathLike[str], verify: bool = False) -> Release:
    """Open the release in folder `path`; with `verify`, read every picture once and check it.

    Raises:
        SuiteError: no release there, an unfinished one, another schema, or (with `verify`) a broken picture.
    """
    root = Path(path)
    if not (root / "manifest.parquet").is_file() and (root / "release" / "manifest.parquet").is_file():
        root = root / "release"
    for file in ("release.json", "manifest.parquet"):
        if not (root / file).is_file():
            raise SuiteError(f"{root}: no {file}; expected a release folder as 'aahq build' or 'aahq portraits' writes")
    try:
        card = json.loads((root / "release.json").read_text(encoding="utf-8"))
        manifest = _read_table(root / "manifest.parquet")
    except (ValueError, OSError) as error:
        raise SuiteError(f"{root}: not readable as a release: {error}") from None
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        raise SuiteError(
            f"{root}: release schema {card.get('schema') if isinstance(card, dict) else None!r}, not {SCHEMA}"
        )
    if missing := [column for column in NEEDED if column not in manifest.columns]:
        raise SuiteError(f"{root}: the manifest has no column {missing[0]!r}")
    digest = sha256_file(root / "manifest.parquet")
    if card.get("manifest_sha256") != digest:
        raise SuiteError(
            f"{root}: manifest.parquet is not the one that release.json names; run 'aahq verify'", exit_code=1
        )
    if any(".." in Path(file).parts or file.startswith("/") for file in manifest["file"]):
        raise SuiteError(f"{root}: the manifest names files outside of the release")
    if not manifest["id"].is_unique:
        raise SuiteError(f"{root}: ids are not unique")
    release = Release(root, card, manifest, digest)
    if verify:
        for index in np.flatnonzero((manifest["file"] != "").to_numpy()):
            release.png(int(index))
    return release


def _read_table(path: Path) -> pd.DataFrame:
    """A manifest; ValueError where its texts would fill the memory."""
    import pyarrow as pa

    batches = list(read_batches(path))
    if sum(text_bytes(column) for batch in batches for column in batch.columns) > MANIFEST_MAX:
        raise ValueError(f"a manifest of more than {MANIFEST_MAX >> 30} GiB")
    if not batches:
        return pd.read_parquet(path)
    table = pa.Table.from_batches(batches)
    kinds = (kind.value_type if pa.types.is_dictionary(kind := field.type) else kind for field in table.schema)
    plain = table.cast(pa.schema([field.with_type(kind) for field, kind in zip(table.schema, kinds, strict=True)]))
    frame: pd.DataFrame = plain.to_pandas()
    return frame
