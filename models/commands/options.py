"""Options that every command which runs BlendGAN shares, and what they amount to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.errors import SuiteError
from suite.option_groups import option_group
from suite.params import LARGEST_SEED, Count, device_or_auto, seed_range, share

if TYPE_CHECKING:
    import torch

    from models.inference.pretrained import Pretrained

MOST_SEEDS = 1_000_000


@dataclass(frozen=True)
class ModelOptions:
    """Which weights, where, how precise."""

    weights: Path | None
    offline: bool
    random_weights: int | None
    size: int | None
    width: int
    device: str
    precision: str

    def load(self) -> Pretrained:
        """The networks; SuiteError when options contradict each other or nothing is there."""
        import torch

        from models.inference.pretrained import load_blendgan, random_blendgan
        from models.networks.stylegan2 import check_size

        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if self.random_weights is None:
            if self.size is not None:
                raise SuiteError("--size: the checkpoint says its size; --size belongs to --random-weights")
            return load_blendgan(self.weights, offline=self.offline, device=device)
        if self.weights:
            raise SuiteError("--random-weights: not together with --weights; choose one")
        size = self.size or 256
        try:
            check_size(size)
        except ValueError as error:
            raise SuiteError(f"--size {size}: {error}") from None
        return random_blendgan(size, self.random_weights, width=self.width, device=device)

    def half(self) -> torch.dtype | None:
        """The dtype of large feature maps, or None for float32."""
        import torch

        return {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}[self.precision]


@dataclass(frozen=True)
class BlendOptions:
    """How much style enters where."""

    strength: float | None
    indicator: int | None
    theta: float | None

    def resolve(self, n_latent: int) -> tuple[int, float]:
        """(i, theta) of Eq. 5; without any option the published scripts' i = 6 of 18, scaled to the generator."""
        from models.inference.stylize import strength_to_blend

        if self.strength is not None:
            if self.indicator is not None or self.theta is not None:
                raise SuiteError("--strength: not together with --indicator or --theta; it sets both")
            return strength_to_blend(self.strength, n_latent)
        i = self.indicator if self.indicator is not None else round(n_latent / 3)
        theta = 1.0 if self.theta is None else self.theta
        if not 0 <= i <= n_latent:
            raise SuiteError(f"--indicator {i}: from 0 (style everywhere) to {n_latent} (none) for this generator")
        if not 0 <= theta <= 1:
            raise SuiteError(f"--theta {theta}: from 0 to 1")
        return i, theta


model_options = option_group(
    "model_options",
    ModelOptions,
    click.option(
        "--weights",
        type=click.Path(path_type=Path),
        help="A checkpoint, or a folder that holds blendgan.pt or .safetensors; else $AAHQ_WEIGHTS, else fetched.",
    ),
    click.option("--offline", is_flag=True, help="Never touch the network; say what to put where."),
    click.option(
        "--random-weights",
        type=seed_range,
        metavar="SEED",
        help="Untrained networks, to try the command without weights.",
    ),
    click.option("--size", type=int, help="Side of the pictures with --random-weights (256)."),
    click.option("--width", type=Count(4), default=512, help="Most feature maps with --random-weights."),
    click.option("--device", type=device_or_auto, default="auto", show_default=True, help="auto, cpu, cuda or mps."),
    click.option(
        "--precision",
        type=click.Choice(["float32", "float16", "bfloat16"]),
        default="float32",
        show_default=True,
        help="Of the feature maps from 64 px on.",
    ),
)


blend_options = option_group(
    "blend_options",
    BlendOptions,
    click.option("--strength", type=share, help="One slider: 0 is the natural face, 1 style in every layer."),
    click.option("--indicator", type=int, metavar="I", help="Layers before I keep the face (Eq. 5); a third."),
    click.option("--theta", type=share, help="Share of the style in layer I, 0 to 1 (1)."),
)


def parse_seeds(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """`0-15`, `3`, `1,5,9-12` -> integers; click reports anything else in one line."""
    if text is None:
        return None
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,30})(?:-([0-9]{1,30}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise click.BadParameter(f"{text!r}; expected numbers and ranges such as 0-15 or 1,5,9-12")
        if last > LARGEST_SEED:
            raise click.BadParameter(f"{last}; seeds go from 0 to {LARGEST_SEED}")
        if last - first >= MOST_SEEDS - len(seeds):
            raise click.BadParameter(f"{text!r}; at most {MOST_SEEDS} seeds at a time")
        seeds += range(first, last + 1)
    return tuple(seeds)
