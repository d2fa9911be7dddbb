"""FUNIT: Liu et al., "Few-Shot Unsupervised Image-to-Image Translation", ICCV 2019. https://arxiv.org/abs/1905.01723.

Content comes from one picture, the class code is the mean over K pictures of a class. Networks, losses (equation
numbers of the paper) and the `Method` adapter.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.adapter import ImageMethod
from baselines.blocks import ContentEncoder, ConvBlock, Decoder, Mlp, StyleEncoder, kaiming_init, l1
from baselines.settings import FunitSettings
from baselines.trainee import BaselineTrainee, Networks, Scalars, Tensors, pool, shuffled
from models.rng import seeded_normal
from models.training.losses import r1
from models.training.rng import StepRNG
from models.training.trainee import Batch


class FewShotGen(nn.Module):
    """Content encoder, class encoder and AdaIN decoder (Sec. 3.1; Fig. 2)."""

    def __init__(
        self,
        dim: int = 64,
        mlp_dim: int = 256,
        latent_dim: int = 64,
        blocks: int = 2,
        downs_content: int = 3,
        downs_class: int = 4,
        mlp_layers: int = 3,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.enc_class_model = StyleEncoder(downs_class, dim, latent_dim)
        self.enc_content = ContentEncoder(downs_content, blocks, dim)
        self.dec = Decoder(downs_content, blocks, self.enc_content.out_dim, "in")
        self.mlp = Mlp(latent_dim, self.dec.n_parameters, mlp_dim, mlp_layers)

    def decode(self, content: Tensor, code: Tensor) -> Tensor:
        """Content and class code (N, latent) or (N, latent, 1, 1) -> (N, 3, S, S) in [-1, 1]."""
        return self.dec(content, self.mlp(code))

    def class_code(self, shots: Tensor) -> Tensor:
        """(N, K, 3, S, S) -> (N, latent, 1, 1), the mean over the K pictures of each row (Sec. 3.1)."""
        codes = self.enc_class_model(shots.flatten(0, 1))
        return codes.unflatten(0, shots.shape[:2]).mean(1)

    def forward(self, image: Tensor, shots: Tensor) -> Tensor:
        """One picture (1, 3, S, S) translated to the class of K pictures (K, 3, S, S)."""
        return self.decode(self.enc_content(image), self.class_code(shots[None]))


class ActFirst(nn.Module):
    """Leaky ReLU (0.2) first, residual. In the published code that ReLU is in place: where the width stays, the
    shortcut carries the *activated* tensor; where it changes, a 1x1 convolution sees the tensor from before it."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv_0, self.conv_1 = (ConvBlock(n_in, n, 3, 1, 1, act="none") for n in (min(n_in, n_out), n_out))
        if n_in != n_out:
            self.conv_s = ConvBlock(n_in, n_out, 1, act="none")
            self.conv_s.conv = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.widens = n_in != n_out

    def forward(self, x: Tensor) -> Tensor:
        hot = F.leaky_relu(x, 0.2)
        out = self.conv_1(F.leaky_relu(self.conv_0(hot), 0.2, inplace=True))
        return out + (self.conv_s(x) if self.widens else hot)


class Halve(nn.Module):
    """Reflection pad by 1, 3x3 mean at stride 2."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 2)


class ClassDis(nn.Module):
    """Patch discriminator with one response map a class (Sec. 3.2): (N, 3, S, S), (N,) -> map (N, h, w), features."""

    def __init__(self, dim: int = 64, blocks: int = 10, classes: int = 119, widest: int = 1024) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {"0": ConvBlock(3, dim, 7, 1, 3, act="none")}
        stages, place, width = blocks // 2, 1, dim
        for stage in range(stages):
            wide = min(2 * width, widest)
            layers[str(place)], layers[str(place + 1)] = ActFirst(width, width), ActFirst(width, wide)
            if stage < stages - 1:
                # The published list has the padding as an entry of its own before the pooling.
                layers[str(place + 2)], layers[str(place + 3)] = nn.Identity(), Halve()
            place, width = place + 4, wide
        self.cnn_f = nn.Sequential()
        for name, layer in layers.items():
            self.cnn_f.add_module(name, layer)
        self.cnn_c = nn.Sequential(ConvBlock(width, classes, 1, act="none"))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # The features are those *after* the last leaky ReLU: it is in place in the published code.
        feature = F.leaky_relu(self.cnn_f(x), 0.2)
        last: Any = self.cnn_c[0]
        weight, bias = last.conv.weight, last.conv.bias
        # Only the wanted class's map is computed, not all of them.
        return torch.einsum("nchw,nc->nhw", feature, weight[y, :, 0, 0]) + bias[y, None, None], feature


def accuracy(response: Tensor, positive: bool) -> Tensor:
    """Share of the map on its right side of 0."""
    return ((response >= 0) if positive else (response < 0)).float().mean()


def gradient_penalty(response: Tensor, real: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018) of the batch's *mean* response, as published; unweighted."""
    return r1(response / response.numel(), real)


def generator_losses(gen: Any, dis: Any, part: Tensors) -> Scalars:
    """`adv`, `x_rec` (Eq. 3), `c_rec` and `m_rec` (Eq. 4, of reconstruction and translation), `acc`."""
    xa, la, xb, lb = (part[name] for name in ("xa", "la", "xb", "lb"))
    content = gen.enc_content(xa)
    code_a, code_b = gen.enc_class_model(torch.cat((xa, xb))).chunk(2)
    both = gen.decode(torch.cat((content, content)), torch.cat((code_b, code_a)))
    rebuilt = both[len(xa) :]
    response, feature = dis(both, torch.cat((lb, la)))
    with torch.no_grad():
        _, real = dis(torch.cat((xb, xa)), torch.cat((lb, la)))
    made_b, made_a = feature.mean((2, 3)).chunk(2)
    real_b, real_a = real.mean((2, 3)).chunk(2)
    return {
        "adv": -response.mean(),  # Eq. 2, hinge form
        "x_rec": l1(rebuilt, xa),  # Eq. 3
        "c_rec": l1(made_a, real_a),  # Eq. 4
        "m_rec": l1(made_b, real_b),
        "acc": accuracy(response, True),
    }


def discriminator_losses(gen: Any, dis: Any, part: Tensors) -> Scalars:
    """`fake`, `real` (hinge) and `reg` (unweighted penalty), `acc`."""
    with torch.no_grad():
        fake = gen.decode(gen.enc_content(part["xa"]), gen.enc_class_model(part["xb"]))
    xb = part["xb"].detach().requires_grad_()
    on_real, _ = dis(xb, part["lb"])
    on_fake, _ = dis(fake, part["lb"])
    return {
        "fake": F.relu(1 + on_fake).mean(),
        "real": F.relu(1 - on_real).mean(),
        "reg": gradient_penalty(on_real, xb),
        "acc": (accuracy(on_fake, False) + accuracy(on_real, True)) / 2,
    }


class FunitTrainee(BaselineTrainee):
    """D step, G step, moving average; RMSprop 1e-4. Content and class pictures come from all classes alike, as published."""

    settings: FunitSettings

    def __init__(self, settings: FunitSettings, device: torch.device) -> None:
        settings = settings.model_copy(update={"classes": 1 + settings.art_domains})
        nets = networks(settings)
        gen = nets.pop("gen_test")
        dis = ClassDis(settings.dis_dim, settings.dis_blocks, settings.classes, settings.dis_widest)
        kaiming_init(gen, dis)
        nets = {"gen": gen, "dis": dis, "gen_ema": copy.deepcopy(gen)}
        super().__init__(settings, nets, device)
        self.optimizers = {
            name: torch.optim.RMSprop(nets[name].parameters(), lr=settings.lr, weight_decay=1e-4)
            for name in ("dis", "gen")
        }

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        batch = self.begin(batch, draws)
        s, gen, dis = self.settings, self.networks["gen"], self.networks["dis"]
        images, labels = pool(batch, self.art_domain(batch))
        half = len(images) // 2
        first, second = (shuffled(draws, name, len(images))[:half].to(images.device) for name in ("content", "class"))
        tensors = {"xa": images[first], "la": labels[first], "xb": images[second], "lb": labels[second]}

        def on_dis(part: Tensors) -> tuple[Tensor, Scalars]:
            d = discriminator_losses(gen, dis, part)
            # The penalty is on the gradient of the *batch's* mean, so a part's is larger by the square of its share.
            d["reg"] = d["reg"] * (len(part["xa"]) / half) ** 2
            return s.gan_w * (d["fake"] + d["real"]) + s.penalty_w * d["reg"], {f"d_{k}": v for k, v in d.items()}

        def on_gen(part: Tensors) -> tuple[Tensor, Scalars]:
            g = generator_losses(gen, dis, part)
            total = s.gan_w * g["adv"] + s.recon_w * g["x_rec"] + s.feature_w * (g["c_rec"] + g["m_rec"])  # Eq. 1
            return total, {f"g_{k}": v for k, v in g.items()}

        seen = self.update(("dis",), tensors, on_dis) | self.update(("gen",), tensors, on_gen)
        self.average("gen", s.ema)
        return seen

    def method(self) -> Funit:
        return Funit({"gen_test": self.networks["gen_ema"]}, self.settings.size)


class Funit(ImageMethod):
    """Reference-guided with K pictures a face, (N, 3, S, S) or (N, K, 3, S, S); latent-guided by random class codes.

    FUNIT has no prior over codes: the latent mode feeds N(0, I) codes to its decoder, as the BlendGAN paper did for
    Table 3.

    Args:
        networks: `gen_test`, the moving average.
        resolution: side of the pictures.
    """

    modes = frozenset({"latent", "reference"})
    divisor = 8
    least = 32

    def __init__(self, parts: Networks, resolution: int = 128, trained: bool = True) -> None:
        self.gen = parts["gen_test"]
        self.resolution = resolution
        self.name = "FUNIT" if trained else "FUNIT (untrained)"

    def _styles(self, style: Tensor, count: int) -> Tensor:
        if style.ndim == 5:
            super()._styles(style.flatten(0, 1), count * style.shape[1])
            return style
        return super()._styles(style, count)[:, None]

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        code = seeded_normal(seeds, (self.gen.latent_dim, 1, 1), images.device, "style")
        return self.gen.decode(self.gen.enc_content(images), code)

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        shots = style if style.ndim == 5 else style[:, None]
        return self.gen.decode(self.gen.enc_content(images), self.gen.class_code(shots))


def networks(settings: FunitSettings) -> Networks:
    """What inference needs: `gen_test`, the moving average in the published `gen_*.pt`."""
    s = settings
    return {
        "gen_test": FewShotGen(s.dim, s.mlp_dim, s.latent_dim, s.blocks, s.downs_content, s.downs_class, s.mlp_layers)
    }


def build(settings: FunitSettings, device: torch.device) -> FunitTrainee:
    """Networks, losses and schedule for the training loop."""
    return FunitTrainee(settings, device)


def method(parts: Networks, settings: FunitSettings, **options: Any) -> Funit:
    """The adapter over loaded networks."""
    return Funit(parts, settings.size, **options)
