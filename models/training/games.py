"""BlendGAN's three games: what the discriminators and the generator lose in each (section 3.3, Eq. 6-10)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.networks.discriminators import Discriminator, ProjectionDiscriminator
from models.training.blendgan_settings import BlendGANSettings
from models.training.losses import d_logistic, g_nonsaturating, r1
from models.training.style_latent import Styles, consistency_d, consistency_g, projection_d, projection_g
from models.training.updates import DTYPES


class Games:
    """The discriminators that the settings ask for, and their losses.

    Pictures are (N, 3, S, S), already augmented; losses are scalars.

    Attributes:
        networks: those of "d_face", "d_style" and "d_style_latent" that play.
        weights: of the games in Eq. 9-10; 0 means that the game is not played.
        on_pairs: D_style_latent sees real pairs, and its logit without a code is D_style's.
    """

    def __init__(self, settings: BlendGANSettings, code: int, channels: Mapping[int, int]) -> None:
        self.settings = settings
        self.half = DTYPES.get(settings.precision)
        self.weights = {
            "d_face": settings.face_weight,
            "d_style": settings.style_weight,
            "d_style_latent": settings.style_latent_weight,
        }
        self.on_pairs = settings.style_latent_game == "projection" and settings.style_latent_weight > 0
        self.networks: dict[str, nn.Module] = {}
        if settings.face_weight:
            self.networks["d_face"] = Discriminator(settings.size, channels)
        if settings.style_weight and not self.on_pairs:
            self.networks["d_style"] = Discriminator(settings.size, channels)
        self.judge: ProjectionDiscriminator | None = None
        if settings.style_latent_weight:
            self.judge = ProjectionDiscriminator(settings.size, code, channels)
            self.networks["d_style_latent"] = self.judge
        for network in self.networks.values():
            network.shared = True  # type: ignore[assignment]

    def _sum(self, losses: Mapping[str, Tensor], like: Tensor) -> Tensor:
        return sum((self.weights[name] * value for name, value in losses.items()), like.new_zeros(()))

    def discriminator_loss(
        self, real: Mapping[str, Tensor], natural: Tensor, stylised: Tensor, styles: Styles
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminators' half, weighted, and by name: every game's loss and the mean sign of its real logits.

        Args:
            real: pictures of "photo" and, in the style games, of "art".
            natural, stylised: the generator's, detached.
        """
        losses: dict[str, Tensor] = {}
        signs: dict[str, Tensor] = {}

        def play(name: str, real_logits: Tensor, fake_logits: Tensor) -> None:
            losses[name] = d_logistic(real_logits, fake_logits)
            signs[f"{name}_real_sign"] = real_logits.detach().sign().mean()

        for name, domain, fake in (("d_face", "photo", natural), ("d_style", "art", stylised)):  # Eq. 6, Eq. 7
            if name in self.networks:
                network = self.networks[name]
                play(name, network(real[domain], self.half), network(fake, self.half))
        if self.judge is not None and not self.on_pairs:  # Eq. 8
            losses["d_style_latent"] = consistency_d(self.judge, self.judge.hidden(stylised, self.half), styles)
        elif self.judge is not None:
            works, generated = (self.judge.hidden(pictures, self.half) for pictures in (real["art"], stylised))
            losses["d_style_latent"] = projection_d(self.judge, works, generated, styles)
            if self.weights["d_style"]:
                play("d_style", self.judge.l_out(works), self.judge.l_out(generated))
        named = {f"{name}_loss": value.detach() for name, value in losses.items()}
        return self._sum(losses, natural), named | signs

    def gradient_penalty(self, real: Mapping[str, Tensor], own: Tensor) -> Tensor:
        """R1 on every discriminator that sees real pictures.

        Args:
            own: (N, code) codes of the art pictures, for the game on pairs.
        """
        total = own.new_zeros(())
        for name, domain in (("d_face", "photo"), ("d_style", "art")):
            if name in self.networks:
                pictures = real[domain].detach().requires_grad_(True)
                total = total + r1(self.networks[name](pictures, self.half), pictures)
        if self.judge is not None and self.on_pairs:
            pictures = real["art"].detach().requires_grad_(True)
            total = total + r1(self.judge(pictures, own, self.half), pictures)
        return total

    def generator_loss(self, natural: Tensor, stylised: Tensor, styles: Styles) -> Tensor:
        """The generator's half of Eq. 6-8, weighted as in Eq. 9-10."""
        losses: dict[str, Tensor] = {}
        for name, fake in (("d_face", natural), ("d_style", stylised)):
            if name in self.networks:
                losses[name] = g_nonsaturating(self.networks[name](fake, self.half))
        if self.judge is not None:
            h = self.judge.hidden(stylised, self.half)
            if self.on_pairs:
                losses["d_style_latent"] = projection_g(self.judge, h, styles)
                losses["d_style"] = g_nonsaturating(self.judge.l_out(h))
            else:
                losses["d_style_latent"] = consistency_g(self.judge, h, styles, self.settings.sees_negative)
        return self._sum(losses, torch.cat([natural, stylised]))

    def missed_features(self, made: Mapping[str, Tensor], pictures: Mapping[str, Tensor]) -> Tensor:
        """Mean absolute difference of the discriminators' feature maps between reproductions and their pictures.

        A feature map says what is at a place rather than of which colour each pixel is, so that a detail a pixel off costs
        little and one that is missing costs much (Larsen et al. 2016, https://arxiv.org/abs/1512.09300; all resolutions
        below the pictures' own count alike).

        Args:
            made, pictures: (N, 3, S, S) of "photo" and, in the style games, of "art", in one order.
        """
        missed = []
        for name, domain in (("d_face", "photo"), ("d_style", "art"), ("d_style_latent", "art")):
            if name in self.networks and domain in made:
                network = self.networks[name]
                assert isinstance(network, Discriminator | ProjectionDiscriminator)
                with torch.no_grad():
                    aims = network.maps(pictures[domain], self.half)[1:]
                maps = network.maps(made[domain], self.half)[1:]
                missed += [(one.float() - aim.float()).abs().mean() for one, aim in zip(maps, aims)]
        return torch.stack(missed).mean() if missed else next(iter(made.values())).new_zeros(())
