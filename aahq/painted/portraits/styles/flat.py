"""Photograph-like, and styles of flat shapes: cel, low-poly, stained glass, screen print."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import Delaunay

from aahq.painted.portraits.canvas import BACKGROUND, EYES, HAIR, Array, Canvas, blur, luma, noise, smoothstep
from aahq.painted.portraits.styles.hand import Brushwork, contours, develop, graded, grain, kuwahara, paper, tint


def natural(canvas: Canvas, hand: Brushwork) -> Array:
    image = develop(canvas, hand.between("contrast", 0.94, 1.06))
    glow = blur(np.clip(image - 0.72, 0, 1), 0.10 * canvas.unit)
    image = image + 0.35 * glow
    image = image * np.array([1 + 0.04 * (hand["warmth"] - 0.5), 1, 1 - 0.05 * (hand["warmth"] - 0.5)], np.float32)
    height, width = canvas.part.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    vignette = 1 - 0.14 * np.clip((x * x + y * y) - 0.7, 0, 1.3)
    return image * vignette[..., None] + grain(hand, canvas, 0.006 + 0.006 * hand["texture"])


def cel(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    flat = np.clip(canvas.flat, 0, 1) ** np.float32(1 / 2.2)
    flat = kuwahara(blur(flat, 0.02 * unit), max(2, int(0.03 * unit)))
    image = develop(canvas, 1.1)
    ratio = luma(blur(image, 0.022 * unit)) / np.maximum(luma(flat), 0.08)
    shade, deep = hand.between("contrast", 0.74, 0.86), hand.between("contrast", 0.48, 0.56)
    soft = 0.03
    step = (
        0.60 + 0.22 * smoothstep(deep - soft, deep + soft, ratio) + 0.20 * smoothstep(shade - soft, shade + soft, ratio)
    )
    step += 0.12 * smoothstep(1.12, 1.16, ratio)
    grey = luma(flat)[..., None]
    bright = np.clip(grey + (flat - grey) * hand.between("saturation", 1.15, 1.6), 0, 1) * 1.03
    cool = np.array([0.86, 0.80, 1.02], np.float32)
    out = bright * step[..., None]
    out = out * (1 + (cool - 1) * smoothstep(0.98, 0.7, step)[..., None])
    out = graded(out, hand, 0.6)
    exact = (canvas.part == EYES).astype(np.float32)
    out = out + (graded(np.clip(image * 1.1, 0, 1), hand, 0.4) - out) * np.maximum(exact, 0.35 * canvas.care)[..., None]
    line = smoothstep(0.28, 0.55, contours(canvas, luma(image), hand.between("stroke", 0.022, 0.034) * unit + 0.5))
    dark = np.array([0.12, 0.07, 0.09], np.float32)
    return out + (dark - out) * (0.92 * line)[..., None]


def _mesh(canvas: Canvas, hand: Brushwork, tone: Array, count: int, focus: float = 1.0) -> Array:
    """Points that gather at edges and features, for triangles. Returns (N, 2) float."""
    height, width = tone.shape
    edge = np.abs(cv2.Laplacian(blur(tone, 0.04 * canvas.unit), cv2.CV_32F))
    weight = edge / (edge.mean() + 1e-6) * 0.25 + 0.10 + focus * (5.5 * canvas.care**1.5 + 1.2 * canvas.lines)
    total = np.cumsum(weight.ravel())
    pick = np.searchsorted(total, hand.rng.random(count) * total[-1])
    points = np.stack([pick % width, pick // width], 1) + hand.rng.random((count, 2))
    t = np.linspace(0, 1, 9)
    border = np.concatenate([np.stack([t * width, 0 * t], 1), np.stack([t * width, 0 * t + height], 1),
                             np.stack([0 * t, t * height], 1), np.stack([0 * t + width, t * height], 1)])  # fmt: skip
    return np.concatenate([border, points])


def low_poly(canvas: Canvas, hand: Brushwork) -> Array:
    image = graded(develop(canvas, 1.05), hand, 1.1)
    points = np.unique(_mesh(canvas, hand, luma(image), int(hand.between("density", 1100, 2000))), axis=0)
    triangles = Delaunay(points).simplices
    soft = blur(image, 0.012 * canvas.unit)
    height, width = canvas.part.shape
    corners = points[triangles]
    # Seven samples over each triangle make its colour.
    shares = np.array([(1, 1, 1), (4, 1, 1), (1, 4, 1), (1, 1, 4), (1, 2, 2), (2, 1, 2), (2, 2, 1)], np.float64)
    shares /= shares.sum(1, keepdims=True)
    at = np.einsum("sk,nkd->nsd", shares, corners)
    xi, yi = np.clip(at[..., 0].astype(int), 0, width - 1), np.clip(at[..., 1].astype(int), 0, height - 1)
    colours = soft[yi, xi].mean(1)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    slope = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    facet = 1 + 0.035 * np.sin(slope * 0.9 + triangles[:, 0])
    out = np.zeros((height, width, 3), np.uint8)
    for ring, colour in zip(
        np.round(corners * 16).astype(np.int32), np.clip(colours * facet[:, None] * 255, 0, 255).tolist(), strict=True
    ):
        cv2.fillConvexPoly(out, ring, colour, cv2.LINE_8, 4)
    return cv2.GaussianBlur(out.astype(np.float32) / 255, (0, 0), 0.45)


def stained_glass(canvas: Canvas, hand: Brushwork) -> Array:
    unit, rng = canvas.unit, hand.rng
    height, width = canvas.part.shape
    image = graded(develop(canvas, 1.15), hand, 1.2)
    grey = luma(image)[..., None]
    image = np.clip(grey + (image - grey) * 1.55, 0, 1)
    points = _mesh(canvas, hand, grey[..., 0], int(hand.between("density", 260, 420)), 0.05)
    seeds = np.full((height, width), 255, np.uint8)
    seeds[np.clip(points[:, 1].astype(int), 0, height - 1), np.clip(points[:, 0].astype(int), 0, width - 1)] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    # Panes end where parts end: the cell and the part together name a pane.
    part = cv2.medianBlur(canvas.part, 3).astype(np.int64)
    pane = labels.astype(np.int64) * 8 + part
    _, index = np.unique(pane, return_inverse=True)
    index = index.reshape(-1)
    count = np.bincount(index).astype(np.float32)
    colours = np.stack([np.bincount(index, image[..., c].ravel()) for c in range(3)], 1) / count[:, None]
    colours = np.clip(colours * rng.normal(1.0, 0.06, (len(count), 1)) + 0.02, 0, 1)
    glass: Array = colours[index].reshape(height, width, 3).astype(np.float32)
    cell = pane.astype(np.float32) % 65521
    kernel = np.ones((3, 3), np.uint8)
    border = (cv2.dilate(cell, kernel) != cv2.erode(cell, kernel)).astype(np.float32)
    lead = np.clip(blur(border, 0.008 * unit + 0.3) * 1.25, 0, 1) * (1 - np.clip(2.2 * canvas.care, 0, 0.97))
    glow = 1 + 0.10 * noise(rng, height, width, 0.10 * unit, 3)
    drawn = np.clip(1.3 * canvas.care + 0.15, 0, 0.9)
    glass = glass + (image - glass) * drawn[..., None]
    line = np.maximum(lead * 0.92, 0.9 * smoothstep(0.35, 0.7, canvas.lines))
    out = glass * (1.06 * glow)[..., None]
    out = out + 0.22 * blur(np.clip(out - 0.5, 0, 1), 0.08 * unit)
    return out * (1 - line[..., None] * np.array([0.92, 0.91, 0.88], np.float32))


def screen_print(canvas: Canvas, hand: Brushwork) -> Array:
    unit = canvas.unit
    height, width = canvas.part.shape
    image = develop(canvas, 1.2)
    tone = np.clip((blur(luma(image), 0.012 * unit) - 0.5) * 1.25 + 0.55, 0, 1)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pitch = max(hand.between("density", 0.075, 0.052) * unit, 3.0)

    def screen(angle: float) -> Array:
        u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        return 0.5 + 0.25 * (np.cos(2 * np.pi * u / pitch) + np.cos(2 * np.pi * v / pitch))

    hue = hand["palette"]
    sheet = np.array([0.97, 0.95, 0.90], np.float32)
    skin, hair, back = tint(hue), tint(hue + 0.38), tint(hue + 0.62)
    part = canvas.part
    plates = np.where(
        (part == BACKGROUND)[..., None], back, np.where((part == HAIR)[..., None], hair, skin * 0.35 + 0.65 * sheet)
    )
    move = np.array([[1, 0, 0.012 * unit], [0, 1, -0.008 * unit]], np.float32)
    out = cv2.warpAffine(plates.astype(np.float32), move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    dots = smoothstep(-0.10, 0.10, screen(0.26) - 0.15 - tone * 0.95) * (1 - 0.5 * canvas.care)
    out = out + (skin * 0.75 - out) * (0.72 * dots)[..., None]
    line = smoothstep(0.25, 0.5, contours(canvas, tone, 0.024 * unit + 0.5))
    solid = np.maximum(smoothstep(0.30, 0.25, tone) * np.where(part == BACKGROUND, 0.0, 1.0), line)
    fine = smoothstep(0.55, 0.2, tone) * canvas.care
    dark = 0.16 * tint(hue + 0.55) + 0.01
    out = out + (dark - out) * np.clip(np.maximum(solid, fine), 0, 0.97)[..., None]
    return out * (1 + 0.02 * paper(canvas, hand))[..., None]
