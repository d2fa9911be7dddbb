"""Published checkpoints in, safetensors out: strict keys, checked digests, no code from a pickle.

Each name is imported when it is asked for: listing and fetching files needs no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.weights.loading import load_checkpoint, load_state, save_weights
    from models.weights.reading import Checkpoint, read_checkpoint

_WHERE = {
    "Checkpoint": "models.weights.reading",
    "load_checkpoint": "models.weights.loading",
    "load_state": "models.weights.loading",
    "read_checkpoint": "models.weights.reading",
    "save_weights": "models.weights.loading",
}

__all__ = ["Checkpoint", "load_checkpoint", "load_state", "read_checkpoint", "save_weights"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
