"""`upfirdn2d` on a processor: one depthwise convolution."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ops.upfirdn2d.geometry import Geometry
from ops.upfirdn2d.reference import upfirdn2d_ref


def upfirdn2d_cpu(x: Tensor, kernel: Tensor, shape: Geometry) -> Tensor:
    """One depthwise convolution, transposed where it samples up; the zeros in between are never stored."""
    channels = x.shape[1]
    height, width = kernel.shape
    even = shape.left == shape.right >= 0 and shape.top == shape.bottom >= 0
    if shape.up_x == shape.up_y == 1 and even:
        taps = kernel.to(x.dtype).flip(0, 1).expand(channels, 1, -1, -1)
        return F.conv2d(x, taps, None, (shape.down_y, shape.down_x), (shape.top, shape.left), groups=channels)
    crop = (height - 1 - shape.top, width - 1 - shape.left)  # of the full convolution
    out_height, out_width = shape.out_size(x.shape[2], x.shape[3], height, width)
    more = (
        out_height - ((x.shape[2] - 1) * shape.up_y - 2 * crop[0] + height),
        out_width - ((x.shape[3] - 1) * shape.up_x - 2 * crop[1] + width),
    )
    fits = min(crop) >= 0 and 0 <= more[0] < shape.up_y and 0 <= more[1] < shape.up_x
    if shape.down_x == shape.down_y == 1 and fits and x.numel():
        taps = kernel.to(x.dtype).expand(channels, 1, -1, -1)
        return F.conv_transpose2d(x, taps, None, (shape.up_y, shape.up_x), crop, more, channels)
    return upfirdn2d_ref(x, kernel, shape)
