"""Features without downloads: a small network of this project that reads identity and style off painted portraits.

It is trained by `aahq-bench train-features` on the embedded painted portraits, whose factors are known, and comes with
the package as float16. Its numbers are called `FD-factor`, `diversity-factor`, ...: they are never FID or LPIPS.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.lpips import Diversity
from suite.errors import SuiteError
from suite.files import sha256_file

SIZE = 64
WIDTHS = (24, 48, 96, 128)
DIM = 64
LICENCE = "Apache-2.0, trained on this project's own painted portraits (CC0)"

# The numbers that make a person, as the manifest's `factors` name them; hair_style is a class and stands apart.
IDENTITY = (
    "masculine", "age", "melanin", "skin_warmth", "face_width", "face_length", "jaw_width", "chin_width", "eye_size",
    "eye_open", "brow_height", "brow_thickness", "nose_length", "nose_width", "mouth_width", "lip_upper", "lip_lower",
    "hair_fair", "hair_red", "hair_grey", "hair_volume", "hair_wave", "fringe", "beard", "makeup", "neck_width",
    "cloth_hue", "cloth_chroma", "cloth_light",
)  # fmt: skip
HAIR = 8
STYLE = ("palette", "palette_strength", "saturation", "contrast", "warmth", "texture", "stroke", "density", "paper")


class _Stage(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(n_in, n_out, 3, 2, 1)
        self.norm = nn.GroupNorm(8, n_out)
        self.more = nn.Conv2d(n_out, n_out, 3, 1, 1)
        self.more_norm = nn.GroupNorm(8, n_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.down(x)))
        return F.relu(x + self.more_norm(self.more(x)))


@dataclass(frozen=True)
class Reading:
    """What the network says of pictures: vectors (N, DIM), predicted factors in standard units, style family logits."""

    features: Tensor
    identity: Tensor
    hair: Tensor
    style: Tensor
    family: Tensor


class FactorNet(nn.Module):
    """A convolutional reader of (N, 3, 64, 64) float32 in [-1, 1].

    Args:
        families: names of the style families, in the order of the family logits.
    """

    def __init__(self, families: tuple[str, ...]) -> None:
        super().__init__()
        self.families = families
        widths = (3, *WIDTHS)
        self.stages = nn.ModuleList(_Stage(a, b) for a, b in pairwise(widths))
        self.pool = nn.Linear(WIDTHS[-1] * 4, DIM)
        # Identity needs places (an eye's size), style needs textures: each head sees the map in its own form.
        self.identity = nn.Sequential(
            nn.Flatten(), nn.Linear(WIDTHS[-1] * 16, 128), nn.ReLU(), nn.Linear(128, len(IDENTITY) + HAIR)
        )
        self.style = nn.Sequential(
            nn.Linear(sum(2 * w for w in WIDTHS), 128), nn.ReLU(), nn.Linear(128, len(STYLE) + len(families))
        )

    def maps(self, images: Tensor) -> list[Tensor]:
        """The four stages' maps, (N, C, h, w)."""
        out = []
        for stage in self.stages:
            images = stage(images)
            out.append(images)
        return out

    def forward(self, images: Tensor) -> Reading:
        maps = self.maps(images)
        last = maps[-1]
        person = self.identity(last)
        statistics = torch.cat([part for m in maps for part in (m.mean((2, 3)), m.flatten(2).std(2))], 1)
        manner = self.style(statistics)
        features = self.pool(F.adaptive_avg_pool2d(last, 2).flatten(1))
        return Reading(
            features,
            person[:, : len(IDENTITY)],
            person[:, len(IDENTITY) :],
            manner[:, : len(STYLE)],
            manner[:, len(STYLE) :],
        )


@dataclass(frozen=True)
class Trained:
    """The committed network, with what turns its answers into factors.

    Attributes:
        identity_mean, identity_std, style_mean, style_std: of the training factors.
        identity_error, style_error: root mean square error a factor on unseen people, in standard units: how much
            each factor is to be believed.
        report: held-out accuracies, as trained.
    """

    net: FactorNet
    identity_mean: Tensor
    identity_std: Tensor
    style_mean: Tensor
    style_std: Tensor
    identity_error: Tensor
    style_error: Tensor
    sha256: str
    report: dict[str, Any]


def committed() -> Path:
    """The weights that come with the package."""
    return Path(str(resources.files("benchmark") / "data" / "factor_net.safetensors"))


@cache
def load(path: Path | None = None) -> Trained:
    """The trained network.

    Raises:
        SuiteError: no such file, or not one that `aahq-bench train-features` wrote.
    """
    from safetensors import SafetensorError, safe_open

    file = path or committed()
    if not file.is_file():
        raise SuiteError(f"{file}: not here; train it with 'aahq-bench train-features'")
    try:
        with safe_open(str(file), framework="pt") as source:
            card = json.loads((source.metadata() or {})["factor_net"])
            tensors = {key: source.get_tensor(key).float() for key in source.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise SuiteError(f"{file}: not a factor network ({error})") from None
    net = FactorNet(tuple(card["families"]))
    net.load_state_dict({key.removeprefix("net."): t for key, t in tensors.items() if key.startswith("net.")})
    net.eval().requires_grad_(False)
    rest = {key: t for key, t in tensors.items() if not key.startswith("net.")}
    return Trained(net=net, sha256=sha256_file(file), report=card["report"], **rest)


def prepare(pictures: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) to float32 (N, 3, 64, 64) in [-1, 1], antialiased bicubic."""
    x = pictures.float()
    if x.shape[-2:] != (SIZE, SIZE):
        x = F.interpolate(x, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)
    return x / 127.5 - 1


class FactorFeatures(Extractor):
    """The network's vectors as an extractor: `all` for distances, `identity` or `style` for similarities."""

    kernel_name = "KD-factor"
    size = SIZE
    resize = "torch-bicubic-antialias"
    licence = LICENCE

    def __init__(self, part: str = "all", trained: Trained | None = None) -> None:
        self.trained = trained or load()
        self.name = "factor" if part == "all" else f"factor-{part}"
        self.fd_name = "FD-factor" if part == "all" else f"FD-factor-{part}"
        self.dim = {"all": DIM, "identity": len(IDENTITY), "style": len(STYLE)}[part]
        self.weights_sha256 = self.trained.sha256
        self._part = {"all": "features"}.get(part, part)

    def embed(self, pictures: Tensor) -> Tensor:
        answer: Tensor = getattr(self.trained.net(prepare(pictures)), self._part)
        return answer


def diversity(trained: Trained | None = None) -> Diversity:
    """The pair distance of Section 4 over this network's maps: `diversity-factor`. All channels count alike."""
    known = trained or load()
    weights = [torch.ones(width) for width in WIDTHS]
    return Diversity("diversity-factor", known.net.maps, weights, SIZE, known.sha256, LICENCE)
