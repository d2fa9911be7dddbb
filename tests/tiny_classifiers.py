"""Tiny classifiers for tests: a picture's mean red, green and blue, less one half."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from suite.files import sha256_file


def onnx_model(path: Path, outputs: int = 3) -> Path:
    """(N, 3, S, S) -> (N, outputs), as ONNX."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    half = numpy_helper.from_array(np.full(1, 0.5, np.float32), "half")
    shape = numpy_helper.from_array(np.array([-1, outputs], np.int64), "shape")
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "shape"], ["flat"]),
        helper.make_node("Sub", ["flat", "half"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outputs])],
        [half, shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, str(path))
    return path


def torchscript_model(path: Path) -> Path:
    """The same as TorchScript."""
    import torch

    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(2, 3)) - 0.5

    torch.jit.save(torch.jit.script(Mean()), str(path))  # type: ignore[no-untyped-call]
    return path


def table(name: str, file: Path, **settings: object) -> str:
    """A screen's table in TOML."""
    kind = "hashes" if file.suffix == ".txt" else "model"
    lines = [f"[{name}]", f'{kind} = "{file}"', f'sha256 = "{sha256_file(file)}"']
    lines += [f"{key} = {value!r}".replace("'", '"') for key, value in settings.items()]
    return "\n".join(lines) + "\n"
