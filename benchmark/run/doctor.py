"""Diagnostics of this machine: operators, weights, folders, optional extras. Touches no network."""

from __future__ import annotations

import importlib.util
import os
from importlib import metadata
from pathlib import Path
from typing import Any

from suite.files import cache_home

# Extra of pyproject.toml -> a module that only it brings.
EXTRAS = {"align": "dlib", "page": "fastapi", "cluster": "distributed", "train": "tensorboard"}


def findings(folder: Path, weights_folder: Path | None = None) -> dict[str, Any]:
    """Everything that `aahq-bench doctor` says, JSON-able.

    Args:
        folder: where reproductions (`reproduce-PROFILE`) would lie.
        weights_folder: looked into for published weights before the cache.
    """
    import torch

    return {
        "versions": {
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "triton": _version("triton"),
            "devices": [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())],
        },
        "operators": _operators(),
        "weights": _weights(weights_folder),
        "folders": _folders(folder),
        "extras": {extra: importlib.util.find_spec(module) is not None for extra, module in EXTRAS.items()},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _operators() -> dict[str, dict[str, dict[str, str]]]:
    """Device -> operator -> implementation and reason, by `ops.dispatch`; a GPU is told of even where there is none."""
    from ops.dispatch import explain

    return {
        device: {
            op: {"implementation": choice.implementation, "reason": choice.reason}
            for op, choice in explain(device).items()
        }
        for device in ("cpu", "cuda")
    }


def _weights(folder: Path | None) -> dict[str, dict[str, str | None]]:
    from models.weights.download import find
    from models.weights.registry import published

    out: dict[str, dict[str, str | None]] = {}
    for name, known in published().items():
        local = find(name, folder)
        out[name] = {"found": str(local) if local else None, "file": known.file, "license": known.license}
        out[name] |= {"from": known.urls[0] if known.urls else known.page}
    return out


def _folders(folder: Path) -> dict[str, dict[str, str | bool]]:
    from models.weights.download import FOLDER_VARIABLE, cache_folder

    named = {"cache": cache_home(), f"weights (${FOLDER_VARIABLE})": cache_folder()}
    named |= {f"data of {place.parent.name}": place for place in sorted(folder.glob("reproduce-*/data"))}
    return {
        what: {"path": str(path), "there": path.is_dir(), "writable": os.access(path, os.W_OK)}
        for what, path in named.items()
    }


def as_text(parts: dict[str, Any]) -> str:
    """The findings for people."""
    versions = parts["versions"]
    lines = [f"torch {versions['torch']}, CUDA {versions['cuda'] or 'none'}, triton {versions['triton'] or 'none'}"]
    lines += [f"devices: {', '.join(versions['devices']) or 'no GPU'}", "", "operators"]
    for device, operators in parts["operators"].items():
        lines += [f"    {device:5} {op:18} {c['implementation']:10} {c['reason']}" for op, c in operators.items()]
    lines += ["", "weights"]
    for name, known in parts["weights"].items():
        place = known["found"] or f"not here; {known['file']} from {known['from']}"
        lines += [f"    {name:18} {place}", f"    {'':18} {known['license']}"]
    lines += ["", "folders"]
    for what, place in parts["folders"].items():
        lines.append(f"    {what:24} {place['path']}{'' if place['there'] else ' (not made yet)'}")
    lines += ["", "extras"]
    fix = "not installed; pip install 'aahq-blendgan[{}]'"
    lines += [
        f"    {extra:18} {'installed' if there else fix.format(extra)}" for extra, there in parts["extras"].items()
    ]
    return "\n".join(lines)
