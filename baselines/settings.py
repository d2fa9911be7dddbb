"""Settings of every trainable method: architecture, loss weights, rates. Defaults are the authors'; profiles bring budgets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.training.settings import LoopSettings


class BaselineSettings(LoopSettings):
    """What all five have beyond the shared loop; the channels-last layout is theirs by default, for speed.

    Attributes:
        crop_from: the pictures are read at `crop_from` times `size`, and a random square of `size` is cut from each.
        resized_crop: with this probability a random part of a picture (80 to 100 % of its area, nearly square) is
            stretched to the whole.
        art_domains: 1 trains photo -> art; more splits the art by style (the paper is silent on which it did).
        art_labels: where several art domains come from: the release's own `style` column, or k-means over colour and
            texture statistics of the pictures. The choice is part of the run's record.
    """

    channels_last: bool = True
    crop_from: float = Field(default=1.0, ge=1, le=4)
    resized_crop: float = Field(default=0.0, ge=0, le=1)
    art_domains: int = Field(default=1, ge=1, le=64)
    art_labels: Literal["style", "kmeans"] = "kmeans"

    @property
    def load_size(self) -> int:
        """Side at which the pictures are read, before the random crop."""
        return round(self.size * self.crop_from)


class AdaInSettings(BaselineSettings):
    """github.com/naoto0804/pytorch-AdaIN, train.py: crops of 256 from 512 px, no mirroring.

    `width` is the VGG's widest layer (512 in the normalised VGG). `init` "torch" starts the decoder as published; "he"
    starts it at the scale of its features, for runs of minutes.
    """

    crop_from: float = Field(default=2.0, ge=1, le=4)
    flip: bool = False
    width: int = Field(default=512, ge=32, multiple_of=8)
    vgg_weights: str = ""
    init: Literal["torch", "he"] = "torch"
    content_weight: float = Field(default=1.0, ge=0)
    style_weight: float = Field(default=10.0, ge=0)
    lr: float = Field(default=1e-4, gt=0)
    lr_decay: float = Field(default=5e-5, ge=0)
    alpha: float = Field(default=1.0, ge=0, le=1)


class MunitSettings(BaselineSettings):
    """github.com/NVlabs/MUNIT, configs/edges2handbags_folder.yaml (the repository has none for faces).

    Its crop of 256 from a short side of 256 cuts nothing from square pictures.
    """

    dim: int = Field(default=64, ge=4)
    mlp_dim: int = Field(default=256, ge=8)
    style_dim: int = Field(default=8, ge=1)
    downs: int = Field(default=2, ge=1)
    blocks: int = Field(default=4, ge=1)
    dis_dim: int = Field(default=64, ge=4)
    dis_layers: int = Field(default=4, ge=1)
    dis_scales: int = Field(default=3, ge=1)
    gan: Literal["lsgan", "nsgan"] = "lsgan"
    gan_w: float = 1.0
    recon_x_w: float = 10.0
    recon_s_w: float = 1.0
    recon_c_w: float = 1.0
    cycle_w: float = 0.0
    vgg_w: float = Field(default=0.0, ge=0)
    vgg_weights: str = ""
    lr: float = Field(default=1e-4, gt=0)
    lr_step: int = Field(default=100_000, ge=1)
    lr_gamma: float = 0.5


class FunitSettings(BaselineSettings):
    """github.com/NVlabs/FUNIT, configs/funit_animals.yaml: crops of 128 from 140 px.

    `classes` follows from the domains in training here.
    """

    crop_from: float = Field(default=140 / 128, ge=1, le=4)
    dim: int = Field(default=64, ge=4)
    mlp_dim: int = Field(default=256, ge=8)
    latent_dim: int = Field(default=64, ge=2)
    blocks: int = Field(default=2, ge=1)
    downs_content: int = Field(default=3, ge=1)
    downs_class: int = Field(default=4, ge=2)
    mlp_layers: int = Field(default=3, ge=2)
    dis_dim: int = Field(default=64, ge=4)
    dis_blocks: int = Field(default=10, ge=2, multiple_of=2)
    dis_widest: int = Field(default=1024, ge=8)
    classes: int = Field(default=2, ge=2)
    gan_w: float = 1.0
    recon_w: float = 0.1
    feature_w: float = 1.0
    penalty_w: float = 10.0
    lr: float = Field(default=1e-4, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)


class DritSettings(BaselineSettings):
    """github.com/HsinYingLee/DRIT, src/options.py; the README recommends concat=0 for photograph <-> painting.

    Crops of 216 from 256 px. `content_layers` is the number of 7x7 stride-2 layers of the content discriminator (3 needs
    sides of 209 or more). `init` "normal" is the published N(0, 0.02); "he" starts with codes that differ, where there are
    no hundred thousand steps to grow them in.
    """

    crop_from: float = Field(default=256 / 216, ge=1, le=4)
    dim: int = Field(default=64, ge=4)
    latent: int = Field(default=8, ge=1)
    concat: bool = True
    mode_seeking: bool = True
    dis_scales: int = Field(default=3, ge=1)
    dis_layers: int = Field(default=4, ge=1)
    spectral_norm: bool = False
    content_layers: int = Field(default=3, ge=0)
    content_steps: int = Field(default=3, ge=1)
    init: Literal["normal", "he"] = "normal"
    lr: float = Field(default=1e-4, gt=0)
    lr_content: float = Field(default=4e-5, gt=0)
    decay_from: float = Field(default=0.5, ge=0, le=1)


class MdmmSettings(DritSettings):
    """github.com/HsinYingLee/MDMM, options.py. `dis_layers` stride-2 layers (6 official) and `domains` with photo first."""

    dis_layers: int = Field(default=6, ge=2)
    domains: int = Field(default=3, ge=2)
    crop: int = Field(default=216, ge=16)
    cls_w: float = 1.0
    cls_g_w: float = 5.0
    recon_w: float = 10.0


class StarGan2Settings(BaselineSettings):
    """github.com/clovaai/stargan-v2, main.py; half of the pictures go through a resized crop (`randcrop_prob`).

    `base` 0 means the published width 2^14 / size.
    """

    resized_crop: float = Field(default=0.5, ge=0, le=1)
    latent: int = Field(default=16, ge=1)
    style_dim: int = Field(default=64, ge=1)
    hidden: int = Field(default=512, ge=8)
    domains: int = Field(default=2, ge=2)
    widest: int = Field(default=512, ge=8)
    base: int = Field(default=0, ge=0)
    w_hpf: float = Field(default=0.0, ge=0)
    fan_weights: str = ""
    lambda_reg: float = 1.0
    lambda_sty: float = 1.0
    lambda_ds: float = 1.0
    lambda_cyc: float = 1.0
    ds_steps: int = Field(default=100_000, ge=1)
    lr: float = Field(default=1e-4, gt=0)
    lr_mapping: float = Field(default=1e-6, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    target: int = Field(default=1, ge=0)


MODELS: dict[str, type[BaselineSettings]] = {
    "adain": AdaInSettings,
    "munit": MunitSettings,
    "funit": FunitSettings,
    "drit": DritSettings,
    "mdmm": MdmmSettings,
    "stargan2": StarGan2Settings,
}
