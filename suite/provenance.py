"""What a result was made with: the commit of this clone and the versions that numbers depend on."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "aahq-blendgan", "clean-fid", "lpips", "numpy", "pillow", "scipy", "torch", "torchvision", "triton",
)  # fmt: skip


def commit() -> str:
    """The commit of this clone, with `+` where tracked files are changed; empty outside of one."""
    ask = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def versions() -> dict[str, str]:
    """Name -> version of Python and of every package that numbers depend on, where it is installed."""
    out = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out
