"""Painting with the brush: oil, impressionism, gouache, points."""

from __future__ import annotations

import cv2
import numpy as np

from aahq.painted.portraits.canvas import Array, Canvas, blur, noise
from aahq.painted.portraits.styles.hand import Brushwork, along, develop, flow, graded, kuwahara, lit, smooth_regions


def strokes(
    canvas: Canvas,
    picture: Array,
    ground: Array,
    hand: Brushwork,
    layers: tuple[float, ...],
    reach: float,
    jitter: float,
) -> tuple[Array, Array]:
    """Cover `ground` with curved strokes of the picture's colours, from broad to fine.

    Args:
        picture: (H, W, 3) what to paint, display values. ground: (H, W, 3) what it is painted on.
        layers: stroke widths in pixels, broad first; the finer ones gather where `care` and detail ask.
        reach: length over width. jitter: how far a stroke's colour strays.

    Returns:
        (picture (H, W, 3), height of the paint (H, W)).
    """
    rng, height, width = hand.rng, canvas.height, canvas.width
    out = np.round(np.clip(ground, 0, 1) * 255).astype(np.uint8)
    dir_x, dir_y = flow(picture, max(0.08 * canvas.unit, 1.5))
    for level, broad in enumerate(layers):
        soft = blur(picture, 0.35 * broad)
        spacing = max(0.62 * broad, 1.0)
        count = int(height * width / spacing**2 / (1.0 if level == 0 else 1.7))
        x, y = rng.random(count) * width, rng.random(count) * height
        if level:
            detail = blur(np.abs(luma_of(picture) - luma_of(soft)), 0.6 * broad) * 18
            want = np.clip(canvas.care * 1.4 + detail - 0.12, 0.02, 1)
            keep = rng.random(count) < want[y.astype(int), x.astype(int)]
            x, y = x[keep], y[keep]
        lines = _walk(x, y, dir_x, dir_y, reach * broad, rng)
        xi, yi = np.clip(x.astype(int), 0, width - 1), np.clip(y.astype(int), 0, height - 1)
        tone = soft[yi, xi] + rng.normal(0, jitter, (len(x), 1)) + rng.normal(0, 0.5 * jitter, (len(x), 3))
        colours = np.clip(tone * 255, 0, 255)
        points = np.round(lines * 16).astype(np.int32)
        thick = max(1, round(broad))
        for line, colour in zip(points, colours.tolist(), strict=True):
            cv2.polylines(out, [line], False, colour, thick, cv2.LINE_AA, 4)
    done = out.astype(np.float32) * np.float32(1 / 255)
    # Neighbouring strokes differ a little in colour: that difference, enlarged, is the paint's relief.
    tone = luma_of(done)
    return done, np.clip(0.5 + 5 * (tone - blur(tone, max(layers[0] * 0.5, 1.0))), 0, 1)


def luma_of(image: Array) -> Array:
    return image @ np.array([0.30, 0.59, 0.11], np.float32)


def _walk(x: Array, y: Array, dir_x: Array, dir_y: Array, length: float, rng: np.random.Generator) -> Array:
    """Polylines (N, 5, 2) that follow the direction field through (x, y)."""
    height, width = dir_x.shape
    step = length * rng.uniform(0.6, 1.3, len(x)) / 4
    halves = []
    for sign in (-1.0, 1.0):
        px, py = x.copy(), y.copy()
        points = []
        for _ in range(2):
            i, j = np.clip(py.astype(int), 0, height - 1), np.clip(px.astype(int), 0, width - 1)
            px, py = px + sign * step * dir_x[i, j], py + sign * step * dir_y[i, j]
            points.append(np.stack([px, py], 1))
        halves.append(points)
    middle = np.stack([x, y], 1)
    return np.stack([halves[0][1], halves[0][0], middle, halves[1][0], halves[1][1]], 1)


def _bristles(canvas: Canvas, picture: Array, hand: Brushwork, length: float) -> Array:
    grain = noise(hand.rng, canvas.height, canvas.width, max(0.012 * canvas.unit, 1.0), 1)
    return along(grain, flow(picture, max(0.10 * canvas.unit, 1.5)), length)


def oil(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    picture = graded(smooth_regions(develop(canvas), 0.04 * unit), hand)
    ground = blur(picture, 0.15 * unit) * 0.9
    scale = hand.between("stroke", 0.7, 1.15)
    widths = (0.20 * unit * scale, 0.095 * unit * scale, max(0.04 * unit * scale, 1.2))
    out, paint = strokes(canvas, picture, ground, hand, widths, 4.0, hand.between("texture", 0.012, 0.035))
    care = np.clip(1.1 * canvas.care, 0, 0.85)[..., None]
    out = out + (kuwahara(picture, max(2, int(0.022 * unit))) - out) * care * 0.8
    bristle = _bristles(canvas, picture, hand, 0.16 * unit)
    relief = lit(0.5 * blur(paint, 0.8) + 0.22 * bristle, hand.between("texture", 0.9, 1.9))
    varnish = np.array([1.02, 0.995, 0.94], np.float32)
    return out * (1 + (relief - 1) * (1 - 0.6 * canvas.care))[..., None] * varnish


def impressionism(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    picture = graded(develop(canvas, 1.12), hand, 1.3)
    grey = luma_of(picture)[..., None]
    picture = np.clip(grey + (picture - grey) * 1.35, 0, 1)
    shade = np.clip(0.45 - grey, 0, 1)
    picture = picture + shade * np.array([0.02, 0.05, 0.22], np.float32)
    ground = np.broadcast_to(np.array([0.82, 0.74, 0.60], np.float32), picture.shape)
    scale = hand.between("stroke", 0.75, 1.1)
    widths = (0.17 * unit * scale, 0.10 * unit * scale, max(0.05 * unit * scale, 1.3), max(0.026 * unit, 1.0))
    out, paint = strokes(canvas, picture, ground, hand, widths, 2.6, hand.between("texture", 0.035, 0.07))
    out = out + (picture - out) * (0.45 * canvas.care)[..., None]
    return out * lit(blur(paint, 0.7), 0.9)[..., None]


def gouache(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    picture = graded(develop(canvas, 1.05), hand, 1.2)
    radius = max(2, int(hand.between("stroke", 0.030, 0.055) * unit))
    flat = kuwahara(kuwahara(picture, radius), max(2, radius // 2))
    tone = luma_of(flat)
    levels = hand.between("density", 7, 11)
    soft = tone * levels
    stepped = (np.floor(soft) + np.clip((soft - np.floor(soft) - 0.5) * 3 + 0.5, 0, 1)) / levels
    flat = flat * (stepped / np.maximum(tone, 0.02))[..., None]
    sharp = kuwahara(picture, 2)
    flat = flat + (sharp - flat) * (0.75 * canvas.care)[..., None]
    streaks = _bristles(canvas, picture, hand, 0.22 * unit)
    chalk = 0.94 * flat + 0.045
    return chalk * (1 + 0.055 * (0.4 + hand["texture"]) * streaks)[..., None]


def pointillism(canvas: Canvas, hand: Brushwork) -> Array:
    unit, rng = canvas.unit, hand.rng
    picture = graded(develop(canvas, 1.08), hand, 1.3)
    grey = luma_of(picture)[..., None]
    picture = np.clip(grey + (picture - grey) * 1.4, 0, 1)
    ground = np.array([0.88, 0.83, 0.74], np.float32) * 0.5 + 0.5 * blur(picture, 0.06 * unit)
    out = np.round(ground * 255).astype(np.uint8)
    height, width = canvas.part.shape
    base = max(hand.between("stroke", 0.024, 0.036) * unit, 1.1)
    for radius, careful in ((base * 1.25, False), (base * 0.95, False), (base * 0.62, True)):
        count = int(height * width / (1.9 * radius**2))
        x, y = rng.random(count) * width, rng.random(count) * height
        if careful:
            keep = canvas.care[y.astype(int), x.astype(int)] > 0.3
            x, y = x[keep], y[keep]
        tone = picture[y.astype(int), x.astype(int)]
        # Divisionism: each dot leans to a pure neighbour of its colour; side by side they mix again.
        lean = rng.normal(0, hand.between("texture", 0.05, 0.10), tone.shape)
        lean -= lean.mean(1, keepdims=True)
        colours = np.clip((tone + lean) * 255, 0, 255)
        centres = np.round(np.stack([x, y], 1) * 16).astype(np.int32)
        size = round(radius * 16)
        for centre, colour in zip(centres.tolist(), colours.tolist(), strict=True):
            cv2.circle(out, centre, size, colour, -1, cv2.LINE_AA, 4)
    dots = out.astype(np.float32) / 255
    return dots + (picture - dots) * (0.40 * canvas.care)[..., None]
