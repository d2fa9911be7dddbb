"""BlendGAN: networks, weights, training and the `Method` interface.

`from models import BlendGAN, StyleEncoder, load_checkpoint, ...`: each name is imported when it is asked for, so that
light commands never wait for PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.inference.pretrained import Pretrained, load_blendgan, load_psp
    from models.method import Face, Method
    from models.networks.blendgan import BlendGAN
    from models.networks.discriminators import Discriminator, ProjectionDiscriminator
    from models.networks.psp import PSPEncoder
    from models.networks.style_encoder import Projector, StyleEncoder
    from models.networks.stylegan2 import Generator
    from models.weights.loading import load_checkpoint, save_weights
    from models.weights.reading import read_checkpoint

_WHERE = {
    "BlendGAN": "models.networks.blendgan",
    "Discriminator": "models.networks.discriminators",
    "Face": "models.method",
    "Generator": "models.networks.stylegan2",
    "Method": "models.method",
    "PSPEncoder": "models.networks.psp",
    "Pretrained": "models.inference.pretrained",
    "ProjectionDiscriminator": "models.networks.discriminators",
    "Projector": "models.networks.style_encoder",
    "StyleEncoder": "models.networks.style_encoder",
    "load_blendgan": "models.inference.pretrained",
    "load_checkpoint": "models.weights.loading",
    "load_psp": "models.inference.pretrained",
    "read_checkpoint": "models.weights.reading",
    "save_weights": "models.weights.loading",
}

__all__ = [
    "BlendGAN",
    "Discriminator",
    "Face",
    "Generator",
    "Method",
    "PSPEncoder",
    "Pretrained",
    "ProjectionDiscriminator",
    "Projector",
    "StyleEncoder",
    "load_blendgan",
    "load_checkpoint",
    "load_psp",
    "read_checkpoint",
    "save_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
