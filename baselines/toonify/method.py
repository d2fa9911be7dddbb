"""Layer swapping of two StyleGAN2 models ("Toonify"): Pinkney and Adler, "Resolution Dependent GAN Interpolation for
Controllable Image Synthesis Between Domains", 2020, https://arxiv.org/abs/2010.05334.

A face model gives the coarse layers, the same model fine-tuned on art the fine ones; a face is a seed of z.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from baselines.toonify.settings import ToonifySettings
from models.method import Face, Mode
from models.networks.stylegan2 import Generator, channel_table
from models.rng import seeded_normal
from suite.errors import SuiteError
from suite.profiles import Settings


def layer_side(key: str) -> int:
    """The resolution that a generator's parameter works at; 0 for the mapping network (and 4 for the constant)."""
    head, _, rest = key.partition(".")
    number = rest.partition(".")[0]
    if head == "style":
        return 0
    if head == "convs":
        return 8 * 2 ** (int(number) // 2)
    if head == "to_rgbs":
        return 8 * 2 ** int(number)
    if head == "noises":
        return 2 ** ((int(number.removeprefix("noise_")) + 5) // 2)
    return 4


def swapped(
    base: Mapping[str, Tensor], art: Mapping[str, Tensor], from_side: int, blend: float = 1.0
) -> dict[str, Tensor]:
    """`base` with the layers at `from_side` pixels and above taken from `art` (Sec. 2); `blend` < 1 interpolates them.

    Args:
        base, art: state dicts of the same architecture.
        from_side: first swapped resolution; 4 takes all synthesis layers, twice the picture's side takes none.
        blend: share of `art` in the swapped layers.
    """
    if base.keys() != art.keys() or any(base[key].shape != art[key].shape for key in base):
        raise SuiteError(
            "--option art: the two generators differ in architecture; swap a model with its own fine-tuning"
        )
    share = {key: blend if layer_side(key) >= from_side else 0.0 for key in base}
    return {key: torch.lerp(value, art[key], share[key]) if share[key] else value for key, value in base.items()}


class Options(Settings):
    """What `--option` takes; see `open_method` and `swapped`."""

    art: str = ""
    from_side: int = Field(default=16, ge=4, le=2048)
    blend: float = Field(default=1.0, ge=0, le=1)
    truncation: float = Field(default=0.7, ge=0, le=1)
    size: Literal[32, 64, 128, 256, 512, 1024] = 64
    width: int = Field(default=32, ge=4, le=512)


class Toonify:
    """Latent-guided: the seed of a face gives z for both the face and its painted form; the style is the model's own.

    Args:
        generator: with swapped layers.
        truncation: pull of w towards the mean.
    """

    modes: frozenset[Mode] = frozenset({"latent"})
    face: Literal["image", "seed"] = "seed"
    from_side = 16

    def __init__(self, generator: Generator, resolution: int, truncation: float = 0.7, trained: bool = True) -> None:
        self.generator, self.resolution, self.truncation = generator, resolution, truncation
        self.centre = generator.mean_latent(1024)
        self.name = "Toonify" if trained else "Toonify (untrained)"

    @torch.inference_mode()
    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        """Painted faces of `face.seeds`; layer swapping has one style, so `seeds` must match in number and change nothing."""
        if face.seeds is None:
            raise SuiteError(f"{self.name}: it invents the face; give Face(seeds=...), not pictures")
        if len(seeds) != len(face.seeds):
            raise SuiteError(f"--latent: {len(seeds)} seeds for {len(face.seeds)} faces; give one a face")
        device = next(self.generator.parameters()).device
        z = seeded_normal(face.seeds, (self.generator.style_dim,), device, "face")
        return self.generator(z, truncation=self.truncation, truncation_latent=self.centre)[0].float()

    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        """Layer swapping has no references."""
        raise SuiteError(f"--style: {self.name} has no reference mode; its style is that of the art model")


def method(
    networks: Mapping[str, Generator],
    settings: ToonifySettings,
    trained: bool = True,
    from_side: int = Toonify.from_side,
    blend: float = 1.0,
    truncation: float = 0.7,
    **files: object,
) -> Toonify:
    """The two models of a run of `baselines train toonify`, swapped; `files` are options for models of files alone."""
    if files:
        raise SuiteError(f"--option {next(iter(files))}: a run holds both models; leave it out")
    generator = networks["face"]
    generator.load_state_dict(swapped(generator.state_dict(), networks["art"].state_dict(), from_side, blend))
    return Toonify(generator, settings.size, truncation, trained)


def open_method(
    weights: str | Path = "random",
    device: str = "cpu",
    art: str = "",
    from_side: int = Toonify.from_side,
    blend: float = 1.0,
    truncation: float = 0.7,
    size: int = 64,
    width: int = 32,
) -> Toonify:
    """Swap the face model `weights` with the art model `art`; `"random"` makes two small untrained ones (`size`, `width`)."""
    from models.weights import load_state, read_checkpoint
    from models.weights.layouts import STYLEGAN2, settled_configuration

    if str(weights) == "random":
        nets = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            nets.append(Generator(size, 64, 4, channel_table(widest=width)))
        state = swapped(nets[0].state_dict(), nets[1].state_dict(), from_side, blend)
        nets[0].load_state_dict(state)
        return Toonify(nets[0].to(device).eval().requires_grad_(False), size, truncation, trained=False)
    if not art:
        raise SuiteError("--option art: toonify needs two models; --weights faces.pt --option art=painted.pt")
    states = []
    for path in (weights, art):
        checkpoint = read_checkpoint(path)
        state_dict = checkpoint.part(STYLEGAN2)
        if state_dict is None:
            raise SuiteError(f"{checkpoint}: a StyleGAN2 generator is expected")
        states.append(state_dict)
    shape = settled_configuration(states[0], str(weights))
    table = {int(side): channels for side, channels in shape["widths"].items()}
    generator = Generator(shape["size"], shape["style_dim"], shape["n_mlp"], table)
    for source, state in zip((weights, art), states):
        load_state(generator, state, str(source))
    generator.load_state_dict(swapped(states[0], states[1], from_side, blend))
    return Toonify(generator.to(device).eval().requires_grad_(False), shape["size"], truncation)
