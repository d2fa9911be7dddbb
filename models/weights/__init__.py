"""Published checkpoints in, safetensors out: strict keys, checked digests, no code from a pickle."""

from models.weights.loading import Checkpoint, load_checkpoint, load_state, read_checkpoint, save_weights

__all__ = ["Checkpoint", "load_checkpoint", "load_state", "read_checkpoint", "save_weights"]
