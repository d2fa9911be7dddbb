"""Identity by dlib's face descriptor: a second opinion on who a face is. Optional: needs dlib and its model file."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from suite.errors import SuiteError
from suite.files import sha256_file

MODEL = "dlib_face_recognition_resnet_model_v1.dat"
# The part of an FFHQ-aligned picture that dlib's own 150-px chips show: left, top, side, as shares of the picture.
CROP = (0.17, 0.22, 0.66)


def model_file() -> Path:
    """dlib's descriptor network in the package `face_recognition_models`, which is never imported.

    Raises:
        SuiteError: the package is not installed.
    """
    try:
        files = metadata.files("face_recognition_models") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == MODEL:
            return Path(str(file.locate()))
    raise SuiteError(f"dlib: no {MODEL}; pip install 'aahq-blendgan[align]'")


class DlibIdentity(Extractor):
    """128-d descriptors of aligned faces (He et al.'s ResNet trained by Davis King). Distances below 0.6 are one person.

    The crop is fixed: pictures are aligned already, and a detector misses stylised faces.
    """

    name = "dlib"
    fd_name = "FD-dlib"
    kernel_name = "KD-dlib"
    dim = 128
    size = 150
    resize = "torch-bicubic-antialias of the central face crop"
    licence = "CC0-1.0 (dlib-models)"

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError:
            raise SuiteError("dlib: not installed; pip install 'aahq-blendgan[align]'") from None
        file = model_file()
        self.weights_sha256 = sha256_file(file)
        self._network = dlib.face_recognition_model_v1(str(file))

    def embed(self, pictures: Tensor) -> Tensor:
        side = pictures.shape[-1]
        left, top, span = (round(share * side) for share in CROP)
        crops = pictures[:, :, top : top + span, left : left + span].float()
        chips = F.interpolate(crops, (self.size, self.size), mode="bicubic", antialias=True, align_corners=False)
        arrays = chips.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        return torch.tensor([list(self._network.compute_face_descriptor(chip)) for chip in arrays])


def open_dlib(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> DlibIdentity:
    """The descriptor; it arrives as a package and runs on the processor, whatever the folder and device."""
    return DlibIdentity()
