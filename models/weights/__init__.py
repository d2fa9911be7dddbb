"""Published checkpoints in, safetensors out: strict keys, checked digests, no code from a pickle."""

from models.weights.loading import load_checkpoint, load_state, save_weights
from models.weights.reading import Checkpoint, read_checkpoint

__all__ = ["Checkpoint", "load_checkpoint", "load_state", "read_checkpoint", "save_weights"]
