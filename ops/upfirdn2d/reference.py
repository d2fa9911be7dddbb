"""`upfirdn2d` one step per line."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ops.upfirdn2d.geometry import Geometry


def upfirdn2d_ref(x: Tensor, kernel: Tensor, shape: Geometry) -> Tensor:
    """The plain form of `upfirdn2d`, one step per line."""
    batch, channels, height, width = x.shape
    spread = F.pad(x[:, :, :, None, :, None], (0, shape.up_x - 1, 0, 0, 0, shape.up_y - 1))
    spread = spread.reshape(batch, channels, height * shape.up_y, width * shape.up_x)
    padded = F.pad(spread, (shape.left, shape.right, shape.top, shape.bottom))
    # conv2d correlates; the flip makes it a true convolution.
    taps = kernel.to(x.dtype).flip(0, 1).expand(channels, 1, -1, -1)
    return F.conv2d(padded, taps, stride=(shape.down_y, shape.down_x), groups=channels)
