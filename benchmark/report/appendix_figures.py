"""Figures 9 to 12, of the paper's appendix: given faces through inversion, the Gram ablation, one-shot styles.

They need networks that the tables do not: what is not at hand is said, with the command that makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmark.report.figure_context import FigureContext, grid
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


def given_faces(guidance: Guidance) -> Callable[[FigureContext], Image.Image]:
    """Figures 9 and 10 (appendix A.3): a given face, its inversion, and the inversion in each style."""

    def draw_it(context: FigureContext) -> Image.Image:
        networks = load_blendgan(context.weights("BlendGAN"), device=context.work.device)
        latents, how = _inverted(context, networks)
        generator, rows = networks.generator, []
        i = scaled_indicator(SHOWN, generator.n_latent)
        with torch.inference_mode():
            natural = _resized(generator.synthesis(latents), context.size)
            for face, source in enumerate(context.sources()):
                codes = _codes(context, networks, guidance, face)
                pictures, _ = generator(w=latents[face : face + 1].expand(len(codes), -1, -1), z_style=codes, i=i)
                rows.append(torch.cat([source[None], natural[face : face + 1], _resized(pictures, context.size)]))
        styles = "drawn styles" if guidance == "latent" else "the references' styles"
        labels = [f"given face, inverted ({how}), {styles} (i = {SHOWN} of 18)", *[""] * (len(rows) - 1)]
        if guidance == "reference":
            blank = torch.full((2, 3, context.size, context.size), 255, dtype=torch.uint8)
            rows.insert(0, torch.cat([blank, context.references(0)]))
            labels.insert(0, "references")
        return grid(rows, labels)

    return draw_it


def _codes(context: FigureContext, networks: Pretrained, guidance: Guidance, face: int) -> Tensor:
    """(K, style_code_dim): drawn, or of the first face's references, the same for every face."""
    draws = context.draws
    if guidance == "reference":
        return networks.style_codes(to_float(context.references(0)))
    seeds = [draws.style_seed(0, k) for k in range(draws.styles)]
    return seeded_normal(seeds, [networks.generator.style_code_dim], networks.device, "style")


def _inverted(context: FigureContext, networks: Pretrained) -> tuple[Tensor, str]:
    """W+ codes (faces, n_latent, style_dim) of the draw's faces, and how they were found."""
    generator = networks.generator
    psp = load_psp(context.psp, generator, folder=context.work.weights_folder)
    faces = to_float(context.sources()).to(networks.device)
    if psp is not None:
        with torch.inference_mode():
            return psp(faces), "pSp"
    if generator.size > SMALL:
        raise SuiteError("needs a pSp encoder: give --psp PATH; 'blendgan train-psp' makes one")
    return invert(generator, faces, steps=STEPS).latents, f"no pSp encoder at hand: {STEPS} steps in W+"


def gram_codes(context: FigureContext) -> Image.Image:
    """Figure 11 (appendix A.4): style codes of the encoder against concatenated Gram matrices, i = 18 and i = 0."""
    if context.gram_codes is None:
        raise SuiteError("needs the ablation: give --gram-codes PATH; 'blendgan train --set gram_codes=true' makes it")
    rows = [torch.stack([context.references(face)[0] for face in range(context.faces)])]
    labels = ["references"]
    known = ((context.weights("BlendGAN"), "style encoder"), (context.gram_codes, "concatenated Gram matrices"))
    for weights, words in known:
        networks = load_blendgan(weights, device=context.work.device)
        for i in (18, 0):
            rows.append(_first_styles(context, networks, i, rows[0]))
            labels.append(f"{words}, i = {i} of 18")
    return grid(rows, labels)


def one_shot(context: FigureContext) -> Image.Image:
    """Figure 12 (appendix A.5): a style outside the data before and after finetuning to its one picture."""
    if not context.finetuned:
        raise SuiteError("needs one-shot finetunings: give --finetuned WEIGHTS=PICTURE; 'blendgan finetune' makes them")
    before = load_blendgan(context.weights("BlendGAN"), device=context.work.device)
    rows, labels = [], []
    for weights, picture in context.finetuned:
        after = load_blendgan(weights, device=context.work.device)
        style = nearest_uint8(read_picture(picture, context.size))[None]
        repeated = style.expand(context.faces, -1, -1, -1)
        for networks, words in ((before, "before"), (after, "after")):
            rows.append(torch.cat([style, _first_styles(context, networks, SHOWN, repeated)]))
            labels.append(f"{_plain(picture)}: {words} finetuning (i = {SHOWN} of 18)")
    return grid(rows, labels)


def _plain(picture: Path) -> str:
    return picture.stem.encode("ascii", "replace").decode()[:40]


def _first_styles(context: FigureContext, networks: Pretrained, indicator: int, styles: Tensor) -> Tensor:
    """(faces, 3, size, size) uint8: the draw's invented faces, each in one of the uint8 pictures `styles`."""
    seeds = [context.draws.face_seed(face) for face in range(context.faces)]
    method = blendgan_of(networks, indicator)
    if "reference" not in method.modes:
        raise SuiteError(f"{networks.origin['weights']}: has no style encoder, so that no picture can give the style")
    made = method.from_reference(Face(seeds=tuple(seeds)), to_float(styles).to(networks.device), seeds)
    return _resized(made, context.size)


def _resized(pictures: Tensor, size: int) -> Tensor:
    return resize(nearest_uint8(pictures).cpu(), size)
