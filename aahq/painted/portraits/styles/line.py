"""Line and print: brush and ink, engraving, woodcut."""

from __future__ import annotations

import numpy as np

from aahq.painted.portraits.canvas import BACKGROUND, Array, Canvas, blur, luma, noise, smoothstep
from aahq.painted.portraits.styles.hand import Brushwork, contours, develop, paper, tint


def _tone(canvas: Canvas, hand: Brushwork, exposure: float = 1.15) -> Array:
    tone = luma(develop(canvas, exposure))
    return np.clip((tone - 0.5) * hand.between("contrast", 1.05, 1.35) + 0.54, 0, 1)


def _ink_colours(hand: Brushwork) -> tuple[Array, Array]:
    sheets = np.array([(0.965, 0.945, 0.895), (0.93, 0.88, 0.77), (0.975, 0.97, 0.955)], np.float32)
    inks = np.array([(0.06, 0.06, 0.08), (0.17, 0.09, 0.05), (0.05, 0.10, 0.22), (0.22, 0.05, 0.06)], np.float32)
    return sheets[int(hand["paper"] * 2.99)], inks[int(hand["palette"] * 3.99)]


def ink(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    tone = _tone(canvas, hand)
    rough = paper(canvas, hand)
    body = blur(tone, 0.012 * unit)
    line = contours(canvas, body, hand.between("stroke", 0.018, 0.030) * unit + 0.4)
    line = smoothstep(0.22, 0.62, line + 0.06 * rough)
    back = (canvas.part == BACKGROUND).astype(np.float32)
    solid = smoothstep(0.30, 0.22, body + 0.03 * rough) * (1 - 0.8 * back)
    wash = 0.50 * smoothstep(0.62, 0.50, blur(tone, 0.03 * unit)) + 0.22 * smoothstep(
        0.80, 0.74, blur(tone, 0.03 * unit)
    )
    bloom = 1 + 0.25 * noise(hand.rng, canvas.height, canvas.width, 0.5 * unit, 4)
    wash = wash * bloom * hand.between("density", 0.55, 1.0) * (1 - 0.55 * blur(back, 0.05 * unit))
    sheet, dark = _ink_colours(hand)
    out = sheet * (1 + 0.018 * rough)[..., None]
    out = out + (dark * 0.6 + sheet * 0.25 - out) * np.clip(wash, 0, 0.85)[..., None]
    out = out + (dark - out) * np.clip(np.maximum(line, solid * 0.96), 0, 0.98)[..., None]
    if hand["saturation"] > 0.55:
        colour = develop(canvas, 1.3)
        out = out * (
            0.72 + 0.28 * blur(colour, 0.05 * unit) / np.maximum(luma(blur(colour, 0.05 * unit)), 0.2)[..., None]
        )
    return out


def engraving(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    height, width = canvas.part.shape
    tone = np.clip(_tone(canvas, hand, 1.12) - 0.02, 0, 1)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wobble = noise(hand.rng, height, width, 0.6 * unit, 2) * 0.010 * unit
    # The lines bend over the form as a burin's do: depth shifts their phase.
    bend = blur(canvas.depth, 0.03 * unit) * 0.42
    pitch = max(hand.between("density", 0.058, 0.042) * unit, 2.6)
    ink_amount = np.zeros_like(tone)
    angle = hand.between("stroke", -0.35, 0.35)
    sharp = 1.3 / pitch
    passes = ((angle, 0.96, 0.0), (angle + 1.15, 0.66, 0.0), (angle - 0.75, 0.38, 0.0))
    for turn, start, floor in passes:
        phase = (-x * np.sin(turn) + y * np.cos(turn) + bend + wobble) / pitch
        wave = np.abs(phase - np.floor(phase) - 0.5) * 2
        wide = np.clip((start - tone) / start, floor, 1) * 0.86
        ink_amount = np.maximum(ink_amount, smoothstep(1 - wide - sharp, 1 - wide + sharp, wave) * (wide > 0.03))
    line = smoothstep(0.25, 0.65, contours(canvas, blur(tone, 0.012 * unit), 0.018 * unit + 0.4))
    ink_amount = np.maximum(ink_amount, np.maximum(line, smoothstep(0.16, 0.08, tone)))
    fine = canvas.care * 0.55
    ink_amount = ink_amount * (1 - fine) + np.maximum(line, 1 - smoothstep(0.05, 0.85, tone)) * fine
    sheet, dark = _ink_colours(hand)
    rough = paper(canvas, hand)
    out = sheet * (1 + 0.02 * rough)[..., None]
    return out + (dark - out) * np.clip(ink_amount * (0.93 + 0.06 * rough), 0, 1)[..., None]


def woodcut(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    height, width = canvas.part.shape
    tone = blur(_tone(canvas, hand), 0.014 * unit)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bend = blur(canvas.depth, 0.05 * unit) * 0.30
    wobble = noise(hand.rng, height, width, 0.35 * unit, 2) * 0.03 * unit
    pitch = max(hand.between("density", 0.11, 0.075) * unit, 3.5)
    phase = (y * 0.95 + x * hand.between("stroke", -0.3, 0.3) + bend + wobble) / pitch
    gouge = np.abs(phase - np.floor(phase) - 0.5) * 2 - 0.5
    carve = 0.22 * gouge * (1 - 0.8 * canvas.care)
    line = smoothstep(0.2, 0.55, contours(canvas, tone, 0.030 * unit + 0.5))
    key_block = np.maximum(smoothstep(0.40, 0.34, tone + carve), line)
    mid_block = smoothstep(0.68, 0.62, tone + 0.7 * carve)
    light_block = smoothstep(0.87, 0.82, tone + 0.5 * carve)
    hue = hand["palette"]
    sheet = np.array([0.95, 0.91, 0.82], np.float32)
    light = sheet * (0.62 + 0.38 * tint(hue + 0.05))
    middle = tint(hue) * np.array([0.92, 0.84, 0.80], np.float32)
    dark = 0.18 * tint(hue + 0.5) + 0.02
    grainy = noise(hand.rng, height, width, max(0.02 * unit, 1.0), 2)
    worn = np.clip(1 - 0.10 * smoothstep(0.8, 1.6, grainy), 0, 1)
    out: Array = np.broadcast_to(sheet, (height, width, 3))
    back = blur((canvas.part == BACKGROUND).astype(np.float32), 0.6)
    for colour, block in ((light, light_block), (middle, mid_block), (dark, key_block * (1 - 0.35 * back))):
        out = out + (colour - out) * (np.clip(block, 0, 1) * worn)[..., None]
    return out
