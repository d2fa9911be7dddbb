"""AdaIN's encoder and loss where no normalised VGG is at hand: the first maps of EfficientNet-Lite0."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.adain.decoder import Decoder, mirrored, natural_noise
from models.networks.efficientnet_lite import TAP_WIDTHS, Lite0Trunk, load_lite0

# Maps of strides 2, 4 and 8. Pictures are shown at twice their side, since a face of 64 px would keep 8 x 8 places.
MAPS, ENLARGED = 3, 2


class Lite0Encoder(nn.Module):
    """(N, 3, S, S) in [0, 1] -> maps of S, S/2 and S/4 a side, every channel of deviation 1.

    The deviations are taken over noise with the 1/f spectrum of natural pictures: without them the loss of Eq. 13 would be
    that of the loudest channels, as the normalised VGG's authors saw.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Lite0Trunk(MAPS)
        for number, width in enumerate(TAP_WIDTHS[:MAPS]):
            self.register_buffer(f"deviation{number}", torch.ones(width, 1, 1))

    def pretrain(self) -> None:
        """Take the weights that are installed.

        Raises:
            SuiteError: the package that carries them is not installed.
        """
        self.trunk.copy_from(load_lite0())
        with torch.no_grad():
            for number, made in enumerate(self(natural_noise(16, 64, seed=0))):
                self.get_buffer(f"deviation{number}").copy_(made.std((0, 2, 3))[:, None, None])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        large = F.interpolate(pictures * 2 - 1, scale_factor=ENLARGED, mode="bilinear", align_corners=False)
        return [made / self.get_buffer(f"deviation{number}") for number, made in enumerate(self.trunk(large))]


def lite0_decoder(width: int) -> Decoder:
    """The mirror of the trunk from its last map: two upsamplings instead of the VGG's three."""
    half, quarter = width // 2, width // 4
    return mirrored(TAP_WIDTHS[MAPS - 1], [width, width, "U", width, half, "U", half, quarter])
