"""Sides and widths that no network has are refused while the settings are read."""

from __future__ import annotations

import pytest

from baselines.registry import TRAINABLE
from models.training.blendgan_settings import BlendGANSettings
from models.training.psp import PSPSettings
from models.training.style_encoder import StyleEncoderSettings
from suite.errors import SuiteError
from suite.profiles import load_profile

SIDES = {
    "adain": (100, "multiple of 8; give 104"),
    "munit": (99, "multiple of 4; give 100"),
    "funit": (100, "multiple of 8; give 104"),
    "drit": (214, "multiple of 4; give 216"),
    "mdmm": (214, "multiple of 4; give 216"),
    "toonify": (48, "no power of two; give 32 or 64"),
    "stargan2": (48, "no power of two; give 32 or 64"),
}


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_side_that_no_network_has_is_refused(name: str) -> None:
    row = TRAINABLE[name]
    side, said = SIDES[name]
    for profile in ("demo", "small", "paper"):
        with pytest.raises(SuiteError, match=f"size: {side} is no .*{said.removeprefix('no ')}"):
            load_profile(row.settings, row.package, profile, [f"size={side}"])


@pytest.mark.parametrize(
    ("model", "profile", "change", "said"),
    [
        (BlendGANSettings, "blendgan-demo", "size=48", "no power of two; give 32 or 64"),
        (PSPSettings, "psp-demo", "widths=[8,8,8,8]", "multiple of 16"),
        (PSPSettings, "psp-demo", "widths=[16,16,16,20]", "multiple of 16"),
        (StyleEncoderSettings, "encoder-demo", "trunk_widths=[0,8,8,8,8]", "greater than 0"),
        (BlendGANSettings, "blendgan-demo", "lr=nan", "finite number"),
        (BlendGANSettings, "blendgan-demo", "seed=99999999999999999999", "less than or equal to"),
    ],
)
def test_odd_values_of_blendgans_stages(model: type, profile: str, change: str, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        load_profile(model, "models", profile, [change])
