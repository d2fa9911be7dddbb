"""Dry media: pastel and charcoal, which catch on the tooth of the paper."""

from __future__ import annotations

import numpy as np

from aahq.painted.portraits.canvas import BACKGROUND, Array, Canvas, blur, luma, noise, smoothstep
from aahq.painted.portraits.styles.brush import strokes
from aahq.painted.portraits.styles.hand import (
    Brushwork,
    along,
    contours,
    develop,
    flow,
    graded,
    paper,
    smooth_regions,
    tint,
)


def pastel(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    picture = graded(smooth_regions(develop(canvas, 1.15), 0.03 * unit), hand, 1.1)
    sheet = 0.55 * tint(hand["palette"] + 0.3) * np.float32(0.55) + 0.42
    ground = 0.45 * np.broadcast_to(sheet, picture.shape) + 0.55 * blur(picture, 0.10 * unit)
    widths = (0.13 * unit, 0.065 * unit, max(0.028 * unit, 1.0))
    out, cover = strokes(canvas, picture, ground, hand, widths, 5.0, 0.03)
    out = out + (picture - out) * (0.6 * canvas.care)[..., None]
    rough = paper(canvas, hand, 1.4)
    caught = smoothstep(-0.75, 0.10, rough + 0.9 * cover + 0.9 * canvas.care - 0.35)
    out = sheet + (out - sheet) * (0.30 + 0.70 * caught)[..., None]
    chalk = 0.95 * out + 0.05
    streak = along(noise(hand.rng, canvas.height, canvas.width, 1.2, 1), flow(picture, 0.1 * unit), 0.12 * unit)
    return chalk * (1 + 0.06 * streak * (1 - 0.6 * canvas.care))[..., None]


def charcoal(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    tone = luma(develop(canvas, 1.12))
    tone = np.clip((tone - 0.5) * hand.between("contrast", 1.1, 1.5) + 0.52, 0, 1)
    back = blur((canvas.part == BACKGROUND).astype(np.float32), 0.06 * unit)
    smoke = noise(hand.rng, canvas.height, canvas.width, 0.7 * unit, 3)
    tone = tone + (np.clip(0.72 + 0.10 * smoke, 0, 1) - tone) * 0.65 * back
    rough = paper(canvas, hand, 1.2)
    diagonal = np.full_like(tone, np.cos(-0.9)), np.full_like(tone, np.sin(-0.9))
    hatch = along(noise(hand.rng, canvas.height, canvas.width, max(0.02 * unit, 1.0), 2), diagonal, 0.35 * unit)
    body = blur(tone, 0.035 * unit)
    tone = body + (tone - body) * (0.7 + 0.8 * canvas.care)
    tooth = (0.085 * rough + 0.085 * hatch) * (1 - 0.6 * canvas.care)
    dark = smoothstep(0.98, 0.10, tone + tooth * (0.4 + 1.2 * tone * (1 - tone) * 4))
    line = contours(canvas, body, 0.020 * unit + 0.4) * np.clip(0.75 + 0.4 * rough, 0, 1)
    dark = np.clip(np.maximum(dark * 0.93, line * 0.9), 0, 0.97)
    toned = hand["paper"] > 0.45
    sheet: Array = np.array([0.77, 0.69, 0.57], np.float32) if toned else np.array([0.95, 0.93, 0.89], np.float32)
    sheet = sheet * (1 + 0.03 * rough)[..., None]
    coal: Array = np.array([0.09, 0.08, 0.08], np.float32)
    if hand["palette"] > 0.6:
        coal = np.array([0.33, 0.12, 0.06], np.float32)
    out = sheet + (coal - sheet) * dark[..., None]
    if toned:
        chalk = smoothstep(0.70, 0.95, tone + 0.10 * rough) * (1 - back) * np.clip(0.85 + 0.5 * rough, 0, 1)
        out = out + (np.array([0.98, 0.96, 0.92], np.float32) - out) * (0.75 * chalk)[..., None]
    return out
