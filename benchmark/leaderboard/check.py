"""Does a method keep the contract? Every clause of `models.method.Method` tried on a few made-up pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.run.generate import check_answer, check_measurable, to_float
from models.data.pictures import nearest_uint8
from models.method import Face, Method, Mode, seeded_normal
from suite.errors import SuiteError

PICTURES = 4
# One grey level of 256: another batch size may choose another convolution, whose float32 sums round differently.
GREY_LEVEL = 1


@dataclass(frozen=True)
class Finding:
    """One clause: what was tried, whether it holds, and why not."""

    clause: str
    holds: bool
    why: str = ""


class Probe:
    """Asks a method for pictures of made-up faces and styles.

    Args:
        method: what is checked.
        mode: which of its modes.
    """

    def __init__(self, method: Method, mode: Mode) -> None:
        self.method, self.mode = method, mode
        self.faces = blurred(range(100, 100 + PICTURES), method.resolution)
        self.styles = blurred(range(200, 200 + PICTURES), method.resolution)
        self.seeds = tuple(range(1000, 1000 + PICTURES))

    def __call__(
        self,
        rows: Sequence[int] = range(PICTURES),
        face_of: Sequence[int] | None = None,
        style_of: Sequence[int] | None = None,
    ) -> Tensor:
        """The answers to `rows`; `face_of` and `style_of` take faces and styles (and seeds) from other rows instead."""
        faces, styles = list(face_of or rows), list(style_of or rows)
        if self.method.face == "image":
            face = Face(images=to_float(self.faces[faces]))
        else:
            face = Face(seeds=tuple(self.seeds[f] + 7000 for f in faces))
        seeds = [self.seeds[k] for k in styles]
        with torch.inference_mode():
            if self.mode == "latent":
                answer = self.method.from_latent(face, seeds)
            else:
                answer = self.method.from_reference(face, to_float(self.styles[styles]), seeds)
        check_answer(answer, len(faces), self.method.resolution, self.method.name)
        return answer.clone().cpu()


def blurred(seeds: Sequence[int], size: int) -> Tensor:
    """(N, 3, size, size) uint8 of smooth random colour: as good as faces for a contract, and free of anybody's face.

    Each has a tint of its own, or statistics taken over a batch would hardly differ from those of a picture.
    """
    tint = seeded_normal([seed + 90_000 for seed in seeds], (3, 1, 1)) * 0.3
    low = seeded_normal(seeds, (3, 8, 8))
    smooth = F.interpolate(low, (size, size), mode="bicubic", align_corners=False)
    fine = seeded_normal([seed + 50_000 for seed in seeds], (3, size, size))
    return nearest_uint8(smooth * 0.4 + fine * 0.03 + tint)


def examine(method: Method) -> Iterator[Finding]:
    """Every clause for every mode; a mode whose first answer is refused is not asked further."""
    for mode in sorted(method.modes):
        probe = Probe(method, mode)
        begun = time.perf_counter()
        clause = f"{mode}: {PICTURES} float32 pictures of side {method.resolution}, finite"
        first = _tried(clause, probe.__call__)
        yield first[0]
        if first[1] is None:
            continue
        seconds = (time.perf_counter() - begun) / PICTURES
        yield _range_and_content(probe, first[1])
        for clause, test in CLAUSES:
            yield _clause(f"{mode}: {clause}", test, probe, first[1])
        yield Finding(f"{mode}: {seconds:.2g} s a picture here", True)


def _tried(clause: str, action: Callable[[], Tensor]) -> tuple[Finding, Tensor | None]:
    try:
        return Finding(clause, True), action()
    except SuiteError as error:
        return Finding(clause, False, str(error)), None
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError) as error:
        words = " ".join(str(error).split())[:200]
        return Finding(clause, False, f"raised {type(error).__name__}: {words}"), None


def _range_and_content(probe: Probe, first: Tensor) -> Finding:
    clause = f"{probe.mode}: values in [-1, 1]; neither the input unchanged nor one picture for everything"
    sources = probe.faces if probe.method.face == "image" else None
    try:
        check_measurable(first, sources, 1, probe.method.name)
    except SuiteError as error:
        return Finding(clause, False, str(error))
    return Finding(clause, True)


Test = Callable[[Probe, Tensor], str]


def _clause(clause: str, test: Test, probe: Probe, first: Tensor) -> Finding:
    note = ""

    def action() -> Tensor:
        nonlocal note
        note = test(probe, first)
        return first

    finding, _ = _tried(clause, action)
    return finding if not finding.holds else Finding(clause, not note, note)


def _gap(a: Tensor, b: Tensor) -> int:
    """The largest difference in grey levels."""
    return int((nearest_uint8(a).int() - nearest_uint8(b).int()).abs().max())


def _same_again(probe: Probe, first: Tensor) -> str:
    torch.manual_seed(1)
    torch.rand(17)
    gap = _gap(probe(), first)
    return f"the same question twice differs by {gap} grey levels; draw only from the seeds given" if gap else ""


def _alone(probe: Probe, first: Tensor) -> str:
    for row in range(PICTURES):
        gap = _gap(probe([row]), first[row : row + 1])
        if gap > GREY_LEVEL:
            return f"picture {row} alone differs from itself in a batch of {PICTURES} by {gap} grey levels"
    return ""


def _any_order(probe: Probe, first: Tensor) -> str:
    order = list(reversed(range(PICTURES)))
    gap = _gap(probe(order), first[order])
    return f"another order changes pictures by {gap} grey levels; sample i may depend on row i only" if gap > 1 else ""


def _style_counts(probe: Probe, first: Tensor) -> str:
    same_face = probe(range(PICTURES), face_of=[0] * PICTURES)
    what = "seeds" if probe.mode == "latent" else "style pictures"
    spread = int((nearest_uint8(same_face).amax(0).int() - nearest_uint8(same_face).amin(0).int()).max())
    return "" if spread > GREY_LEVEL else f"one face with {PICTURES} {what} gives one picture; {what} have no say"


def _face_counts(probe: Probe, first: Tensor) -> str:
    same_style = probe(range(PICTURES), style_of=[0] * PICTURES)
    spread = int((nearest_uint8(same_style).amax(0).int() - nearest_uint8(same_style).amin(0).int()).max())
    return "" if spread > GREY_LEVEL else f"{PICTURES} faces in one style give one picture; faces have no say"


def _inputs_kept(probe: Probe, first: Tensor) -> str:
    if probe.method.face != "image":
        return ""
    images, styles = to_float(probe.faces), to_float(probe.styles)
    before = images.clone(), styles.clone()
    face = Face(images=images)
    with torch.inference_mode():
        if probe.mode == "latent":
            probe.method.from_latent(face, probe.seeds)
        else:
            probe.method.from_reference(face, styles, probe.seeds)
    kept = torch.equal(images, before[0]) and torch.equal(styles, before[1])
    return "" if kept else "the given faces or styles were changed in place; work on a copy"


CLAUSES: tuple[tuple[str, Test], ...] = (
    ("the same question has the same answer", _same_again),
    ("batch size never changes a picture", _alone),
    ("order never changes a picture", _any_order),
    ("styles have a say", _style_counts),
    ("faces have a say", _face_counts),
    ("inputs are left as they were", _inputs_kept),
)
