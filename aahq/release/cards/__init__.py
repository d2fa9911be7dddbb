"""Cards: the release's datasheet for people and its Croissant for machines, both drawn from the manifest alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aahq.release.cards.croissant import croissant
from aahq.release.cards.datasheet import datasheet
from aahq.release.cards.stats import release_stats
from aahq.release.schema import CROISSANT, DATASHEET
from suite.files import canonical_json


def make_cards(root: Path, manifest: Path, metadata: Mapping[str, Any], shards: Mapping[str, str]) -> dict[str, bytes]:
    """The cards' bytes; the same release always has the same cards.

    Args:
        root: the release's folder, with its pictures in place.
        manifest: the manifest's file, which may not have its name yet.
        metadata: the content of `release.json`.
        shards: path -> SHA-256 of the shards, where there are any.
    """
    stats = release_stats(root, manifest)
    return {
        DATASHEET: datasheet(metadata, stats).encode(),
        CROISSANT: (canonical_json(croissant(metadata, stats, shards), indent=2) + "\n").encode(),
    }
