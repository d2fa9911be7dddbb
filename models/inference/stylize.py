"""Faces in, stylised faces out, one face at a time: align, invert, blend with each style, write."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.pictures import UniqueNames, read_picture, read_rgb, save_png, to_tensor, to_uint8
from models.inference.aligner import AlignedFace, Aligner, face_similarity
from models.inference.invert import invert
from models.inference.paste_back import paste_back
from models.inference.pretrained import Pretrained
from models.networks.psp import PSPEncoder
from models.weights.writing import write_tensors
from suite.errors import SuiteError
from suite.files import canonical_json, whole_file

Inverter = Literal["psp", "w", "w+"]


def strength_to_blend(strength: float, n_latent: int) -> tuple[int, float]:
    """One slider to the blending indicator and theta of Eq. 5.

    The style enters layer by layer from the finest to the coarsest: `strength * n_latent` layers, the fraction going to
    theta of the next. 0 is the natural face (no layer styled), 1 is i = 0, theta = 1 (all); in between the share of
    every layer grows and never falls. The published scripts' i = 6 of 18 is 2 / 3.

    Raises:
        SuiteError: a strength outside [0, 1].
    """
    if not 0 <= strength <= 1:
        raise SuiteError(f"--strength {strength}: from 0 (the natural face) to 1 (style in every layer)")
    styled = strength * n_latent
    whole = math.floor(styled)
    if whole == n_latent:
        return 0, 1.0
    return n_latent - whole - 1, styled - whole


@dataclass(frozen=True)
class Settings:
    """How faces are stylised.

    Attributes:
        i, theta: of Eq. 5.
        inverter: pSp, or optimisation in W or W+.
        steps: of the optimisation.
        batch: pictures generated at once.
        half: dtype of the larger feature maps; None keeps float32.
        aligned: take the pictures as aligned (centre square) instead of looking for a face.
        largest: take the largest of several faces.
        paste: put the result back into the photograph, too.
        similarity: measure how near each result is to its face and to its style.
        codes: folder that keeps inverted faces, so that a second run does not invert again; None keeps nothing.
    """

    i: int
    theta: float
    inverter: Inverter
    steps: int = 300
    batch: int = 1
    half: torch.dtype | None = None
    aligned: bool = False
    largest: bool = False
    paste: bool = False
    similarity: bool = False
    codes: Path | None = None


@dataclass(frozen=True)
class Style:
    """One style picture and its code (1, style_code_dim)."""

    name: str
    path: Path
    code: Tensor


@dataclass(frozen=True)
class Result:
    """One stylised face.

    Attributes:
        style: its style.
        file: where the picture lies.
        pasted: where the photograph with the face put back lies, or None.
        face_similarity: 1 - distance of dlib descriptors of the aligned face and the result; None when not measured.
        style_similarity: cosine of the style codes of the style picture and the result; None when not measured.
    """

    style: Style
    file: Path
    pasted: Path | None = None
    face_similarity: float | None = None
    style_similarity: float | None = None


@dataclass(frozen=True)
class Stylised:
    """All results of one face. `face` and `natural` (its inversion) are (size, size, 3) uint8; `how` says how inverted."""

    source: Path
    face: np.ndarray
    natural: np.ndarray
    how: str
    results: list[Result] = field(default_factory=list)


def read_styles(model: Pretrained, paths: Iterator[Path]) -> list[Style]:
    """Encode style pictures one at a time."""
    unique = UniqueNames()
    return [Style(unique(path.stem), path, style_code(model, path)) for path in paths]


def style_code(model: Pretrained, path: Path) -> Tensor:
    """The code (1, style_code_dim) of a style picture, read whole and at most at the model's size."""
    return model.style_codes(to_tensor(at_model_size(read_rgb(path), model))[None])


def at_model_size(picture: Image.Image, model: Pretrained) -> Image.Image:
    """A larger picture reduced until its shorter side is the generator's: strokes are as wide as in training then."""
    factor = min(picture.size) / model.generator.size
    if factor <= 1:
        return picture
    return picture.resize([round(side / factor) for side in picture.size], Image.Resampling.LANCZOS)


def _kept_codes(path: Path, shape: tuple[int, ...]) -> Tensor | None:
    """Codes of an earlier run; None where there are none, or a damaged or foreign file, which is written anew."""
    try:
        latents = load_file(path)["latents"] if path.is_file() else None
    except (OSError, SafetensorError, KeyError):
        return None
    return latents if latents is not None and tuple(latents.shape) == shape and latents.isfinite().all() else None


class Stylist:
    """Turns photographs into stylised faces; memory grows by one code per style and not with the faces.

    Args:
        model: generator and style encoder.
        settings: how.
        psp: needed when `settings.inverter` is "psp".
        distance: what optimisation minimises; see `models.inference.invert.best_distance`.

    Attributes:
        watch: hears how many steps of an optimisation are done; None for nobody.
    """

    def __init__(
        self, model: Pretrained, settings: Settings, psp: PSPEncoder | None = None, distance: nn.Module | None = None
    ) -> None:
        self.model = model
        self.settings = settings
        self.psp = psp
        self.distance = distance
        self.watch: Callable[[int], None] | None = None
        self._face_names, self._result_names = UniqueNames(), UniqueNames()

    def run(
        self, faces: Iterator[Path], styles: Sequence[Style], out: Path, failed: Callable[[SuiteError], None]
    ) -> Iterator[Stylised]:
        """Yield each face when its pictures are on disk; a face that cannot be used goes to `failed` and writes nothing."""
        with (
            tempfile.TemporaryDirectory() as scratch,
            Aligner(self.model.generator.size, self.settings.largest) as aligner,
        ):
            for source in faces:
                try:
                    yield self._one(source, styles, out, Path(scratch), aligner)
                except SuiteError as error:
                    failed(error)

    def _one(self, source: Path, styles: Sequence[Style], out: Path, scratch: Path, aligner: Aligner) -> Stylised:
        size = self.model.generator.size
        aligned = None
        if self.settings.aligned:
            face = read_picture(source, size)
        else:
            aligned = aligner.align(source, scratch / "face.png")
            face = read_picture(aligned.file)
        latents, how = self.invert(face)
        with torch.inference_mode():
            natural = to_uint8(self.model.generator.synthesis(latents, half=self.settings.half)[0])
        done = Stylised(source, to_uint8(face), natural, how)
        stem = self._face_names(source.stem)
        for start in range(0, len(styles), self.settings.batch):
            part = styles[start : start + self.settings.batch]
            for style, picture in zip(part, self.blend(latents, part), strict=True):
                file = out / f"{self._result_names(f'{stem}__{style.name}')}.png"
                done.results.append(self._write(picture, style, source, file, aligned, aligner))
        return done

    @torch.inference_mode()
    def blend(self, latents: Tensor, styles: Sequence[Style]) -> Tensor:
        """One face (1, n_latent, style_dim) in each of the styles -> (len(styles), 3, size, size)."""
        generator, settings = self.model.generator, self.settings
        codes = torch.cat([style.code for style in styles])
        repeated = latents.expand(len(styles), -1, -1)
        pictures, _ = generator(w=repeated, z_style=codes, i=settings.i, theta=settings.theta, half=settings.half)
        return pictures

    def invert(self, face: Tensor) -> tuple[Tensor, str]:
        """W+ (1, n_latent, style_dim) of an aligned face (3, S, S), from the kept codes if there, and how in words."""
        settings, generator = self.settings, self.model.generator
        if self.psp is None and settings.inverter == "psp":
            raise SuiteError("--invert psp: no pSp encoder; give --psp PATH, or use --invert w+")
        kept = None
        if settings.codes:
            what = [self.model.origin, settings.inverter, settings.steps if settings.inverter != "psp" else 0]
            key = hashlib.sha256(to_uint8(face).tobytes() + canonical_json(what).encode()).hexdigest()
            kept = settings.codes / f"{key[:32]}.safetensors"
            latents = _kept_codes(kept, (1, generator.n_latent, generator.style_dim))
            if latents is not None:
                return latents.to(self.model.device), "kept codes"
        if settings.inverter == "psp" and self.psp is not None:
            with torch.inference_mode():
                latents, how = self.psp(face[None].to(self.model.device)), "pSp"
        else:
            space: Literal["w", "w+"] = "w" if settings.inverter == "w" else "w+"
            inversion = invert(
                generator, face[None], distance=self.distance, space=space, steps=settings.steps, watch=self.watch
            )
            latents, how = inversion.latents, f"{settings.steps} steps in {space.upper()} on {inversion.measured}"
        if kept:
            with whole_file(kept) as part:
                write_tensors(part, {"latents": latents.cpu()})
        return latents, how

    def _write(
        self, picture: Tensor, style: Style, source: Path, file: Path, aligned: AlignedFace | None, aligner: Aligner
    ) -> Result:
        settings = self.settings
        text = {"weights": self.model.origin["weights"], "face": source.name, "style": style.path.name}
        text |= {"i": settings.i, "theta": settings.theta}
        save_png(file, picture, text)
        pixels, pasted = to_uint8(picture), None
        if settings.paste and aligned:
            pasted = file.with_name(f"{self._result_names(f'{file.stem}.pasted')}.png")
            save_png(pasted, paste_back(read_rgb(source), Image.fromarray(pixels), aligned.quad), text, "composite")
        same = near = None
        if settings.similarity:
            near = self.style_similarity(pixels, style)
            if aligned:
                same = compare_faces(aligner, aligned, file)
        return Result(style, file, pasted, same, near)

    def style_similarity(self, pixels: np.ndarray, style: Style) -> float:
        """Cosine of the style codes of a result (H, W, 3) uint8 and of its style."""
        code = self.model.style_codes(to_tensor(pixels)[None])
        return float(F.cosine_similarity(code, style.code).item())


def compare_faces(aligner: Aligner, aligned: AlignedFace, result: Path) -> float:
    """`face_similarity` of an aligned face and its result, both read at the face's landmarks."""
    before, after = (aligner.describe(path, aligned.landmarks) for path in (aligned.file, result))
    return face_similarity(before, after)
