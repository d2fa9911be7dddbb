"""pSp's training step beside eladrich/pixel2style2pixel: its encoder, generator, L2, LPIPS and identity losses."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import nn

from models.networks.arcface import ArcFace
from models.networks.blendgan import BlendGAN
from models.networks.stylegan2 import channel_table
from models.training.psp import PSPSettings, PSPTraining
from models.training.rng import StepRNG
from models.training.training_module import Batch
from models.weights import save_weights
from speed.published.loading import Peers, placed
from speed.published.pairs import STILL, Figures, Pair, pictures, same_weights

SIDE = 256
RNG = StepRNG(3, 0)


def _starts(folder: Path, size: int) -> dict[str, str]:
    """Files of random weights: BlendGAN, ArcFace, AlexNet's trunk."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    generator = BlendGAN(size, channels=channel_table())
    for layer, parameter in generator.named_parameters():
        if layer.endswith("noise.weight"):
            nn.init.constant_(parameter, 0.1)
    save_weights(folder / "g.safetensors", {"g_ema": generator.state_dict()}, latent_avg=torch.randn(512))
    torch.save(ArcFace().state_dict(), folder / "arcface.pt")
    torch.save(alexnet(weights=None).state_dict(), folder / "alexnet.pt")
    return {
        "generator": f"{folder}/g.safetensors",
        "arcface": f"{folder}/arcface.pt",
        "alexnet": f"{folder}/alexnet.pt",
    }


def step(peers: Peers, device: torch.device, size: int = 64, batch: int = 1) -> Pair:
    """One update of the encoder on pictures of 256 px, with a generator of `size` px.

    Their coach cannot be made without CUDA, a data set and downloads; its network, losses and order are called one by one.
    """
    coach_parts = (
        "models.encoders.psp_encoders",
        "models.stylegan2.model",
        "criteria.id_loss",
        "criteria.lpips.networks",
    )
    encoders, stylegan2, identity, lpips_networks, lpips = peers.load(
        "pixel2style2pixel", *coach_parts, "criteria.lpips.lpips"
    )
    with TemporaryDirectory() as folder:
        files = _starts(Path(folder), size)
        ours = PSPTraining(PSPSettings(size=SIDE, steps=10, batch=batch, lr=STILL, **files), device)
        with placed(device), mock.patch.object(identity, "model_paths", {"ir_se50": files["arcface"]}):
            face = identity.IDLoss().to(device).eval()
        with mock.patch("torchvision.models.alexnet", _alexnet(files["alexnet"])):
            trunk = lpips_networks.AlexNet()
    with placed(device):
        encoder = encoders.GradualStyleEncoder(
            50, "ir_se", SimpleNamespace(n_styles=ours.generator.n_latent, input_nc=3)
        )
    same_weights(encoder, ours.encoder).to(device).train()
    decoder = stylegan2.Generator(size, 512, 8)
    synthesis = ours.generator.state_dict()
    decoder.load_state_dict({key: synthesis[key] for key in decoder.state_dict()})
    decoder.to(device).eval()
    perceptual = _lpips(lpips.LPIPS, lpips_networks, trunk, ours).to(device)
    optimizer = torch.optim.Adam(encoder.parameters(), STILL)
    images = pictures(batch, SIDE, 1, device)
    noise = RNG.noise(ours.generator.noise_shapes(), batch, device)
    pool = nn.AdaptiveAvgPool2d((SIDE, SIDE))

    def published() -> Figures:
        codes = encoder(images) + ours.centre.repeat(batch, 1, 1)
        made, _ = decoder([codes], input_is_latent=True, noise=noise)
        made = pool(made)
        same_person, _, _ = face(made, images, images)
        figures = {"identity_loss": 0.1 * same_person, "l2_loss": nn.functional.mse_loss(made, images)}
        figures["lpips_loss"] = 0.8 * perceptual(made, images).squeeze()
        figures["loss"] = sum(figures.values(), torch.zeros((), device=device))
        optimizer.zero_grad()
        figures["loss"].backward()
        optimizer.step()
        # Encoders that agree in every gradient took the same step.
        return figures | {"gradient": _norm(encoder)}

    def own() -> Figures:
        kept: dict[str, torch.Tensor] = {}
        adam = ours.optimizers["adam"]
        real = adam.step

        def seen() -> None:  # what follows our optimiser's step forgets the gradients
            kept["gradient"] = _norm(ours.encoder)
            real()

        with mock.patch.object(adam, "step", side_effect=seen):
            figures = ours.step(Batch({"photo": images}), RNG)
        return figures | kept

    return Pair(f"pSp step, {SIDE} px with a generator of {size} px, batch {batch}", own, published)


def _norm(network: nn.Module) -> torch.Tensor:
    return torch.stack([p.grad.norm() for p in network.parameters() if p.grad is not None]).norm()


def _alexnet(path: str) -> Any:
    from torchvision.models import alexnet

    def made(*_: Any, **__: Any) -> nn.Module:
        network = alexnet(weights=None)
        network.load_state_dict(torch.load(path, weights_only=True))
        return network

    return made


def _lpips(kind: Any, networks: Any, trunk: nn.Module, ours: PSPTraining) -> nn.Module:
    """Their LPIPS, whose maker wants CUDA and downloads, with the linear weights that the package `lpips` brings."""
    metric: Any = kind.__new__(kind)
    nn.Module.__init__(metric)
    metric.net = trunk
    metric.lin = networks.LinLayers(trunk.n_channels_list)
    measured: Any = ours.perceptual
    for theirs, layer in zip(metric.lin, measured.net.lins):
        theirs[1].weight.data.copy_(layer.model[-1].weight.data)
    return metric.eval().requires_grad_(False)
