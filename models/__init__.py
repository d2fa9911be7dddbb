"""BlendGAN: networks, weights, training and the `Method` interface.

`from models import BlendGAN, StyleEncoder, load_checkpoint, ...`: each name is imported when it is asked for, so that
light commands never wait for PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.blendgan import BlendGAN
    from models.discriminators import Discriminator, ProjectionDiscriminator
    from models.method import Face, Method
    from models.pretrained import Pretrained, load_blendgan, load_psp
    from models.psp import PSPEncoder
    from models.style_encoder import Projector, StyleEncoder
    from models.stylegan2 import Generator
    from models.weights.loading import load_checkpoint, save_weights
    from models.weights.reading import read_checkpoint

_WHERE = {
    "BlendGAN": "models.blendgan",
    "Discriminator": "models.discriminators",
    "Face": "models.method",
    "Generator": "models.stylegan2",
    "Method": "models.method",
    "PSPEncoder": "models.psp",
    "Pretrained": "models.pretrained",
    "ProjectionDiscriminator": "models.discriminators",
    "Projector": "models.style_encoder",
    "StyleEncoder": "models.style_encoder",
    "load_blendgan": "models.pretrained",
    "load_checkpoint": "models.weights.loading",
    "load_psp": "models.pretrained",
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
