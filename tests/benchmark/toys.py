"""Toy methods and a toy release, so that the harness is tested without training anything."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from models.method import Face, Mode, seeded_normal
from models.networks.clip_vision import RENAMED
from suite.files import sha256_bytes, sha256_file, write_json


class ToyMethod:
    """Mixes the face with a colour: from the seed, or the reference's mean. `answer` may spoil the pictures."""

    modes: frozenset[Mode] = frozenset({"latent", "reference"})
    face: Literal["image", "seed"] = "image"

    def __init__(self, answer: Any = None, name: str = "MUNIT", resolution: int = 32) -> None:
        self.name, self.answer, self.resolution = name, answer or (lambda x: x), resolution

    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        return self._mix(face, torch.tanh(seeded_normal(seeds, (3, 1, 1))))

    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        return self._mix(face, style.mean((2, 3), keepdim=True))

    def _mix(self, face: Face, colour: Tensor) -> Tensor:
        assert face.images is not None
        return self.answer(0.5 * face.images + 0.5 * colour)


class Means(Extractor):
    """Mean colours of the four quarters: features without a network."""

    name, fd_name, kernel_name, dim, size = "means", "FD-means", "KD-means", 12, 0
    resize, weights_sha256, licence = "none", "0" * 64, "none"

    def embed(self, pictures: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pictures.double() / 255, 2).flatten(1).float()


class InventingToy(ToyMethod):
    """Invents its faces from seeds."""

    face: Literal["image", "seed"] = "seed"

    def _mix(self, face: Face, colour: Tensor) -> Tensor:
        assert face.seeds is not None
        low = torch.tanh(seeded_normal(face.seeds, (3, 4, 4)))
        side = self.resolution // 4
        return self.answer(0.5 * low.repeat_interleave(side, 2).repeat_interleave(side, 3) + 0.5 * colour)


def published_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a `StyleDescriptor` under the names of CSD's authors."""
    out = {}
    for key, value in state.items():
        for theirs, ours in RENAMED:
            key = key.replace(ours, theirs)
        out[key] = value
    return out


def write_release(folder: Path, count: int = 24, size: int = 32, seed: int = 0) -> Path:
    """A release of `count` photographs and as many artistic faces: blurred noise, each with factors; a third is test."""
    rng = np.random.default_rng(seed)
    rows = []
    for domain in ("photo", "art"):
        for k in range(count):
            low = rng.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8)
            picture = Image.fromarray(low).resize((size, size), Image.Resampling.BICUBIC)
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            data, name = buffer.getvalue(), f"{domain}-{k:03d}"
            path = folder / "images" / name[:2] / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            # Styles 3, 19, 35, ... are ink: the painter can be asked for the right answers.
            style = 16 * k if domain == "photo" else 3 + 16 * (k % 5)
            factors = {"identity": k, "style": style, "style_name": "natural" if domain == "photo" else "ink"}
            factors |= {"variation": 0, "world": "small"}
            rows.append(
                {
                    "id": name,
                    "file": str(path.relative_to(folder)),
                    "offset": 0,
                    "bytes": len(data),
                    "sha256": sha256_bytes(data),
                    "pixel_sha256": sha256_bytes(np.asarray(picture).tobytes()),
                    "domain": domain,
                    "split": ("train", "val", "test")[k % 3],
                    "cluster": name,
                    "recipe": "toy",
                    "factors": json.dumps(factors),
                }
            )
    pd.DataFrame(sorted(rows, key=lambda row: row["id"])).to_parquet(folder / "manifest.parquet")
    card = {"name": "toy", "schema": 1, "form": "folder", "recipe": "toy", "size": size, "count": len(rows)}
    card |= {"domains": ["art", "photo"], "manifest_sha256": sha256_file(folder / "manifest.parquet")}
    write_json(folder / "release.json", card)
    return folder
