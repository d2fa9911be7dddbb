"""Frames to files: PNGs in a folder, an animated WebP, GIF or APNG, or a video by ffmpeg; one frame in memory (APNG: all)."""

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
from suite.ownership import claim_file, output_fault
from suite.pictures.machine_made import MADE, made_video_box, save_made

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
        # Pillow looks at all frames of a PNG before it writes the first.
        rest = list(counted) if kind == "PNG" else counted
        how: dict[str, Any] = {"save_all": True, "append_images": rest, "duration": round(1000 / fps), "loop": 0}
        # By its mark the next run knows the file as one of its own.
        save_made(first, path, kind, mark=MARK, **how)
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
        tags = ["-metadata", f"comment={MARK}", "-metadata", f"digital_source_type={MADE}"]
        command = ["ffmpeg", "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p", *tags, "-f", form, str(part)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(first.tobytes())
            for frame in frames:
                process.stdin.write(frame.tobytes())
            process.stdin.close()
            if process.wait():
                raise SuiteError(f"{path}: ffmpeg failed with code {process.returncode}")
        if form != "webm":
            with part.open("ab") as video:
                video.write(made_video_box())
