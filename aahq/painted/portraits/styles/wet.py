"""Wet media: watercolour on paper, colour in plaster."""

from __future__ import annotations

import cv2
import numpy as np

from aahq.painted.portraits.canvas import BACKGROUND, Array, Canvas, blur, luma, noise, smoothstep
from aahq.painted.portraits.styles.hand import Brushwork, contours, develop, graded, kuwahara, paper, smooth_regions


def _bleed(image: Array, canvas: Canvas, hand: Brushwork, amount: float) -> Array:
    """Let edges wander like wet pigment."""
    unit = canvas.unit
    calm = 1 - 0.85 * canvas.care
    dx = noise(hand.rng, canvas.height, canvas.width, 0.28 * unit, 3) * calm * np.float32(amount)
    dy = noise(hand.rng, canvas.height, canvas.width, 0.28 * unit, 3) * calm * np.float32(amount)
    x, y = np.meshgrid(np.arange(canvas.width, dtype=np.float32), np.arange(canvas.height, dtype=np.float32))
    return cv2.remap(image, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def watercolour(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    picture = graded(develop(canvas, 1.22), hand, 0.9)
    flat = smooth_regions(kuwahara(picture, max(2, int(0.035 * unit))), 0.05 * unit)
    flat = _bleed(flat, canvas, hand, 0.035 * unit)
    flat = flat + (picture - flat) * (0.55 * canvas.care)[..., None]
    tone = luma(flat)
    levels = 6
    washes = (
        np.floor(tone * levels + 0.20 * noise(hand.rng, canvas.height, canvas.width, 0.35 * unit, 3)) / levels + 0.08
    )
    washes = blur(washes.astype(np.float32), 0.010 * unit + 0.4)
    density = 1 - (0.58 * flat + 0.42 * flat * (washes / np.maximum(tone, 0.06))[..., None])
    # Pigment gathers where a wash ends and in the hollows of the paper, and thins in blooms.
    edge = np.clip(np.abs(blur(washes, 0.012 * unit + 0.5) - blur(washes, 0.045 * unit + 0.8)) * 4.0, 0, 0.45)
    rough = paper(canvas, hand)
    bloom = noise(hand.rng, canvas.height, canvas.width, 0.9 * unit, 4)
    strength = 0.98 + edge * hand.between("stroke", 0.7, 1.3) + 0.10 * rough + 0.16 * bloom * (1 - canvas.care)
    density = density * strength[..., None]
    where = _painted_area(canvas, hand)
    sheet = np.array([0.985, 0.972, 0.94], np.float32) * (1 + 0.018 * rough)[..., None]
    pencil = contours(canvas, luma(picture), 0.018 * unit + 0.4) * np.clip(0.55 + 0.35 * rough, 0, 1)
    out = sheet * (1 - np.clip(density, 0, 0.97) * where[..., None])
    return out * (1 - hand.between("density", 0.15, 0.45) * pencil[..., None] * np.array([0.75, 0.8, 0.8], np.float32))


def _painted_area(canvas: Canvas, hand: Brushwork) -> Array:
    """The washes' ragged edge towards the white border of the sheet."""
    height, width = canvas.part.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    border = np.minimum(np.minimum(x, width - 1 - x) / width, np.minimum(y, height - 1 - y) / height)
    ragged = border + 0.028 * noise(hand.rng, height, width, 0.16 * width, 4)
    edge = smoothstep(0.030, 0.042, ragged)
    dark_rim = 0.20 * np.exp(-(((ragged - 0.046) / 0.008) ** 2))
    back = (canvas.part == BACKGROUND).astype(np.float32)
    fade = 1 - back * hand.between("paper", 0.0, 0.45)
    return edge * (1 + dark_rim) * blur(fade, 0.02 * canvas.unit)


def fresco(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    height, width = canvas.part.shape
    picture = graded(develop(canvas), hand, 0.8)
    picture = kuwahara(picture, max(2, int(0.022 * unit)))
    grey = luma(picture)[..., None]
    earth = np.array([1.05, 0.93, 0.74], np.float32)
    muted = (grey + (picture - grey) * hand.between("saturation", 0.55, 0.85)) * earth
    plaster = noise(hand.rng, height, width, 0.5 * unit, 5)
    out = 0.16 + 0.80 * muted
    worn = smoothstep(1.15, 1.8, noise(hand.rng, height, width, 0.55 * unit, 4)) * (1 - np.clip(2 * canvas.care, 0, 1))
    out = out + (np.array([0.84, 0.78, 0.68], np.float32) - out) * (0.75 * worn)[..., None]
    out = out * (1 + 0.045 * plaster + 0.04 * paper(canvas, hand))[..., None]
    cracks = _cracks(canvas, hand) * (1 - 0.75 * np.clip(1.5 * canvas.care, 0, 1))
    out = out * (1 - 0.55 * cracks[..., None])
    line = contours(canvas, luma(picture), 0.02 * unit + 0.4)
    return out * (1 - 0.42 * line[..., None] * np.array([0.7, 0.85, 0.95], np.float32))


def _cracks(canvas: Canvas, hand: Brushwork) -> Array:
    """Craquelure: the borders of random cells, broken up."""
    height, width = canvas.part.shape
    seeds = np.full((height, width), 255, np.uint8)
    count = int(hand.between("density", 60, 170))
    seeds[hand.rng.integers(0, height, count), hand.rng.integers(0, width, count)] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    cell: Array = labels.astype(np.float32)
    wander = 0.035 * canvas.unit
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    dx, dy = (noise(hand.rng, height, width, 0.12 * canvas.unit, 3) * np.float32(wander) for _ in range(2))
    cell = cv2.remap(cell, x + dx, y + dy, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    kernel = np.ones((2, 2), np.uint8)
    border = (cv2.dilate(cell, kernel) != cv2.erode(cell, kernel)).astype(np.float32)
    broken = smoothstep(-0.5, 0.5, noise(hand.rng, height, width, 0.4 * canvas.unit, 3))
    return blur(border * broken, 0.5)
