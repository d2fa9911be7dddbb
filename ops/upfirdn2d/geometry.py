"""Factors and padding of `upfirdn2d` by axis, with the geometry of its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Pair = int | Sequence[int]


class Geometry(NamedTuple):
    """Factors and padding by axis; a negative pad crops."""

    up_x: int
    up_y: int
    down_x: int
    down_y: int
    left: int
    right: int
    top: int
    bottom: int

    def out_size(self, height: int, width: int, kernel_height: int, kernel_width: int) -> tuple[int, int]:
        """(H', W') of the result; a size below 1 means that the kernel does not fit."""
        return (
            (height * self.up_y + self.top + self.bottom - kernel_height) // self.down_y + 1,
            (width * self.up_x + self.left + self.right - kernel_width) // self.down_x + 1,
        )

    def transposed(self, height: int, width: int, kernel_height: int, kernel_width: int) -> Geometry:
        """The geometry of the gradient, which is an upfirdn2d with the kernel flipped and the factors exchanged.

        Args:
            height, width: of the forward's input.
            kernel_height, kernel_width: of the FIR kernel.
        """
        out_height, out_width = self.out_size(height, width, kernel_height, kernel_width)
        return Geometry(
            up_x=self.down_x,
            up_y=self.down_y,
            down_x=self.up_x,
            down_y=self.up_y,
            left=kernel_width - 1 - self.left,
            right=width * self.up_x - out_width * self.down_x + self.left - self.up_x + 1,
            top=kernel_height - 1 - self.top,
            bottom=height * self.up_y - out_height * self.down_y + self.top - self.up_y + 1,
        )


def geometry(up: Pair, down: Pair, pad: Pair) -> Geometry:
    """`Geometry` from what `upfirdn2d` takes: an int or (x, y); pad an int, (before, after) or (x0, x1, y0, y1)."""
    up_x, up_y = (up, up) if isinstance(up, int) else up
    down_x, down_y = (down, down) if isinstance(down, int) else down
    pads = (pad, pad) if isinstance(pad, int) else tuple(pad)
    if len(pads) == 2:
        pads = pads * 2
    if len(pads) != 4:
        raise ValueError(f"upfirdn2d pad: given {pad}; expected an int, (before, after) or (x0, x1, y0, y1)")
    if min(up_x, up_y, down_x, down_y) < 1:
        raise ValueError(f"upfirdn2d up, down: given {up}, {down}; expected factors of 1 or more")
    return Geometry(up_x, up_y, down_x, down_y, *pads)
