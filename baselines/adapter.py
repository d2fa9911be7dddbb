"""What the baselines' `Method` adapters share: checks of their input, and weights in by name with strict keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.data.pictures import check_pictures
from models.method import Face, Mode
from models.weights.loading import check_finite
from suite.errors import SuiteError, did_you_mean


class ImageMethod:
    """Base of image-to-image methods: checks, then the method's own `_latent` or `_reference` on clean input.

    Attributes:
        name: as the tables print it; "(untrained)" is added to it where the weights are random.
        modes: of "latent" and "reference", what the method has.
        resolution: side of the square pictures, in and out.
        divisor: what the side must be a multiple of.
        least: the smallest side.
    """

    name: str
    modes: frozenset[Mode]
    face: Literal["image", "seed"] = "image"
    resolution: int
    divisor: int = 4
    least: int = 16

    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        """Style codes from `seeds`, one a face. (N, 3, R, R) float32 -> the same, nominally in [-1, 1]."""
        if "latent" not in self.modes:
            raise SuiteError(f"--latent: {self.name} has no latent mode; give it pictures with --style")
        images = self._faces(face)
        if len(seeds) != len(images):
            raise SuiteError(f"--latent: {len(seeds)} seeds for {len(images)} faces; give one a face")
        with torch.inference_mode():
            return self._by_sample(self._latent, images, list(seeds))

    def from_reference(self, face: Face, style: Tensor | None, seeds: Sequence[int]) -> Tensor:
        """Styles from pictures, one a face, (N, 3, S, S); few-shot methods take (N, K, 3, S, S) too."""
        if "reference" not in self.modes:
            raise SuiteError(f"--style: {self.name} has no reference mode; give it --latent SEED")
        images = self._faces(face)
        if style is None:
            raise SuiteError(f"--style: {self.name} needs a style picture a face and none was given")
        style = self._styles(style, len(images))
        if len(seeds) != len(images):
            raise SuiteError(f"{self.name}: {len(seeds)} seeds for {len(images)} faces; give one a face")
        with torch.inference_mode():
            return self._by_sample(self._reference, images, style, list(seeds))

    @staticmethod
    def _by_sample(make: Callable[..., Tensor], images: Tensor, *rows: Any) -> Tensor:
        """One sample at a time on the CPU, where a batch gains nothing and changes the rounding; all at once elsewhere."""
        if images.device.type != "cpu" or len(images) < 2:
            return make(images, *rows)
        return torch.cat([make(*(part[i : i + 1] for part in (images, *rows))) for i in range(len(images))])

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        raise NotImplementedError

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        raise NotImplementedError

    def _faces(self, face: Face) -> Tensor:
        if face.images is None:
            raise SuiteError(f"{self.name}: it restyles pictures; got seeds of faces, expected Face(images=...)")
        check_pictures(face.images, f"{self.name}: faces")
        side = face.images.shape[-1]
        if face.images.shape[-2] != side or side % self.divisor or side < self.least:
            height, width = face.images.shape[-2:]
            raise SuiteError(
                f"{self.name}: faces are {height} x {width}; expected square, a multiple of {self.divisor}, "
                f"at least {self.least} (resize them to {self.resolution})"
            )
        return face.images.float()

    def _styles(self, style: Tensor, count: int) -> Tensor:
        check_pictures(style, f"{self.name}: styles")
        if len(style) != count:
            raise SuiteError(f"--style: {len(style)} styles for {count} faces; {self.name} needs one a face")
        if min(style.shape[-2:]) < self.least:
            raise SuiteError(f"--style: {style.shape[-2]} x {style.shape[-1]}; expected at least {self.least} a side")
        return style.float()


def load_strict(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load every key or raise one line that names the first key missing, unknown or of another shape.

    Args:
        network: receives the weights.
        state: key -> tensor.
        what: how the message calls the network, e.g. `"MUNIT gen b"`.
    """
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    unknown = [key for key in state if key not in own]
    shapes = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or unknown:
        first = f"no {missing[0]!r}" if missing else f"unknown {unknown[0]!r}"
        raise SuiteError(
            f"--weights: not {what}: {first} ({len(missing)} keys missing, {len(unknown)} unknown); "
            "is it a checkpoint of another method or configuration?"
        )
    if shapes:
        key = shapes[0]
        raise SuiteError(
            f"--weights: {what} of another configuration: {key!r} is {tuple(state[key].shape)}, "
            f"expected {tuple(own[key].shape)} ({len(shapes)} keys differ); set the widths with --set"
        )
    check_finite(state, f"--weights: {what}")
    network.load_state_dict(state)


def pick(weights: Mapping[str, Mapping[str, Tensor]], name: str, method: str) -> Mapping[str, Tensor]:
    """One network of a checkpoint, or one line that lists what the file holds."""
    if name not in weights:
        raise SuiteError(f"--weights: no network {name!r} for {method}{did_you_mean(name, weights)}")
    return weights[name]
