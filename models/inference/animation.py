"""Frames to files: a folder of PNGs, an animated WebP or GIF, or a video through ffmpeg; one frame in memory at a time."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from models.data.pictures import MARK, claim_pictures, save_png
from suite.errors import SuiteError
from suite.files import whole_file
from suite.ownership import claim_file, output_fault, png_mark

VIDEO = (".mp4", ".webm", ".mov")
ANIMATED = (".webp", ".gif", ".apng")


def check_target(path: Path) -> None:
    """Raise SuiteError when frames cannot be written to `path`; call before the work."""
    suffix = path.suffix.lower()
    if fault := output_fault(path, "file" if suffix else "folder"):
        raise SuiteError(f"--out {path}: {fault}")
    if suffix in VIDEO and shutil.which("ffmpeg") is None:
        raise SuiteError(f"{path}: video needs ffmpeg, which is not on PATH; use .webp, or a folder for frames")
    if suffix and suffix not in VIDEO + ANIMATED:
        raise SuiteError(f"{path}: {', '.join(VIDEO + ANIMATED)}, or a folder without suffix is expected")
    if suffix:
        claim_file("--out", path, lambda there: MARK.encode() in there.read_bytes())
    else:
        claim_pictures(path, ["frame[0-9]*.png"])


def write_frames(path: Path, frames: Iterator[Image.Image], fps: int) -> int:
    """Write RGB frames of one size; the suffix says how. Returns how many. A failed run leaves no file."""
    suffix = path.suffix.lower()
    counted = _Counted(frames)
    if not suffix:
        for frame in counted:
            save_png(path / f"frame{counted.count - 1:05d}.png", frame)
    elif suffix in ANIMATED:
        first = next(counted)
        kind = {".webp": "WEBP", ".gif": "GIF", ".apng": "PNG"}[suffix]
        with whole_file(path) as part:
            # By its mark the next run knows the file as one of its own.
            mark: dict[str, dict[str, Any]] = {
                "WEBP": {"xmp": MARK.encode()},
                "GIF": {"comment": MARK.encode()},
                "PNG": {"pnginfo": png_mark(MARK)},
            }
            how = {"save_all": True, "append_images": counted, "duration": round(1000 / fps), "loop": 0}
            first.save(part, kind, **how, **mark[kind])
    else:
        _video(path, counted, fps)
    return counted.count


class _Counted:
    def __init__(self, frames: Iterator[Image.Image]) -> None:
        self.frames = frames
        self.count = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Image.Image:
        frame = next(self.frames)
        self.count += 1
        return frame


def _video(path: Path, frames: Iterator[Image.Image], fps: int) -> None:
    first = next(frames)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{first.width}x{first.height}", "-r", str(fps), "-i", "-"]
    form = {".mp4": "mp4", ".mov": "mov", ".webm": "webm"}[path.suffix.lower()]
    with whole_file(path) as part:
        command = ["ffmpeg", "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p"]
        command += ["-metadata", f"comment={MARK}", "-f", form, str(part)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(first.tobytes())
            for frame in frames:
                process.stdin.write(frame.tobytes())
            process.stdin.close()
            if process.wait():
                raise SuiteError(f"{path}: ffmpeg failed with code {process.returncode}")
