"""Pictures for training, from any local form: a release, a folder, a zip, tar shards or Parquet."""

from __future__ import annotations

import os
from pathlib import Path

from suite.files import cache_home

# Above this, pictures are decoded while training instead of being kept at the training's size.
MOST_CACHED_BYTES = 64e9


def cache_folder() -> Path:
    """`$AAHQ_CACHE`, else `~/.cache/aahq` (XDG_CACHE_HOME honoured)."""
    return Path(os.environ.get("AAHQ_CACHE") or cache_home())
