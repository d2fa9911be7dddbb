"""pSp's training against the frozen generator at i = n_latent (appendix A.3; Richardson et al. 2021, section 3.2)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from models.inference.invert import LearnedDistance, PixelPyramid
from models.inference.pretrained import load_blendgan
from models.networks.arcface import ArcFace
from models.networks.psp import WIDTHS, GradualStyleEncoder
from models.networks.stylegan2 import Noise
from models.training import parallel, updates
from models.training.batch_norm import share_batch_norms
from models.training.rng import StepRNG
from models.training.settings import LoopSettings
from models.training.training_module import Batch
from models.weights import load_checkpoint, save_weights
from suite.errors import SuiteError

WEIGHTS = "psp_encoder.safetensors"


Width = Annotated[int, Field(ge=16, multiple_of=16)]


class PSPSettings(LoopSettings):
    """Settings of pSp's training.

    Attributes:
        generator: path of BlendGAN's weights (a run's `blendgan.safetensors`, or the published `blendgan.pt`).
        widths: of the encoder's four stages; the published (64, 128, 256, 512).
        start: path of IR-SE50 weights to start from; "" starts from random weights.
        lr: of Adam. The published training uses Ranger at 1e-4.
        l2_weight, lpips_weight, identity_weight: of pSp's three losses. LPIPS needs `alexnet`, identity `arcface`.
        pyramid_weight: of a multi-scale pixel and gradient loss, which needs no trained weights.
        alexnet, arcface: paths of torchvision's AlexNet and of an IR-SE50 ArcFace network.
    """

    generator: str = ""
    # Squeeze-and-excitation divides them by 16.
    widths: tuple[Width, Width, Width, Width] = WIDTHS
    start: str = ""
    lr: float = Field(default=1e-4, gt=0)
    l2_weight: float = Field(default=1.0, ge=0)
    lpips_weight: float = Field(default=0.8, ge=0)
    identity_weight: float = Field(default=0.1, ge=0)
    pyramid_weight: float = Field(default=0.0, ge=0)
    alexnet: str = ""
    arcface: str = ""


class PSPTraining:
    """Trains the encoder alone to reproduce the input through the generator."""

    sheet_columns = 6

    def __init__(self, settings: PSPSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        updates.refuse_fp16(settings, "pSp")
        _check_inputs(settings)
        generator = load_blendgan(Path(settings.generator), offline=True)
        self.generator = generator.generator.to(device)
        rows = self.generator.n_latent
        self.centre = generator.centre.expand(rows, -1).to(device)
        encoder = GradualStyleEncoder(rows, self.generator.style_dim, settings.widths)
        if settings.start and device.type != "meta":
            start = _arcface(settings.start)
            encoder.input_layer.load_state_dict(start.input_layer.state_dict())
            encoder.body.load_state_dict(start.body.state_dict())
        self.encoder = encoder.to(device)
        share_batch_norms(self.encoder)
        if settings.compile:
            self.encoder.compile()
        self.networks: dict[str, nn.Module] = {"psp": self.encoder}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "adam": torch.optim.Adam(self.encoder.parameters(), settings.lr)
        }
        self.state: dict[str, Any] = {}
        self.constant: frozenset[str] = frozenset()
        self.batch_sizes = {"photo": settings.share(parallel.world())}
        self.perceptual = (
            _frozen(LearnedDistance(Path(settings.alexnet), pixels=0), device) if settings.lpips_weight else None
        )
        self.face = _frozen(_arcface(settings.arcface), device) if settings.identity_weight else None
        self.pyramid = PixelPyramid()

    def reconstruct(self, images: Tensor, noise: Noise = "fixed") -> Tensor:
        """(N, 3, S, S) -> its face as the generator renders the encoder's code, with no style (i = n_latent)."""
        codes = self.encoder(F.interpolate(images, (256, 256), mode="bilinear", antialias=True)) + self.centre
        return self.generator.synthesis(codes, noise, checkpointed=self.settings.checkpointing)

    def step(self, batch: Batch, draws: StepRNG) -> dict[str, Tensor]:
        """One update of the encoder; the generator's noise is new in each, as in the published training."""
        settings, images = self.settings, batch.images["photo"]
        noise = draws.noise(self.generator.noise_shapes(), len(images), self.device)
        scalars: dict[str, Tensor] = {}

        def loss(part: slice) -> Tensor:
            real = images[part]
            with updates.precision(settings.precision, self.device):
                made = self.reconstruct(real, [layer[part] for layer in noise]).float()
            # pSp compares at 256 px whatever the generator's size.
            made = F.interpolate(made, size=real.shape[-2:], mode="area")
            terms = {"l2": settings.l2_weight * F.mse_loss(made, real)}
            if self.perceptual is not None:
                terms["lpips"] = settings.lpips_weight * self.perceptual(made, real).mean()
            if self.face is not None:
                terms["identity"] = settings.identity_weight * (1 - self._alike(made, real)).mean()
            if settings.pyramid_weight:
                terms["pyramid"] = settings.pyramid_weight * self.pyramid(made, real).mean()
            for name, value in terms.items():
                before = scalars.get(f"{name}_loss", torch.zeros((), device=self.device))
                scalars[f"{name}_loss"] = before + value.detach() * len(real) / len(images)
            return torch.stack(list(terms.values())).sum()

        scalars["loss"] = updates.accumulate(len(images), settings.micro_batch, loss)
        updates.optimizer_step(self.optimizers["adam"])
        return scalars

    @torch.no_grad()
    def sample(self, batch: Batch, draws: StepRNG) -> Tensor:
        """Two rows: faces, and their reconstructions."""
        faces = batch.images["photo"][: self.sheet_columns]
        self.sheet_columns = len(faces)
        self.encoder.eval()
        # A sheet has one side; the generator's may be another than the pictures'.
        made = F.interpolate(self.reconstruct(faces).clamp(-1, 1), size=faces.shape[-2:], mode="area")
        self.encoder.train()
        return torch.cat([faces, made])

    def _alike(self, made: Tensor, real: Tensor) -> Tensor:
        """Cosine of ArcFace's embeddings of the face's part of the picture (pSp's crop), 112 px."""
        assert self.face is not None
        crops = [F.interpolate(x, (256, 256), mode="area")[:, :, 35:223, 32:220] for x in (made, real)]
        codes = [self.face(F.adaptive_avg_pool2d(crop, (112, 112))) for crop in crops]
        return F.cosine_similarity(codes[0], codes[1].detach())


def _check_inputs(settings: PSPSettings) -> None:
    if not settings.generator:
        raise SuiteError("--generator: the weights of a trained BlendGAN, e.g. runs/blendgan/blendgan.safetensors")
    for loss, value, key, what in (
        ("lpips_weight", settings.lpips_weight, settings.alexnet, "alexnet=PATH (torchvision's AlexNet)"),
        ("identity_weight", settings.identity_weight, settings.arcface, "arcface=PATH (an IR-SE50 ArcFace network)"),
    ):
        if value and not key:
            raise SuiteError(f"--set {loss}={value:g} needs --set {what}; or switch it off with --set {loss}=0")


def _frozen(network: nn.Module, device: torch.device) -> nn.Module:
    return copy.deepcopy(network).to(device).eval().requires_grad_(False)


def _arcface(path: str) -> ArcFace:
    network = ArcFace()
    load_checkpoint(path, network)
    return network


def save(module: PSPTraining, folder: Path, metadata: dict[str, Any]) -> Path:
    """Write the encoder and its centre; `blendgan stylize --psp <path>` takes it."""
    path = folder / WEIGHTS
    save_weights(path, {"encoder": module.encoder.state_dict()}, latent_avg=module.centre, metadata=metadata)
    return path
