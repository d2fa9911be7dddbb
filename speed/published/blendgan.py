"""BlendGAN's generator beside its authors', and the face game beside rosinality's StyleGAN2, on which BlendGAN is built."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from models.networks.blendgan import BlendGAN
from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from models.training.losses import path_lengths, path_penalty
from models.training.rng import StepRNG
from models.training.training_module import Batch
from speed.published.loading import Peers
from speed.published.pairs import STILL, Figures, Pair, given, pictures, same_weights

NOISE_WEIGHT = 0.1  # new networks start with none


def _noisy(generator: nn.Module) -> nn.Module:
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.weight"):
            nn.init.constant_(parameter, NOISE_WEIGHT)
    return generator


def forward(peers: Peers, device: torch.device, size: int, batch: int = 1, half: torch.dtype | None = None) -> Pair:
    """G(z_f, z_s, i = 6) without derivatives, onion-liu/BlendGAN `model.Generator`; theirs is float32 always."""
    (model,) = peers.load("BlendGAN", "model")
    torch.manual_seed(0)
    ours = _noisy(BlendGAN(size)).eval().to(device)
    # Their generator brings its style encoder, 1.2 GB that this work does not touch.
    with mock.patch.object(model, "StyleEncoder", return_value=nn.Identity()):
        theirs = same_weights(model.Generator(size, 512, 8), ours).eval().to(device)
    z, style = torch.randn(2, batch, 512, generator=torch.Generator().manual_seed(1)).to(device)

    @torch.no_grad()
    def own() -> Figures:
        return {"pictures": ours(z, z_style=style, i=6, half=half)[0]}

    @torch.no_grad()
    def published() -> Figures:
        return {"pictures": theirs([z], z_embed=style, add_weight_index=6, randomize_noise=False)[0]}

    return Pair(f"generator forward, {size} px, batch {batch}", own, published)


class FaceGame:
    """StyleGAN2's training of generator and discriminator: ours as BlendGAN's with the face game alone, theirs as `train.py`.

    Args:
        size, batch: of the pictures.
        overrides: of our settings, e.g. `precision="bf16"`.
    """

    def __init__(self, peers: Peers, device: torch.device, size: int, batch: int, **overrides: Any) -> None:
        self.model, self.script = peers.load("stylegan2-pytorch", "model", "train")
        torch.manual_seed(0)
        self.g = _noisy(self.model.Generator(size, 512, 8)).to(device)
        self.d = self.model.Discriminator(size).to(device)
        self.g_ema = copy.deepcopy(self.g).requires_grad_(False)
        self.settings = BlendGANSettings(
            size=size, steps=64, batch=batch, lr=STILL, style_weight=0, style_latent_weight=0, mixing=1.0, **overrides
        )
        with TemporaryDirectory() as folder:
            start = Path(folder) / "start.pt"
            nets = {"g": self.g, "g_ema": self.g, "d": self.d}
            torch.save({name: net.state_dict() for name, net in nets.items()}, start)
            self.ours = BlendGANTraining(self.settings.model_copy(update={"stylegan2": str(start)}), device)
        self.device, self.size, self.batch = device, size, batch
        s = self.settings
        # Lazy regularisation's correction of Adam, as in their script.
        self.for_g, self.for_d = (
            torch.optim.Adam(net.parameters(), s.lr * every / (every + 1), (0.0, 0.99 ** (every / (every + 1))))
            for net, every in ((self.g, s.path_every), (self.d, s.r1_every))
        )
        self.real = pictures(batch, size, 1, device)
        self.path_mean: Any = 0

    def own(self, step: int = 0) -> Figures:
        """Our step `step`: regularisers fall due as in training."""
        self.ours.state["path_mean"] = torch.zeros((), device=self.device)
        s = self.settings
        form = torch.channels_last if s.channels_last else torch.contiguous_format
        figures = self.ours.step(Batch({"photo": self.real.contiguous(memory_format=form)}), StepRNG(7, step))
        return {name: figures[name] for name in ("d_face_loss", "r1", "g_loss", "path_penalty") if name in figures}

    def published(self, step: int = 0) -> Figures:
        """Their step: D's pictures and G's are made apart, as their script makes them."""
        script, s, rng = self.script, self.settings, StepRNG(7, step)
        z, z2 = (rng.normal(name, self.batch, (512,), self.device) for name in ("z", "z2"))
        at = rng.shared_integer("mix_at", 1, self.g.n_latent)
        noise = rng.noise(self.ours.g.noise_shapes(), self.batch, self.device)

        def fakes(count: int) -> Any:
            rows = [layer[:count] for layer in noise]
            return self.g([z[:count], z2[:count]], inject_index=at, noise=rows, return_latents=True)

        script.requires_grad(self.g, False)
        script.requires_grad(self.d, True)
        figures = {"d_face_loss": script.d_logistic_loss(self.d(self.real), self.d(fakes(self.batch)[0]))}
        _update(self.d, self.for_d, figures["d_face_loss"])
        if step % s.r1_every == 0:
            real = self.real.clone().requires_grad_()
            on_real = self.d(real)
            figures["r1"] = script.d_r1_loss(on_real, real)
            _update(self.d, self.for_d, s.r1_gamma / 2 * figures["r1"] * s.r1_every + 0 * on_real[0])
        script.requires_grad(self.g, True)
        script.requires_grad(self.d, False)
        figures["g_loss"] = script.g_nonsaturating_loss(self.d(fakes(self.batch)[0]))
        _update(self.g, self.for_g, figures["g_loss"])
        if step % s.path_every == 0:
            count = max(1, self.batch // s.path_shrink)
            made, latents = fakes(count)
            y = rng.normal("path", count, (3, self.size, self.size), self.device)
            with mock.patch("torch.randn_like", given(y)):
                figures["path_penalty"], _, _ = script.g_path_regularize(made, latents, 0)
            _update(self.g, self.for_g, s.path_weight * s.path_every * figures["path_penalty"] + 0 * made[0, 0, 0, 0])
        script.accumulate(self.g_ema, self.g, s.ema_decay)
        return figures

    def pair(self, step: int = 0, what: str = "all regularisers") -> Pair:
        """One step; 0 has all regularisers, 1 none."""
        title = f"StyleGAN2 training step, {self.size} px, batch {self.batch}, {what}"
        return Pair(title, lambda: self.own(step), lambda: self.published(step))


def _update(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    network.zero_grad()
    loss.sum().backward()
    optimizer.step()


def path_length(peers: Peers, device: torch.device, size: int, batch: int = 2) -> Pair:
    """The path-length penalty with its backward pass, rosinality's `g_path_regularize`."""
    model, script = peers.load("stylegan2-pytorch", "model", "train")
    torch.manual_seed(0)
    theirs = _noisy(model.Generator(size, 512, 8)).to(device)
    ours = BlendGAN(size).to(device)
    own_keys = theirs.state_dict()
    ours.load_state_dict({key: own_keys.get(key, value) for key, value in ours.state_dict().items()})
    z, y = (
        torch.randn(batch, *shape, generator=torch.Generator().manual_seed(k)).to(device)
        for k, shape in enumerate(((512,), (3, size, size)))
    )
    noise = StepRNG(7, 0).noise(ours.noise_shapes(), batch, device)

    def own() -> Figures:
        _forget(ours.parameters())
        made, latents = ours(z, noise=noise)
        penalty, _ = path_penalty(path_lengths(made, latents, y), torch.zeros((), device=device))
        penalty.backward()
        return {"path_penalty": penalty}

    def published() -> Figures:
        _forget(theirs.parameters())
        made, latents = theirs([z], noise=noise, return_latents=True)
        with mock.patch("torch.randn_like", given(y)):
            penalty, _, _ = script.g_path_regularize(made, latents, 0)
        penalty.backward()
        return {"path_penalty": penalty}

    return Pair(f"path length, {size} px, batch {batch}", own, published)


def _forget(parameters: Iterable[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None
