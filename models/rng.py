"""Random numbers by address: every draw has a name and a place, and no two addresses share a stream.

An address is a few integers and names, (seed, salt, step, "z_face", sample) say. `numpy.random.SeedSequence` mixes all of its
bits into the state of a generator. PyTorch's CPU generator cannot serve here: it keeps the low 32 bits of a seed and drops
the rest without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def seed_sequence(*address: int | str) -> np.random.SeedSequence:
    """The mixed seed of an address.

    Args:
        address: integers from 0 to 2^64 - 1, and names. Each takes 64 bits, so that no two addresses of one length, with names
            and integers in the same places, are the same entropy (names: up to the 64 bits of their digest).

    Raises:
        ValueError: an integer outside of that range.
    """
    words: list[int] = []
    for part in address:
        number = _digest(part) if isinstance(part, str) else int(part)
        if not 0 <= number < 1 << 64:
            raise ValueError(f"seed: given {number}; expected 0 to 2^64 - 1")
        words += (number & 0xFFFFFFFF, number >> 32)
    return np.random.SeedSequence(words)


def generator_at(*address: int | str) -> np.random.Generator:
    """A NumPy generator that stands at the beginning of the stream of `address`; see `seed_sequence`."""
    return np.random.Generator(np.random.PCG64(seed_sequence(*address)))


@lru_cache(maxsize=4096)
def _digest(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def seeded_normal(
    seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu", stream: str = ""
) -> Tensor:
    """Draw one N(0, 1) tensor per seed on the CPU, so that a seed gives the same picture on every device.

    Args:
        seeds: integers from 0 to 2^64 - 1; row i depends on seeds[i] alone, whatever the batch.
        shape: of one row.
        stream: what the numbers are for ("face", "style", "noise"): one seed's streams are independent of each other.

    Returns:
        (len(seeds), *shape) float32.
    """
    if not len(seeds):
        return torch.empty((0, *shape), device=device)
    rows = [generator_at("sample", stream, int(seed)).standard_normal(tuple(shape), np.float32) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).to(device)
