"""`compile_kernels.py CAPABILITY`: compile every kernel for that GPU generation; no GPU is needed."""

from __future__ import annotations

import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ops.bias_act.triton import bias_act_kernel, bias_act_slope_kernel
from ops.gram.triton import gram_kernel
from ops.modulated_conv.triton import channel_dot_kernel, scale_channels_kernel
from ops.upfirdn2d.triton import upfirdn2d_kernel

FLOATS = {"slope", "gain", "clamp", "scale"}
CONSTANTS = [
    (bias_act_kernel, {"HAS_B": True, "HAS_NOISE": True, "HAS_CLAMP": True, "CHANNELS_LAST": True, "BLOCK": 1024}),
    (bias_act_kernel, {"HAS_B": True, "HAS_NOISE": False, "HAS_CLAMP": False, "CHANNELS_LAST": False, "BLOCK": 1024}),
    (bias_act_slope_kernel, {"HAS_CLAMP": True, "BLOCK": 1024}),
    (scale_channels_kernel, {"CHANNELS_LAST": True, "BLOCK": 1024}),
    (channel_dot_kernel, {"BLOCK_P": 16, "BLOCK_C": 64}),
    (gram_kernel, {"TILE": 64, "STEP": 32, "PRECISION": "ieee"}),
    (
        upfirdn2d_kernel,
        {"UP_Y": 2, "UP_X": 2, "DOWN_Y": 1, "DOWN_X": 1, "TAPS_Y": 4, "TAPS_X": 4}
        | {"CHANNELS_LAST": True, "BLOCK": 1024},
    ),
]


def compile_all(capability: int) -> None:
    for kernel, constants in CONSTANTS:
        for dtype in ("fp32", "fp16", "bf16"):
            signature = {}
            for name in kernel.arg_names:
                if name in constants:
                    signature[name] = "constexpr"
                elif name.endswith("_ptr"):
                    signature[name] = "*fp32" if name in ("k_ptr", "part_ptr") else f"*{dtype}"
                else:
                    signature[name] = "fp32" if name in FLOATS else "i32"
            source = ASTSource(kernel, signature, constants)
            done = triton.compile(source, target=GPUTarget("cuda", capability, 32))
            assert done.asm["cubin"], kernel
            print(kernel.__name__, dtype, f"sm_{capability}", len(done.asm["cubin"]))


if __name__ == "__main__":
    compile_all(int(sys.argv[1]))
