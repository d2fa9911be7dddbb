"""FD-DINOv2 and CMMD through networks of the published architectures, made small, with weights of no meaning."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from benchmark.metrics.extractors import check_installed, open_extractor
from benchmark.metrics.extractors.transformer_features import CLIP, DINOV2, Clip, DinoV2
from benchmark.metrics.mmd import gaussian_influence
from models.weights.registry import entry
from suite.errors import SuiteError

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="needs the extra 'features'")

SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL_DINO = {**DINOV2, **SMALL, "image_size": 56}
SMALL_CLIP = {**CLIP, **SMALL, "intermediate_size": 64, "image_size": 56, "projection_dim": 16}


def random_state(network: torch.nn.Module) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {key: torch.randn(value.shape, generator=draw) * 0.2 for key, value in network.state_dict().items()}


def small_dino() -> torch.nn.Module:
    from transformers import Dinov2Config, Dinov2Model

    return Dinov2Model(Dinov2Config(**SMALL_DINO))


@pytest.fixture(scope="module")
def dino_state() -> dict[str, Tensor]:
    return random_state(small_dino())


@pytest.fixture(scope="module")
def clip_state() -> dict[str, Tensor]:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return random_state(CLIPVisionModelWithProjection(CLIPVisionConfig(**SMALL_CLIP)))


PICTURES = torch.randint(0, 256, (6, 3, 70, 70), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_dinov2_gives_the_class_token_of_resized_pictures(dino_state: dict[str, Tensor]) -> None:
    features = DinoV2(dino_state, "0" * 64, config=SMALL_DINO)(PICTURES)
    assert features.shape == (6, 32)
    # Pillow's own bicubic and the library's own network; one grey level of the resize is 0.02 in its inputs.
    network = small_dino().eval()
    network.load_state_dict(dino_state)
    resized = [
        torch.frombuffer(
            bytearray(
                Image.fromarray(p.permute(1, 2, 0).numpy()).resize((224, 224), Image.Resampling.BICUBIC).tobytes()
            ),
            dtype=torch.uint8,
        ).view(224, 224, 3)
        for p in PICTURES
    ]
    x = torch.stack(resized).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        expected = network((x - mean) / std).last_hidden_state[:, 0]
    torch.testing.assert_close(features, expected, atol=0.02, rtol=0.02)


def test_the_published_file_names_are_read(dino_state: dict[str, Tensor]) -> None:
    """facebook/dinov2-large was saved before the library renamed its attention tensors."""
    names = {
        "q_proj": "attention.query",
        "k_proj": "attention.key",
        "v_proj": "attention.value",
        "o_proj": "output.dense",
    }

    def older(key: str) -> str:
        for now, then in names.items():
            key = key.replace(f"attention.{now}.", f"attention.{then}.")
        return key

    older_state = {older(key): value for key, value in dino_state.items()}
    found, again = (DinoV2(s, "0" * 64, config=SMALL_DINO)(PICTURES) for s in (dino_state, older_state))
    assert torch.equal(found, again)


def test_clip_gives_unit_embeddings_and_leaves_text_aside(clip_state: dict[str, Tensor]) -> None:
    whole = {**clip_state, "logit_scale": torch.ones(()), "text_model.x": torch.ones(1)}
    whole["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    features = Clip(whole, "0" * 64, config=SMALL_CLIP)(PICTURES)
    assert features.shape == (6, 16)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(6))
    assert gaussian_influence(features, features)[0] == pytest.approx(0, abs=1e-9)


def test_only_the_published_architecture_has_the_published_name(
    clip_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Clip(clip_state, "0" * 64, config=SMALL_CLIP).kernel_name == "CMMD-other"
    with pytest.raises(SuiteError, match=r"clip_vitl14_336\.safetensors: not CLIP ViT-L/14"):
        Clip({"visual_projection.weight": clip_state["visual_projection.weight"]}, "0" * 64, config=SMALL_CLIP)
    # ViT-L takes half a minute to build on a small machine: the published shape is made small instead.
    monkeypatch.setattr("benchmark.metrics.extractors.transformer_features.CLIP", SMALL_CLIP)
    assert Clip(clip_state, "0" * 64).kernel_name == "CMMD"


def test_what_is_missing_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path))
    with pytest.raises(SuiteError, match=r"dinov2_vitl14\.safetensors from https://"):
        open_extractor("dinov2", offline=True)
    save_file({"x": torch.ones(1)}, tmp_path / entry("dinov2").file)
    (tmp_path / entry("clip").file).write_bytes(b"half of a file")
    with pytest.raises(SuiteError, match="not a safetensors file"):
        open_extractor("clip", offline=True)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SuiteError, match=r"aahq-blendgan\[features\].*clip_vitl14_336\.safetensors"):
        check_installed("clip")
