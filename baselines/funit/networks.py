"""FUNIT: Liu et al., "Few-Shot Unsupervised Image-to-Image Translation", ICCV 2019. https://arxiv.org/abs/1905.01723.

Content comes from one picture, the class code is the mean over K pictures of a class.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import ContentEncoder, ConvBlock, Decoder, Mlp, StyleEncoder
from baselines.funit.settings import FunitSettings
from baselines.shapes import Parts, axis, count
from baselines.training_module import Networks


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


def settings_in(parts: Parts) -> dict[str, Any]:
    """The settings that a published file follows, from its keys and shapes."""
    downs = count(parts, "gen_test", "enc_content.model.{}.conv.weight", 1)
    return {
        "dim": axis(parts, "gen_test", "enc_content.model.0.conv.weight", 0),
        "mlp_dim": axis(parts, "gen_test", "mlp.model.0.fc.weight", 0),
        "latent_dim": axis(parts, "gen_test", "mlp.model.0.fc.weight", 1),
        "blocks": count(parts, "gen_test", f"enc_content.model.{downs + 1}.model.{{}}.model.0.conv.weight"),
        "downs_content": downs,
        "downs_class": count(parts, "gen_test", "enc_class_model.model.{}.conv.weight", 1),
        "mlp_layers": count(parts, "gen_test", "mlp.model.{}.fc.weight"),
    }


def networks(settings: FunitSettings) -> Networks:
    """What inference needs: `gen_test`, the moving average in the published `gen_*.pt`."""
    s = settings
    return {
        "gen_test": FewShotGen(s.dim, s.mlp_dim, s.latent_dim, s.blocks, s.downs_content, s.downs_class, s.mlp_layers)
    }
