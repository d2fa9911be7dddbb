"""What BlendGAN's training can be told (section 3.3-3.4, appendix A.1); the profiles give the values."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from models.training.grouped_settings import GroupedSettings


class BlendGANSettings(GroupedSettings):
    """Settings of BlendGAN. Values marked open are not given in the paper.

    Attributes:
        style_dim, n_mlp: of both mapping networks.
        channel_multiplier, widest: feature maps by resolution (`models.networks.stylegan2.channel_table`).
        channel_base: if not 0, feature maps are channel_base / resolution, at most `widest`, instead.
        encoder: path of the style encoder's weights; "" needs `gram_codes`.
        gram_codes: use concatenated Gram matrices as style codes (appendix A.4's ablation); `encoder` gives the trunk.
        stylegan2: path of a StyleGAN2 checkpoint, or the folder of a run of the face game alone (style_weight and
            style_latent_weight 0), that `G` and `D_face` start from; "" starts from random weights.
        warmup_steps: for so many steps the generator learns to reproduce pictures from codes, without a game
            (`models.training.warmup`); for small data without a StyleGAN2 to start from.
        warmup_lr: Adam's rate in these steps, betas (0.9, 0.99); the encoder of faces takes a quarter of it, since the
            generator's layers scale their weights down.
        warmup_kl: weight of the codes' divergence from N(0, I), per nat, beside the mean absolute difference of pixels.
        warmup_match: at the end of these steps, turn the codes so that those of all pictures together have mean 0 and
            covariance I, which the divergence alone does not reach at small weights; the generator's first layer turns
            back.
        recolour: the encoder of faces sees works of art in other colours (`models.training.warmup.recoloured`).
        reproduced: after these steps, share of the pictures of each game that are still reproductions: the codes of the
            step's own pictures by the warm-up's encoder, which learns no more.
        reproduced_weight: of their reconstruction loss in the generator's.
        reproduced_features: weight of what they miss in the discriminators' feature maps
            (`models.training.games.Games.missed_features`).
        blend_start: share of the style in every layer at the beginning (alpha of Eq. 4; the authors start from 0).
        lr: Adam's rate before the correction for lazy regularisation, betas (0, 0.99).
        anneal: over this last share of the steps the rates of the games fall linearly to 0; 0 keeps them.
        face_weight, style_weight, style_latent_weight: of the three games in Eq. 9-10 (open: 1 each); 0 switches a
            discriminator off (the ablation).
        sees_negative: the generator also plays against inconsistent codes in Eq. 8 (open: no).
        style_latent_game: "consistency" is Eq. 8 as printed. In "projection", D_style_latent also sees works with their own
            and with other codes (`models.training.style_latent`), and its logit without a code is D_style's, so that one
            discriminator plays both games.
        queue: how many earlier style codes negatives are drawn from (open: 4096).
        latent_style: share of stylised samples whose code is drawn from N(0, I) instead of encoded, in D_style's and
            D_style_latent's games (open: 0, as Eq. 7-8 are written).
        noise: feed noise to the synthesis layers, as StyleGAN2 does; without it their learned strengths stay 0.
        mixing: probability that two face codes are mixed.
        r1_gamma, r1_every: R1 on D_face and D_style.
        path_weight, path_every, path_shrink: path-length regularisation; it sees `batch / path_shrink` pictures.
        ema_decay: of the averaged generator, per step.
        ema_ramp: if not 0, the average's half-life is at most this share of the steps so far (StyleGAN2-ADA takes 0.05).
        augment: "ada" adapts the strength of geometric augmentation to small data.
    """

    power_of_two: ClassVar[bool] = True

    style_dim: int = Field(default=512, ge=8)
    n_mlp: int = Field(default=8, ge=1)
    channel_multiplier: float = Field(default=2, gt=0)
    widest: int = Field(default=512, ge=4)
    channel_base: int = Field(default=0, ge=0)
    encoder: str = ""
    gram_codes: bool = False
    stylegan2: str = ""
    warmup_steps: int = Field(default=0, ge=0)
    warmup_lr: float = Field(default=0.003, gt=0)
    warmup_kl: float = Field(default=5e-5, ge=0)
    warmup_match: bool = False
    recolour: bool = False
    reproduced: float = Field(default=0.0, ge=0, le=1)
    reproduced_weight: float = Field(default=40.0, ge=0)
    reproduced_features: float = Field(default=0.0, ge=0)
    blend_start: float = Field(default=0.0, ge=0, le=1)
    lr: float = Field(default=0.002, gt=0)
    anneal: float = Field(default=0.0, ge=0, le=1)
    face_weight: float = Field(default=1.0, ge=0)
    style_weight: float = Field(default=1.0, ge=0)
    style_latent_weight: float = Field(default=1.0, ge=0)
    sees_negative: bool = False
    style_latent_game: Literal["consistency", "projection"] = "consistency"
    queue: int = Field(default=4096, ge=1)
    latent_style: float = Field(default=0.0, ge=0, le=1)
    noise: bool = True
    mixing: float = Field(default=0.9, ge=0, le=1)
    r1_gamma: float = Field(default=10.0, ge=0)
    r1_every: int = Field(default=16, ge=1)
    path_weight: float = Field(default=2.0, ge=0)
    path_every: int = Field(default=4, ge=1)
    path_shrink: int = Field(default=2, ge=1)
    ema_decay: float = Field(default=0.5 ** (32 / 10000), ge=0, lt=1)
    ema_ramp: float = Field(default=0.0, ge=0)
    augment: str = Field(default="none", pattern="^(none|ada)$")
