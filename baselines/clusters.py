"""Several art domains without labels: k-means over colour and texture statistics of the pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = 3


def style_statistics(images: Tensor) -> Tensor:
    """(N, 3, S, S) in [-1, 1] -> (N, 27): channel means, deviations and mean absolute gradients at three scales."""
    out = []
    for _ in range(SCALES):
        std, mean = torch.std_mean(images, dim=(2, 3))
        across = (images[..., 1:] - images[..., :-1]).abs().mean((2, 3))
        down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean((2, 3))
        out += [mean, std, across + down]
        images = F.avg_pool2d(images, 2)
    return torch.cat(out, 1)


class StyleClusters(nn.Module):
    """Nearest of `count` centroids of standardised style statistics: (N, 3, S, S) -> (N,) int64.

    The centroids are buffers: they are found once before training and travel in every checkpoint, so the domains of a
    run are on record.
    """

    centroids: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        width = 9 * SCALES
        self.register_buffer("centroids", torch.zeros(count, width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    @torch.no_grad()
    def fit(self, statistics: Tensor, seed: int = 0) -> None:
        """k-means over (N, 27) statistics."""
        from sklearn.cluster import KMeans

        self.mean.copy_(statistics.mean(0))
        self.std.copy_(statistics.std(0).clamp_min(1e-6))
        points = ((statistics - self.mean) / self.std).cpu().numpy()
        clusters = KMeans(len(self.centroids), n_init=1, random_state=seed).fit(points)
        self.centroids.copy_(torch.from_numpy(clusters.cluster_centers_))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        points = (style_statistics(images.float()) - self.mean) / self.std
        return torch.cdist(points, self.centroids).argmin(1)
