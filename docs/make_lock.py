"""Write requirements.lock: one version and its hashes for every package that development needs, on any platform.

PyTorch and what it brings for GPUs are left out: their build must fit the machine. No index is named, so that any may serve.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from suite.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
HEAD = "# Made by `make lock`. All that pyproject.toml's extra `dev` needs, but PyTorch, whose build must fit the machine.\n"
UNLOCKED = re.compile(r"(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")


def resolve() -> str:
    """What uv resolves for Python 3.11 and newer, with hashes of every file of each version."""
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "lock"
        options = "--extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate"
        command = [uv, "pip", "compile", "pyproject.toml", *options.split(), "--no-header", "--quiet", "-o", out]
        subprocess.run(command, check=True, cwd=ROOT)
        return out.read_text()


def without_pytorch(text: str) -> str:
    """The requirements but those of `UNLOCKED`; one begins at a line's start and goes on in indented lines."""
    wanted = re.findall(r"^\S.*\n(?:[ \t]+.*\n)*", text, re.MULTILINE)
    return "".join(one for one in wanted if not UNLOCKED.match(one))


if __name__ == "__main__":
    write_whole(LOCK, HEAD + without_pytorch(resolve()))
