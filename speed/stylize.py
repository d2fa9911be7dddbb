"""Memory of `blendgan stylize`: the command as a process of its own over a folder, and over one of ten times the faces."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from models.networks.blendgan import BlendGAN
from models.networks.style_encoder import StyleEncoder
from models.networks.stylegan2 import channel_table
from models.weights import save_weights
from speed.run import Row

SIZE, FACES, STYLES = 256, 8, 2
# Prints the peak of the command's own memory: `ru_maxrss` would begin at that of the process that started it.
CHILD = """
import atexit
from pathlib import Path
from models.cli import main
status = Path("/proc/self/status")
atexit.register(lambda: print(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))))
main()
"""


def rows() -> list[Row]:
    """Peak memory at ten times the faces over the peak at eight, a sheetful."""
    if not Path("/proc/self/status").exists():
        return []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        weights = _weights(folder / "narrow.safetensors")
        art = _pictures(folder / "art", STYLES)
        small, large = (
            _peak(weights, _pictures(folder / f"faces-{count}", count), art, folder / f"out-{count}")
            for count in (FACES, 10 * FACES)
        )
    # What would be kept if nothing were let go: the face and its results in float32, each with its 8-bit picture.
    kept = 9 * FACES * (1 + STYLES) * SIZE**2 * 3 * (4 + 1) / 1e6
    note = (
        f"peak resident memory of a process, {large:.0f} MB with {10 * FACES} faces of {SIZE} px in {STYLES} styles, "
        f"{small:.0f} MB with {FACES}; the pictures of the other {9 * FACES} would take {kept:.0f} MB"
    )
    value = large / small
    return [Row("stylize, ten times the faces", value, "x the memory", "at most 1.05", note, value <= 1.05)]


def _weights(path: Path) -> Path:
    """A narrow BlendGAN with a narrow style encoder: memory shows what is kept, not what is computed."""
    torch.manual_seed(0)
    generator = BlendGAN(SIZE, 16, 2, channel_table(widest=8), 16)
    encoder = StyleEncoder(16, widths=(4, 4, 8, 8, 8))
    save_weights(path, {"g_ema": generator.state_dict(), "style_encoder": encoder.state_dict()})
    return path


def _pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")
    return folder


def _peak(weights: Path, faces: Path, art: Path, out: Path) -> float:
    """MB. The pictures are taken as aligned and inverted in one step."""
    command = ["stylize", faces, "--style", art, "--aligned", "--invert", "w", "--steps", 1]
    command += ["--weights", weights, "-o", out]
    done = subprocess.run([sys.executable, "-c", CHILD, *map(str, command)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-2]) / 1024
