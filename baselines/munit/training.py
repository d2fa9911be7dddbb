"""Losses and the training step of MUNIT (equation numbers of arXiv:1804.04732)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import (
    gaussian_init,
    instance_norm,
    kaiming_init,
    l1,
)
from baselines.munit.method import Munit
from baselines.munit.networks import MultiScaleDis, networks
from baselines.munit.settings import MunitSettings
from baselines.training_module import BaselineTraining, Networks, Scalars, Tensors, adam
from models.training import updates
from models.training.rng import StepRNG
from models.training.training_module import Batch
from suite.errors import SuiteError


def invariant_loss(vgg: nn.Module, made: Tensor, source: Tensor) -> Tensor:
    """Domain-invariant perceptual loss: VGG features compared after instance norm (Sec. 5.1).

    A plane of features that is constant (dead channels are common deep in VGG) has no direction: the norm's epsilon
    keeps it at zero, and features are computed in float32 whatever the networks run in, so no overflow turns into NaN.
    """
    with updates.full_precision(made.device):
        ours, theirs = (instance_norm(vgg(x.float()).clamp(-1e4, 1e4)) for x in (made, source))
        return F.mse_loss(ours, theirs)


def generator_losses(nets: Networks, part: Tensors, cycle: bool, vgg: nn.Module | None = None) -> Scalars:
    """All terms of Eq. 5, unweighted, by the published names. `part`: a, b pictures; s_a, s_b sampled styles."""
    gen_a, gen_b, dis_a, dis_b = (nets[name] for name in ("gen_a", "gen_b", "dis_a", "dis_b"))
    a, b, s_a, s_b = (part[name] for name in ("a", "b", "s_a", "s_b"))
    (content_a, style_a), (content_b, style_b) = gen_a.encode(a), gen_b.encode(b)
    # Each decoder's two pictures go through it as one batch.
    rebuilt_a, ba = gen_a.decode(torch.cat((content_a, content_b)), torch.cat((style_a, s_a))).chunk(2)
    rebuilt_b, ab = gen_b.decode(torch.cat((content_b, content_a)), torch.cat((style_b, s_b))).chunk(2)
    (content_b2, s_a2), (content_a2, s_b2) = gen_a.encode(ba), gen_b.encode(ab)
    out = {
        "recon_x_a": l1(rebuilt_a, a),  # Eq. 1
        "recon_x_b": l1(rebuilt_b, b),
        "recon_c_a": l1(content_a2, content_a),  # Eq. 2
        "recon_c_b": l1(content_b2, content_b),
        "recon_s_a": l1(s_a2, s_a),  # Eq. 3
        "recon_s_b": l1(s_b2, s_b),
        "adv_a": dis_a.gen_loss(ba),  # Eq. 4
        "adv_b": dis_b.gen_loss(ab),
    }
    if cycle:  # style-augmented cycle consistency, Sec. 5.1
        out["cycrecon_x_a"] = l1(gen_a.decode(content_a2, style_a), a)
        out["cycrecon_x_b"] = l1(gen_b.decode(content_b2, style_b), b)
    if vgg is not None:
        out["vgg_a"], out["vgg_b"] = invariant_loss(vgg, ba, b), invariant_loss(vgg, ab, a)
    return out


def weigh(terms: Scalars, s: MunitSettings) -> Tensor:
    """The weighted sum of Eq. 5."""
    weights = {
        "recon_x": s.recon_x_w,
        "recon_s": s.recon_s_w,
        "recon_c": s.recon_c_w,
        "adv": s.gan_w,
        "cycrecon_x": s.cycle_w,
        "vgg": s.vgg_w,
    }
    return sum(
        (weights[name[:-2]] * value for name, value in terms.items()), torch.zeros((), device=terms["adv_a"].device)
    )


def discriminator_losses(nets: Networks, part: Tensors) -> Scalars:
    """LSGAN losses of both discriminators on translated pictures."""
    with torch.no_grad():
        ba = nets["gen_a"].decode(nets["gen_b"].enc_content(part["b"]), part["s_a"])
        ab = nets["gen_b"].decode(nets["gen_a"].enc_content(part["a"]), part["s_b"])
    return {"dis_a": nets["dis_a"].dis_loss(ba, part["a"]), "dis_b": nets["dis_b"].dis_loss(ab, part["b"])}


class MunitTraining(BaselineTraining):
    """D step, then G step, on the same pictures with fresh styles; Adam, rates halved every `lr_step` steps."""

    settings: MunitSettings

    def __init__(self, settings: MunitSettings, device: torch.device, vgg: nn.Module | None = None) -> None:
        nets = networks(settings)
        for name in ("a", "b"):
            nets[f"dis_{name}"] = MultiScaleDis(
                settings.dis_dim, settings.dis_layers, settings.dis_scales, settings.gan
            )
        kaiming_init(nets["gen_a"], nets["gen_b"])
        gaussian_init([nets["dis_a"], nets["dis_b"]], zero_bias=True)
        super().__init__(settings, nets, device)
        self.vgg = None if vgg is None else vgg.eval().requires_grad_(False)
        self.optimizers = {
            "dis_a+dis_b": adam(settings, [nets["dis_a"], nets["dis_b"]]),
            "gen_a+gen_b": adam(settings, [nets["gen_a"], nets["gen_b"]]),
        }

    def rate(self, step: int) -> float:
        return self.settings.lr_gamma ** (step // self.settings.lr_step)

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        batch = self.begin(batch, draws)
        s = self.settings
        if s.warms_up(draws.step):
            stats = self.warm_up(("gen_a+gen_b",), batch.images, self._rebuilt)
            self.networks["gen_b"].load_state_dict(self.networks["gen_a"].state_dict())
            return stats

        def tensors(when: str) -> dict[str, Tensor]:
            a, b = batch.images["photo"], batch.images["art"]
            styles = {
                name: draws.normal(f"{when}/{name}", len(a), (s.style_dim, 1, 1), a.device) for name in ("s_a", "s_b")
            }
            return {"a": a, "b": b, **styles}

        def dis(part: Tensors) -> tuple[Tensor, Scalars]:
            terms = discriminator_losses(self.networks, part)
            return s.gan_w * (terms["dis_a"] + terms["dis_b"]), terms

        def gen(part: Tensors) -> tuple[Tensor, Scalars]:
            terms = generator_losses(self.networks, part, s.cycle_w > 0, self.vgg)
            return weigh(terms, s), terms

        stats = self.update(("dis_a+dis_b",), tensors("dis"), dis)
        return stats | self.update(("gen_a+gen_b",), tensors("gen"), gen)

    def _rebuilt(self, part: Tensors) -> list[tuple[Tensor, Tensor]]:
        """Eq. 1 of both domains, by one auto-encoder."""
        pictures = torch.cat(tuple(part.values()))
        return [(self.networks["gen_a"](pictures), pictures)]

    def method(self) -> Munit:
        return Munit(self.networks, self.settings.size)


def build(settings: MunitSettings, device: torch.device) -> MunitTraining:
    """Networks, losses and schedule for the training loop, with VGG features where `vgg_w` asks for them."""
    return MunitTraining(settings, device, _features(settings, device) if settings.vgg_w > 0 else None)


def _features(settings: MunitSettings, device: torch.device) -> nn.Module:
    """VGG-19 to relu5_4 from `vgg_weights` (the paper used VGG-16 to relu5_3 in Caffe's colours)."""
    from models.networks.vgg import VGG19Trunk
    from models.weights import load_checkpoint

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = VGG19Trunk()

        def forward(self, x: Tensor) -> Tensor:
            mean = x.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
            std = x.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
            return self.trunk((x / 2 + 0.5 - mean) / std)[-1]

    if not settings.vgg_weights:
        raise SuiteError(
            "--set vgg_w: the perceptual loss needs weights; add --set vgg_weights=vgg19.pth (torchvision's)"
        )
    net = Last()
    load_checkpoint(settings.vgg_weights, net.trunk)
    return net.to(device)
