"""What every style works with: its numbers and accidents, the developed picture, palettes, paper, strokes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from aahq.painted.portraits.canvas import BACKGROUND, FACE, HAIR, LIPS, SKIN, Array, Canvas, blur, luma, noise
from aahq.painted.portraits.factors import Factors


@dataclass(frozen=True)
class Brushwork:
    """An artist at work: style factors in [0, 1], a generator for accidents, and the family's name."""

    style: Factors
    rng: np.random.Generator
    family: str

    def __getitem__(self, name: str) -> float:
        return self.style[name]

    def between(self, name: str, low: float, high: float) -> float:
        """A style factor stretched to [low, high]."""
        return low + (high - low) * self.style[name]


def develop(canvas: Canvas, exposure: float = 1.0) -> Array:
    """Linear light to display values with a soft shoulder. (H, W, 3)."""
    x = np.maximum(canvas.rgb, 0) * np.float32(1.0 * exposure)
    x = x * (1 + x * np.float32(0.06)) / (1 + x * np.float32(0.24))
    return np.clip(x, 0, 1) ** np.float32(1 / 2.2)


def graded(image: Array, hand: Brushwork, amount: float = 1.0) -> Array:
    """The style's own colour mood: warmth, saturation, and darks and lights drawn towards two related hues."""
    grey = luma(image)[..., None]
    saturation = 1 + amount * (hand["saturation"] - 0.4) * 0.9
    out = grey + (image - grey) * np.float32(saturation)
    hue = hand["palette"]
    dark, light = tint(hue), tint(hue + 0.45 + 0.1 * hand["warmth"])
    pull = np.float32(0.30 * amount * hand["palette_strength"])
    target = (dark * (1 - grey) + light * grey) * (0.35 + 0.9 * grey)
    out = out * (1 - pull) + target * pull
    warm = (hand["warmth"] - 0.5) * 0.10 * amount
    out = out * np.array([1 + warm, 1.0, 1 - warm], np.float32)
    steep = 1 + amount * (hand["contrast"] - 0.4) * 0.35
    return np.clip((out - 0.5) * np.float32(steep) + 0.5, 0, 1)


def tint(hue: float) -> Array:
    """A soft display colour of a hue (any number; whole parts are dropped)."""
    wave = np.cos(2 * np.pi * (hue % 1.0 - np.array([0.0, 1 / 3, 2 / 3])))
    return (0.56 + 0.40 * wave).astype(np.float32)


def paper(canvas: Canvas, hand: Brushwork, rough: float = 1.0) -> Array:
    """The tooth of a paper: mean 0, about -1 to 1. (H, W)."""
    unit = canvas.unit
    coarse = noise(hand.rng, canvas.height, canvas.width, max(0.045 * unit * (0.7 + hand["paper"]), 1.5), 2)
    fine = noise(hand.rng, canvas.height, canvas.width, 1.0, 1)
    return np.clip(0.62 * coarse + 0.35 * fine, -2, 2) * np.float32(0.6 * rough)


def flow(image: Array, sigma: float) -> tuple[Array, Array]:
    """The direction along which brightness changes least, (cos, sin) of (H, W), from the smoothed structure tensor."""
    grey = luma(image)
    gx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3)
    gy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3)
    xx, yy, xy = (blur(g, sigma) for g in (gx * gx, gy * gy, gx * gy))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.float32(np.pi / 2)
    return np.cos(angle), np.sin(angle)


def along(texture: Array, direction: tuple[Array, Array], length: float, steps: int = 6) -> Array:
    """Smear a texture along a direction field (line integral convolution). Same shape."""
    height, width = texture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    out = texture.copy()
    stride = np.float32(length / steps)
    for sign in (1, -1):
        px, py = x, y
        for _ in range(steps):
            cx = cv2.remap(direction[0], px, py, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            cy = cv2.remap(direction[1], px, py, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            px, py = px + sign * stride * cx, py + sign * stride * cy
            out += cv2.remap(texture, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return out / np.float32(2 * steps + 1)


def smooth_regions(image: Array, radius: float, rounds: int = 2) -> Array:
    """Flatten texture but keep edges (bilateral filter)."""
    d = int(max(5, min(2 * round(radius) + 1, 15)))
    factor = max(radius / 6, 1.0)
    small = image
    if factor > 1.3:
        size = (max(int(image.shape[1] / factor), 8), max(int(image.shape[0] / factor), 8))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for _ in range(rounds):
        small = cv2.bilateralFilter(small, d, 0.13, d / 2)
    if small.shape == image.shape:
        return small
    rough = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    edge = np.clip(np.abs(luma(image) - luma(blur(image, 0.6 * factor))) * 7, 0, 1)[..., None]
    return rough + (image - rough) * edge


def kuwahara(image: Array, radius: int) -> Array:
    """Four-quadrant Kuwahara filter: each pixel takes the mean of its calmest neighbouring square."""
    side = radius + 1
    grey = luma(image)
    mean = cv2.blur(image, (side, side))
    spread = cv2.blur(grey * grey, (side, side)) - cv2.blur(grey, (side, side)) ** 2
    half = side // 2 + 1
    best, out = None, None
    for dy in (-half, half):
        for dx in (-half, half):
            move = np.array([[1, 0, -dx], [0, 1, -dy]], np.float32)
            size = image.shape[1::-1]
            s = cv2.warpAffine(spread, move, size, borderMode=cv2.BORDER_REFLECT)
            m = cv2.warpAffine(mean, move, size, borderMode=cv2.BORDER_REFLECT)
            if best is None or out is None:
                best, out = s, m
            else:
                better = s < best
                best = np.where(better, s, best)
                out = np.where(better[..., None], m, out)
    assert out is not None
    return out


def contours(canvas: Canvas, tone: Array, width: float) -> Array:
    """Drawn outlines: edges of parts and steps of tone, and the features' own lines. (H, W) 0 to 1."""
    part = canvas.part
    same = np.where((part == SKIN) | (part == LIPS), FACE, part).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    step = (cv2.dilate(same, kernel) != cv2.erode(same, kernel)).astype(np.float32)
    step *= np.where((part == BACKGROUND) | (part == HAIR), 0.9, 0.75).astype(np.float32)
    outline = np.clip(blur(step, 0.4 * width) * 1.7, 0, 1)
    fine = blur(tone, 0.5 * width) - blur(tone, 1.3 * width)
    dark = np.clip(-fine * 14 - 0.12, 0, 1)
    return np.clip(np.maximum(np.maximum(outline, canvas.lines), dark), 0, 1)


def lit(height_map: Array, strength: float) -> Array:
    """Light from the upper left on a relief of paint: about 1. (H, W)."""
    gx = cv2.Sobel(height_map, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    gy = cv2.Sobel(height_map, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    return 1 + np.clip(-(gx + gy) * np.float32(strength), -0.35, 0.35)


def grain(hand: Brushwork, canvas: Canvas, amount: float) -> Array:
    """Fine noise, (H, W, 1)."""
    return (hand.rng.standard_normal((canvas.height, canvas.width, 1), dtype=np.float32)) * np.float32(amount)
