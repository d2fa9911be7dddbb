"""Figures 9 to 12, of the paper's appendix: given faces through inversion, the Gram ablation, one-shot styles.

They need networks that the tables do not: what is not at hand is said, with the command that makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmark.report.figure_context import Studio, grid
from benchmark.run.adapters import blendgan_of, scaled_indicator
from benchmark.run.generate import resize, to_float
from benchmark.tasks.paper import Guidance
from models.data.pictures import nearest_uint8, read_picture
from models.inference.invert import invert
from models.inference.pretrained import Pretrained, load_blendgan, load_psp
from models.method import Face
from models.rng import seeded_normal
from suite.errors import SuiteError

# The paper's choice for pictures that are looked at (Sec. 4.1).
SHOWN = 6
# Optimisation stands in for pSp where a face takes seconds with it; larger generators take hours on a processor.
SMALL, STEPS = 128, 300


def given_faces(guidance: Guidance) -> Callable[[Studio], Image.Image]:
    """Figures 9 and 10 (appendix A.3): a given face, its inversion, and the inversion in each style."""

    def draw_it(studio: Studio) -> Image.Image:
        networks = load_blendgan(studio.weights("BlendGAN"), device=studio.work.device)
        latents, how = _inverted(studio, networks)
        generator, rows = networks.generator, []
        i = scaled_indicator(SHOWN, generator.n_latent)
        with torch.inference_mode():
            natural = _shown(generator.synthesis(latents), studio.size)
            for face, source in enumerate(studio.sources()):
                codes = _codes(studio, networks, guidance, face)
                pictures, _ = generator(w=latents[face : face + 1].expand(len(codes), -1, -1), z_style=codes, i=i)
                rows.append(torch.cat([source[None], natural[face : face + 1], _shown(pictures, studio.size)]))
        styles = "drawn styles" if guidance == "latent" else "the references' styles"
        labels = [f"given face, inverted ({how}), {styles} (i = {SHOWN} of 18)", *[""] * (len(rows) - 1)]
        if guidance == "reference":
            blank = torch.full((2, 3, studio.size, studio.size), 255, dtype=torch.uint8)
            rows.insert(0, torch.cat([blank, studio.references(0)]))
            labels.insert(0, "references")
        return grid(rows, labels)

    return draw_it


def _codes(studio: Studio, networks: Pretrained, guidance: Guidance, face: int) -> Tensor:
    """(K, style_code_dim): drawn, or of the first face's references, the same for every face."""
    draws = studio.draws
    if guidance == "reference":
        return networks.style_codes(to_float(studio.references(0)))
    seeds = [draws.style_seed(0, k) for k in range(draws.styles)]
    return seeded_normal(seeds, [networks.generator.style_code_dim], networks.device, "style")


def _inverted(studio: Studio, networks: Pretrained) -> tuple[Tensor, str]:
    """W+ codes (faces, n_latent, style_dim) of the draw's faces, and how they were found."""
    generator = networks.generator
    psp = load_psp(studio.psp, generator, folder=studio.work.weights_folder)
    faces = to_float(studio.sources()).to(networks.device)
    if psp is not None:
        with torch.inference_mode():
            return psp(faces), "pSp"
    if generator.size > SMALL:
        raise SuiteError("needs a pSp encoder: give --psp PATH; 'blendgan train-psp' makes one")
    return invert(generator, faces, steps=STEPS).latents, f"no pSp encoder at hand: {STEPS} steps in W+"


def gram_codes(studio: Studio) -> Image.Image:
    """Figure 11 (appendix A.4): style codes of the encoder against concatenated Gram matrices, i = 18 and i = 0."""
    if studio.gram_codes is None:
        raise SuiteError("needs the ablation: give --gram-codes PATH; 'blendgan train --set gram_codes=true' makes it")
    rows = [torch.stack([studio.references(face)[0] for face in range(studio.faces)])]
    labels = ["references"]
    known = ((studio.weights("BlendGAN"), "style encoder"), (studio.gram_codes, "concatenated Gram matrices"))
    for weights, words in known:
        networks = load_blendgan(weights, device=studio.work.device)
        for i in (18, 0):
            rows.append(_first_styles(studio, networks, i, rows[0]))
            labels.append(f"{words}, i = {i} of 18")
    return grid(rows, labels)


def one_shot(studio: Studio) -> Image.Image:
    """Figure 12 (appendix A.5): a style outside the data before and after finetuning to its one picture."""
    if not studio.finetuned:
        raise SuiteError("needs one-shot finetunings: give --finetuned WEIGHTS=PICTURE; 'blendgan finetune' makes them")
    before = load_blendgan(studio.weights("BlendGAN"), device=studio.work.device)
    rows, labels = [], []
    for weights, picture in studio.finetuned:
        after = load_blendgan(weights, device=studio.work.device)
        style = nearest_uint8(read_picture(picture, studio.size))[None]
        repeated = style.expand(studio.faces, -1, -1, -1)
        for networks, words in ((before, "before"), (after, "after")):
            rows.append(torch.cat([style, _first_styles(studio, networks, SHOWN, repeated)]))
            labels.append(f"{_plain(picture)}: {words} finetuning (i = {SHOWN} of 18)")
    return grid(rows, labels)


def _plain(picture: Path) -> str:
    return picture.stem.encode("ascii", "replace").decode()[:40]


def _first_styles(studio: Studio, networks: Pretrained, indicator: int, styles: Tensor) -> Tensor:
    """(faces, 3, size, size) uint8: the draw's invented faces, each in one of the uint8 pictures `styles`."""
    seeds = [studio.draws.face_seed(face) for face in range(studio.faces)]
    method = blendgan_of(networks, indicator)
    if "reference" not in method.modes:
        raise SuiteError(f"{networks.origin['weights']}: has no style encoder, so that no picture can give the style")
    made = method.from_reference(Face(seeds=tuple(seeds)), to_float(styles).to(networks.device), seeds)
    return _shown(made, studio.size)


def _shown(pictures: Tensor, size: int) -> Tensor:
    return resize(nearest_uint8(pictures).cpu(), size)
