"""Near duplicates: all pairs among a million hashes, in seconds and memory, and planted copies of real paintings found."""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from aahq.dedup.embedding import embed
from aahq.dedup.hamming import near_pairs
from aahq.dedup.index import DedupIndex, Entry
from aahq.faces.align import align
from aahq.faces.find import FaceFinder
from aahq.images.hashes import phash64, pixel_sha256
from speed.align import _high_water
from speed.run import Row

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MILLION = 1_000_000
DISTANCE = 8


def rows() -> list[Row]:
    return [*join_rows(), *planted_rows()]


def hashes(count: int, planted: int, crowded: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Random hashes with planted neighbours at distance 0 to 8, some of them crowded into one value of 24 bits.

    Returns:
        uint64 (count,), and int64 (planted,2) the planted pairs.
    """
    rng = np.random.default_rng(seed)
    out = rng.integers(0, 2**64, count, dtype=np.uint64)
    out[:crowded] = (out[:crowded] & np.uint64(2**40 - 1)) | np.uint64(0xABCDEF << 40)
    pairs = rng.permutation(count)[: 2 * planted].reshape(planted, 2)
    bits = np.argsort(rng.random((planted, 64)), axis=1)[:, :DISTANCE].astype(np.uint64)
    use = np.arange(DISTANCE) < rng.integers(0, DISTANCE + 1, planted)[:, None]
    flips = np.bitwise_or.reduce(np.where(use, np.uint64(1) << bits, np.uint64(0)), axis=1)
    out[pairs[:, 1]] = out[pairs[:, 0]] ^ flips
    return out, np.sort(pairs, axis=1)


def join_rows() -> list[Row]:
    # A process of its own, so that its peak memory is its own.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, processor, peak, pairs, recall = pool.apply(_join_million)
        crowded = pool.apply(_join_crowded)
    exact = brute_recall()
    what = f"all pairs within {DISTANCE} among 1 M hashes"
    return [
        Row(
            what, processor, "s of one core", "under 60", f"{pairs} pairs; {seconds:.0f} s by the clock", processor < 60
        ),
        Row("  peak memory of the process", peak, "MB", "under 2048", "", peak < 2048),
        Row("  planted pairs found", recall, "of 1", "1", "10,000 pairs at distances 0 to 8", recall == 1),
        Row("recall against brute force, 20 k hashes, half of them crowded", exact, "of 1", "1", "", exact == 1),
        Row("100 k hashes, a tenth of them alike in 24 bits", crowded, "s", "", "flat backgrounds make such crowds"),
    ]


def _join_million() -> tuple[float, float, float, int, float]:
    values, planted = hashes(MILLION, 10_000, 0)
    start, processor = time.perf_counter(), time.process_time()
    pairs, _ = near_pairs(values, DISTANCE)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    hit = np.isin(planted[:, 0] * MILLION + planted[:, 1], pairs[:, 0] * MILLION + pairs[:, 1])
    return seconds, processor, _high_water() / 1024, len(pairs), float(hit.mean())


def _join_crowded() -> float:
    values, _ = hashes(100_000, 1000, 10_000)
    start = time.perf_counter()
    near_pairs(values, DISTANCE)
    return time.perf_counter() - start


def brute_recall() -> float:
    """Share of the pairs of an all-against-all comparison that the join finds."""
    values, _ = hashes(20_000, 2000, 10_000)
    pairs, _ = near_pairs(values, DISTANCE)
    joined = set(map(tuple, pairs.tolist()))
    every = hit = 0
    for i, value in enumerate(values):
        for j in (np.flatnonzero(np.bitwise_count(values[i + 1 :] ^ value) <= DISTANCE) + i + 1).tolist():
            every += 1
            hit += (i, j) in joined
    return hit / every


def recompressed(picture: Image.Image) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=30)
    return Image.open(data).convert("RGB")


def hue_turned(picture: Image.Image) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    return Image.merge("HSV", [hue.point(lambda v: (v + 90) % 256), saturation, value]).convert("RGB")


def cropped(picture: Image.Image) -> Image.Image:
    w, h = picture.size
    return picture.crop((round(w * 0.06), round(h * 0.04), round(w * 0.95), round(h * 0.93)))


def sketch(picture: Image.Image) -> Image.Image:
    """An early step of the work: outlines over a faint grey underpainting."""
    grey = picture.convert("L")
    lines = ImageOps.invert(grey.filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(1)))
    return Image.blend(lines, grey, 0.35).convert("RGB")


PLANTED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed (JPEG 30)": recompressed,
    "half the size": lambda p: p.resize((p.width // 2, p.height // 2), Image.Resampling.BICUBIC),
    "cropped by 11 %": cropped,
    "mirrored": ImageOps.mirror,
    "hue turned by 127 degrees": hue_turned,
    "greyscale": lambda p: p.convert("L").convert("RGB"),
    "darker, more contrast": lambda p: ImageEnhance.Contrast(ImageEnhance.Brightness(p).enhance(0.7)).enhance(1.2),
    "turned by 4 degrees": lambda p: p.rotate(4, Image.Resampling.BICUBIC),
    "in progress: blocked in, 8 colours": lambda p: p.quantize(8).convert("RGB"),
    "in progress: soft": lambda p: p.filter(ImageFilter.GaussianBlur(p.width / 120)),
    "in progress: sketch": sketch,
}


def planted_rows() -> list[Row]:
    """Recall of each kind of copy, and precision over all pairs of pictures, on the real paintings and photographs."""
    originals = sorted([*(DATA / "art").glob("*"), *(DATA / "faces").glob("*")])
    if not originals:
        return [Row("planted copies", 0, "pictures", "", "../shared/data is absent; nothing was measured")]
    finder, entries = FaceFinder(), []
    for path in originals:
        with Image.open(path) as image:
            picture = image.convert("RGB")
        # Copies on the web are small; it also keeps the run short.
        picture.thumbnail((512, 512), Image.Resampling.LANCZOS)
        versions = {"original": picture}
        if path.parent.name == "art":
            versions |= {name: make(picture) for name, make in PLANTED.items()}
        for name, version in versions.items():
            entries += _entry(finder, f"{path.stem}/{name}", np.array(version))
    index = DedupIndex()
    index.add(entries)
    clusters = index.clusters()
    out = []
    paintings = [path.stem for path in originals if path.parent.name == "art"]
    for name in PLANTED:
        hit = sum(clusters.get(f"{stem}/{name}") == clusters[f"{stem}/original"] for stem in paintings)
        faceless = sum(f"{stem}/{name}" not in clusters for stem in paintings)
        note = f"of {len(paintings)}" + (f", in {faceless} of which no face is found" if faceless else "")
        out.append(Row(f"planted copies found: {name}", hit / len(paintings), "recall", "", note))
    joined = [(a, b) for a in clusters for b in clusters if a < b and clusters[a] == clusters[b]]
    right = sum(a.split("/")[0] == b.split("/")[0] for a, b in joined)
    share = right / len(joined)
    note = f"{right} of {len(joined)} pairs within clusters are of one work; {len(originals)} works"
    return [*out, Row("precision of the clusters", share, "of 1", "", note)]


def _entry(finder: FaceFinder, name: str, rgb: np.ndarray) -> list[Entry]:
    """The largest face as an entry; none where no face is found."""
    out = []
    for face in finder.find(rgb)[:1]:
        aligned = align(rgb, face.landmarks, 256, 1024)
        flipped = phash64(np.ascontiguousarray(aligned[:, ::-1]))
        out.append(Entry(name, name, (pixel_sha256(aligned),), phash64(aligned), flipped, embed(aligned)))
    return out
