"""The named numbers that a seed stands for: those behind an identity, a moment (pose, expression, light) and a style."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Factors = dict[str, float]

# Each kind of seed draws from a stream of its own, so that identity 7 and style 7 have nothing in common.
_IDENTITY, _MOMENT, _STYLE, _TEXTURE = 101, 102, 103, 104

HAIR_STYLES = ("crop", "side part", "bob", "long", "waves", "curls", "bun", "bald")


def stream(kind: int, *seeds: int) -> np.random.Generator:
    """A generator for one kind of seed; seeds are any integers (negative ones are folded)."""
    return np.random.default_rng([kind, *(seed & 0xFFFFFFFFFFFF for seed in seeds)])


def texture_stream(identity: int, style: int, variation: int) -> np.random.Generator:
    """The generator for strokes, grain and other accidents of one portrait."""
    return stream(_TEXTURE, identity, style, variation)


def identity_factors(identity: int) -> Factors:
    """Geometry, skin, hair and age of one person. Lengths are in distances between the pupils, ratios around 1."""
    rng = stream(_IDENTITY, identity)

    def around(middle: float, spread: float) -> float:
        return float(middle + spread * np.clip(rng.standard_normal(), -2.0, 2.0))

    masculine = float(rng.beta(0.7, 0.7))
    age = float(np.clip(18 + 55 * rng.beta(1.2, 2.0), 18, 75))
    melanin = float(rng.beta(1.1, 1.7))
    grey = float(np.clip((age - 42) / 30 + 0.15 * rng.standard_normal(), 0, 1)) if age > 38 else 0.0
    fair = float(rng.random()) * (1 - melanin) ** 0.7
    red = float(rng.random() ** 3) * (1 - melanin)
    odds = np.array([1.4 + masculine, 1.5, 1.0, 1.5, 1.4, 1.2, 0.7, 0.5])
    odds *= np.where(masculine > 0.6, [1.6, 1.4, 0.15, 0.25, 0.3, 0.7, 0.1, 1.6], [0.6, 1, 1, 1.2, 1.2, 1, 1, 0.05])
    hair = int(rng.choice(len(HAIR_STYLES), p=odds / odds.sum()))
    return {
        "masculine": masculine,
        "age": age,
        "melanin": melanin,
        "skin_warmth": around(0.5, 0.18),
        "freckles": float(max(0.0, rng.random() - 0.72) / 0.28) * (1 - melanin),
        "face_width": around(1.0, 0.045),
        "face_length": around(1.0, 0.045),
        "jaw_width": around(0.925 + 0.08 * masculine, 0.045),
        "chin_width": around(0.86 + 0.16 * masculine, 0.10),
        "cheekbone": around(1.0, 0.30),
        "eye_size": around(1.10 - 0.07 * masculine, 0.06),
        "eye_open": around(1.0, 0.10),
        "eye_tilt": around(0.0, 0.018),
        "brow_height": around(1.03 - 0.12 * masculine, 0.10),
        "brow_thickness": around(0.85 + 0.5 * masculine, 0.18),
        "brow_arch": around(1.0, 0.30),
        "nose_length": around(1.0, 0.06),
        "nose_width": around(0.96 + 0.08 * masculine, 0.10),
        "nose_height": around(1.0, 0.16),
        "mouth_width": around(1.0, 0.07),
        "lip_upper": around(1.04 - 0.12 * masculine, 0.16),
        "lip_lower": around(1.02 - 0.06 * masculine, 0.14),
        "mouth_height": around(1.0, 0.035),
        "iris_hue": float(rng.random()),
        "hair_style": float(hair),
        "hair_fair": fair,
        "hair_red": red,
        "hair_grey": grey,
        "hair_volume": around(1.0, 0.13),
        "hair_wave": float(rng.random()),
        "hair_part": float(rng.uniform(-1, 1)),
        "fringe": float(rng.random()),
        "beard": float(max(0.0, rng.random() - 0.55) / 0.45) if masculine > 0.6 else 0.0,
        "makeup": float(rng.random()) * (1 - masculine) ** 1.5,
        "neck_width": around(0.60 + 0.14 * masculine, 0.03),
        "collar": float(rng.integers(5)),
        "cloth_hue": float(rng.random()),
        "cloth_chroma": float(rng.beta(1.5, 1.5)),
        "cloth_light": float(rng.beta(1.3, 1.6)),
        "earrings": float(rng.random() < 0.45 * (1 - masculine)),
    }


def moment_factors(identity: int, variation: int, pose: float = 1.0, backdrops: Sequence[int] = range(6)) -> Factors:
    """Pose (degrees), expression (0 to 1), light and backdrop: what differs between two pictures of one person.

    Args:
        pose: factor on the three angles.
        backdrops: the kinds of background to choose from.
    """
    rng = stream(_MOMENT, identity, variation)
    smile = float(rng.beta(1.2, 1.6))
    return {
        "pose_yaw": pose * float(np.clip(9.0 * rng.standard_normal(), -20, 20)),
        "pose_pitch": pose * float(np.clip(3.5 * rng.standard_normal(), -8, 8)),
        "pose_roll": pose * float(np.clip(5.0 * rng.standard_normal(), -13, 13)),
        "expression": smile,
        "mouth_open": float(max(0.0, rng.random() - 0.55) * (0.6 + 0.8 * smile)),
        "brow_raise": float(np.clip(0.3 * rng.standard_normal(), -0.6, 0.8)),
        "gaze": float(np.clip(0.18 * rng.standard_normal(), -0.5, 0.5)),
        "light_side": float(rng.choice([-1, 1]) * rng.uniform(0.25, 0.95)),
        "light_height": float(rng.uniform(0.30, 0.75)),
        "light_warmth": float(rng.uniform(0, 1)),
        "light_contrast": float(rng.uniform(0.25, 0.9)),
        "light": float(rng.uniform(0.88, 1.12)),
        "background": float(backdrops[int(rng.integers(6)) % len(backdrops)]),
        "background_hue": float(rng.random()),
        "background_light": float(rng.beta(1.3, 1.5)),
    }


def style_factors(style: int) -> Factors:
    """Palette, texture and stroke of one style; every value is in [0, 1] and each family reads it its own way."""
    rng = stream(_STYLE, style)
    names = ("palette", "palette_strength", "saturation", "contrast", "warmth", "texture", "stroke", "density", "paper")
    return {name: float(rng.random()) for name in names}
