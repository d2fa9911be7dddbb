"""Features of two published vision transformers: DINOv2 for FD-DINOv2, CLIP for CMMD. Optional: the extra `features`.

FD-DINOv2 is the Fréchet distance of DINOv2 ViT-L/14 class tokens at 224 px (Stein et al. 2023, arXiv 2306.04675, Sec. 3).
CMMD is a Gaussian-kernel MMD of normalised CLIP ViT-L/14 image embeddings at 336 px (Jayasumana et al. 2024, arXiv
2401.09603, Sec. 4).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.metrics.extractors.features import Extractor, checked_weights
from models.weights.registry import entry
from suite.errors import SuiteError

# facebook/dinov2-large and openai/clip-vit-large-patch14-336 (vision part), as their config.json files say.
DINOV2 = {
    "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "mlp_ratio": 4, "image_size": 518,
    "patch_size": 14, "layer_norm_eps": 1e-6, "layerscale_value": 1.0,
}  # fmt: skip
CLIP = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 336, "patch_size": 14, "projection_dim": 768, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_PIXELS = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def _side(size: Any) -> int:
    """The side of the square pictures that a configuration names by one number."""
    return int(size)


class NormalisedPixels(Extractor):
    """What vision transformers share: resize as 8-bit bicubic, the network's own pixel norm."""

    resize = "torch-bicubic-antialias to 8 bits"

    def __init__(self, network: nn.Module, weights_sha256: str, pixels: Any, device: str) -> None:
        self.weights_sha256 = weights_sha256
        self.device = torch.device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)
        mean, std = (torch.tensor(part, device=self.device).view(1, 3, 1, 1) for part in pixels)
        self._mean, self._std = mean, std

    def pixels(self, pictures: Tensor) -> Tensor:
        """(N, 3, size, size) float32 as the network was trained on, from uint8."""
        x = pictures.to(self.device).float()
        if x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True, align_corners=False)
            x = x.round().clamp(0, 255)
        return (x / 255 - self._mean) / self._std


class DinoV2(NormalisedPixels):
    """Class tokens of DINOv2 after the last norm: (N, 1024).

    Args:
        state: tensors in the layout of Hugging Face's `Dinov2Model`.
        config: another architecture than the published one; its distance carries another name.
    """

    def __init__(
        self, state: dict[str, Tensor], sha256: str, device: str = "cpu", config: dict[str, Any] | None = None
    ) -> None:
        import transformers

        shape = transformers.Dinov2Config(**(config or DINOV2))
        network = _network(transformers.Dinov2Model, shape, state, "dinov2")
        self.name, self.size, self.dim = "dinov2", 224, shape.hidden_size
        self.fd_name = "FD-DINOv2" if config is None else "FD-dinov2-other"
        self.kernel_name = self.fd_name.replace("FD", "KD", 1)
        self.licence = entry("dinov2").license
        super().__init__(network, sha256, IMAGENET, device)

    def embed(self, pictures: Tensor) -> Tensor:
        answer: Tensor = self.network(pixel_values=self.pixels(pictures)).last_hidden_state[:, 0]
        return answer


class Clip(NormalisedPixels):
    """Image embeddings of CLIP, of length 1: (N, 768).

    Args:
        state: tensors in the layout of Hugging Face's `CLIPModel`; its text part is not read.
        config: another architecture than the published one; its distance carries another name.
    """

    fd_name = "FD-clip"
    kernel = "gaussian"

    def __init__(
        self, state: dict[str, Tensor], sha256: str, device: str = "cpu", config: dict[str, Any] | None = None
    ) -> None:
        import transformers

        shape = transformers.CLIPVisionConfig(**(config or CLIP))
        own = {key: value for key, value in state.items() if key.startswith(("vision_model.", "visual_projection."))}
        own = {key: value for key, value in own.items() if not key.endswith("position_ids")}
        network = _network(transformers.CLIPVisionModelWithProjection, shape, own, "clip")
        self.name, self.size, self.dim = "clip", _side(shape.image_size), shape.projection_dim
        self.kernel_name = "CMMD" if config is None else "CMMD-other"
        self.licence = entry("clip").license
        super().__init__(network, sha256, CLIP_PIXELS, device)

    def embed(self, pictures: Tensor) -> Tensor:
        answer: Tensor = self.network(pixel_values=self.pixels(pictures)).image_embeds
        return F.normalize(answer, dim=1)


def _network(kind: Any, config: Any, state: dict[str, Tensor], name: str) -> nn.Module:
    """A network with exactly the given tensors; the library reads its older names too."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        network, report = kind.from_pretrained(None, config=config, state_dict=state, output_loading_info=True)
        wrong = sorted(map(str, {*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]}))
    except RuntimeError as error:
        wrong = [str(error)]
    if wrong:
        words = " ".join(f"{len(wrong)} tensors missing, left over or of another shape: {wrong[0]}".split())[:200]
        raise SuiteError(f"{entry(name).file}: not {entry(name).what} ({words})")
    return network.float()


def open_dinov2(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> DinoV2:
    """The published DINOv2."""
    return DinoV2(*_tensors("dinov2", folder, offline), device)


def open_clip(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> Clip:
    """The published CLIP."""
    return Clip(*_tensors("clip", folder, offline), device)


def _tensors(name: str, folder: Path | None, offline: bool) -> tuple[dict[str, Tensor], str]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file, sha256 = checked_weights(name, folder, offline)
    try:
        return load_file(file), sha256
    except SafetensorError as error:
        raise SuiteError(f"{file}: not a safetensors file ({error}); delete it and run again") from None
