"""The release's styles as one picture (Figure 8 of the paper): t-SNE of how the pictures are painted, drawn with themselves.

The features need no network and no download: statistics of colour (CIE L*a*b*) and of gradients over four scales. They tell
palettes, contrast and brushwork apart, not motifs, and they are not what the paper's VGG features are.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from aahq.release.schema import MANIFEST
from aahq.release.store import Pictures, decode_png
from aahq.release.tables import read_rows
from suite.errors import SuiteError
from suite.progress import progress

# Side at which styles are measured: brushwork is still there, and a face takes a millisecond.
SIDE = 128
SCALES, ORIENTATIONS, HUES = 4, 8, 12
PAPER = (248, 246, 242)
# Share of the grid's cells that hold a picture: enough air for the clusters to be seen.
FILLED = 0.52
# Of the width, on each side.
MARGIN = 0.03


def style_features(rgb: np.ndarray) -> np.ndarray:
    """How a picture is painted, as numbers.

    Args:
        rgb: uint8 (H, W, 3).

    Returns:
        float64 (6 + 2 * 12 + 4 * 11,): mean and deviation of L*, a*, b*; histograms of hue weighed by chroma, and of
        lightness; for each octave the log energy of gradients, their sparsity, their coherence, and their directions.
    """
    small = np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float64)
    flat = lab.reshape(-1, 3)
    chroma = np.hypot(flat[:, 1], flat[:, 2])
    hue = np.arctan2(flat[:, 2], flat[:, 1])
    hues, _ = np.histogram(hue, HUES, (-np.pi, np.pi), weights=chroma)
    lights, _ = np.histogram(flat[:, 0], HUES, (0, 100))
    parts = [
        flat.mean(axis=0) / 100,
        flat.std(axis=0) / 100,
        np.sqrt(hues / (100 * len(flat))),
        np.sqrt(lights / len(flat)),
    ]
    light = lab[..., 0] / 100
    for _ in range(SCALES):
        parts.append(_gradients(light))
        light = light.reshape(light.shape[0] // 2, 2, light.shape[1] // 2, 2).mean(axis=(1, 3))
    return np.concatenate(parts)


def _gradients(light: np.ndarray) -> np.ndarray:
    down, across = np.gradient(light)
    size = np.hypot(down, across)
    total = size.sum() + 1e-9
    # An edge has no sign: its direction is modulo half a turn.
    turn = np.arctan2(down, across) % np.pi
    directions, _ = np.histogram(turn, ORIENTATIONS, (0, np.pi), weights=size)
    coherence = np.hypot((size * np.cos(2 * turn)).sum(), (size * np.sin(2 * turn)).sum()) / total
    sparsity = np.sqrt((size**2).mean()) / (size.mean() + 1e-9) / 4
    return np.concatenate([[np.log10(size.mean() + 1e-4) / 2, sparsity, coherence], directions / total])


def embed_styles(features: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE of standardized features; float64 (N, 2) in [0, 1]."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    spread = features.std(axis=0)
    known = (features - features.mean(axis=0))[:, spread > 1e-9] / spread[spread > 1e-9]
    fewer = PCA(min(20, *known.shape), random_state=seed, svd_solver="full").fit_transform(known)
    perplexity = min(30.0, max(2.0, (len(fewer) - 1) / 4))
    points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(fewer).astype(np.float64)
    points -= points.min(axis=0)
    return points / points.max()


def style_map(
    root: Path, count: int = 1500, width: int = 2400, seed: int = 0
) -> tuple[Image.Image, list[str], np.ndarray]:
    """Draw the map of a release.

    Args:
        root: the release's folder.
        count: pictures at most; more are thinned out evenly.
        width: of the picture, pixels.
        seed: of t-SNE.

    Returns:
        The picture, the ids shown, and their places (N, 2) in [0, 1] before they were moved apart.

    Raises:
        SuiteError: fewer than five pictures.
    """
    ids, thumbs, features = _load(root, count, width)
    if len(ids) < 5:
        raise SuiteError(f"RELEASE {root}: {len(ids)} pictures; a map of styles needs 5 at least")
    points = embed_styles(np.stack(features), seed)
    return _draw(points, thumbs, width), ids, points


def _load(root: Path, count: int, width: int) -> tuple[list[str], list[Image.Image], list[np.ndarray]]:
    total = sum(bool(row["file"]) for row in read_rows(root / MANIFEST, ("file",)))
    chosen = set(np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist())
    pictured = (row for row in read_rows(root / MANIFEST, ("id", "file", "offset", "bytes")) if row["file"])
    rows = [(row["id"], row["file"], row["offset"], row["bytes"]) for n, row in enumerate(pictured) if n in chosen]
    side = _cell(len(rows), width)
    ids, thumbs, features = [], [], []
    with Pictures(root) as pictures:
        for id, file, offset, size in progress(rows, "style map", unit="faces"):
            data = pictures.read(file, offset, size)
            if data is None:
                raise SuiteError(f"RELEASE {root}: {file} is missing; 'aahq verify {root}' lists what is", 1)
            rgb = decode_png(data)
            ids.append(id)
            features.append(style_features(rgb))
            thumbs.append(Image.fromarray(rgb).resize((side - side // 16, side - side // 16), Image.Resampling.LANCZOS))
    return ids, thumbs, features


def _cell(count: int, width: int) -> int:
    """Side of a grid's cell such that `count` pictures fill the wanted share of a square."""
    return int(width * (1 - 2 * MARGIN) / np.ceil(np.sqrt(max(count, 1) / FILLED)))


def _draw(points: np.ndarray, thumbs: list[Image.Image], width: int) -> Image.Image:
    side = _cell(len(points), width)
    cells = int(width * (1 - 2 * MARGIN)) // side
    margin = (width - cells * side) // 2
    sheet = Image.new("RGB", (width, width), PAPER)
    for (x, y), thumb in zip(_places(points, cells), thumbs, strict=True):
        at = (margin + x * side + (side - thumb.width) // 2, margin + y * side + (side - thumb.height) // 2)
        sheet.paste(thumb, at, _rounded(thumb.width))
    return sheet


def _places(points: np.ndarray, cells: int) -> list[tuple[int, int]]:
    """The nearest free cell for each point, those in the middle of the map first."""
    centre = points - points.min(axis=0)
    centre += (1 - centre.max(axis=0)) / 2
    wanted = centre * (cells - 1)
    grid = (
        np.stack(np.meshgrid(np.arange(cells), np.arange(cells), indexing="xy"), axis=-1)
        .reshape(-1, 2)
        .astype(np.float64)
    )
    free = np.ones(len(grid), dtype=bool)
    out: list[tuple[int, int]] = [(0, 0)] * len(points)
    for n in np.argsort(((centre - 0.5) ** 2).sum(axis=1), kind="stable"):
        distance = ((grid - wanted[n]) ** 2).sum(axis=1)
        best = int(np.argmin(np.where(free, distance, np.inf)))
        free[best] = False
        out[n] = (int(grid[best, 0]), int(grid[best, 1]))
    return out


def _rounded(side: int) -> Image.Image:
    large = Image.new("L", (4 * side, 4 * side), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, 4 * side - 1, 4 * side - 1), radius=side // 2, fill=255)
    return large.resize((side, side), Image.Resampling.LANCZOS)
