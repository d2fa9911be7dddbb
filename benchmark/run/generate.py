"""Pictures of one cell, streamed in blocks of faces, checked before anything is measured, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from benchmark.run.picture_cost import Stopwatch, peak_bytes
from benchmark.tasks.paper import Guidance
from benchmark.tasks.protocol import EvalPairs
from models.data.pictures import check_pictures, nearest_uint8
from models.data.release import Release
from models.method import Face, Method
from models.training import parallel
from suite.errors import SuiteError

T = TypeVar("T")
# Values beyond [-1, 1] by more than this on average are another range, not an overshoot that clamping mends.
OVERSHOOT = 0.1


@dataclass(frozen=True)
class Block:
    """The pictures of some consecutive faces.

    Attributes:
        faces: their numbers in the draw.
        pictures: (len(faces) * K, 3, R, R) uint8, the K styles of each face together.
        sources: (len(faces), 3, R, R) uint8 face pictures, or None for a method that invents its faces.
    """

    faces: range
    pictures: Tensor
    sources: Tensor | None


def to_float(pictures: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def read_rows(release: Release, rows: tuple[int, ...] | list[int], size: int | None = None) -> Tensor:
    """(N, 3, S, S) uint8 pictures of a release; with `size`, resized by antialiased bicubic.

    Raises:
        SuiteError: pictures of mixed or unsquare sizes.
    """
    pictures = []
    for row in rows:
        picture = torch.from_numpy(release.image(row).copy()).permute(2, 0, 1)
        if picture.shape[1] != release.size or picture.shape[2] != release.size:
            raise SuiteError(
                f"{release.root}: row {row} is {picture.shape[2]} x {picture.shape[1]}; the release says {release.size}"
            )
        pictures.append(picture)
    return resize(torch.stack(pictures), size or release.size)


def resize(pictures: Tensor, size: int) -> Tensor:
    """uint8 (N, 3, H, W) to (N, 3, size, size) by antialiased bicubic; untouched where the size is right."""
    if tuple(pictures.shape[-2:]) == (size, size):
        return pictures
    x = F.interpolate(pictures.float(), (size, size), mode="bicubic", antialias=True, align_corners=False)
    return x.clamp(0, 255).round().to(torch.uint8)


class Generation:
    """How one method makes one cell's pictures.

    Args:
        method: what answers.
        guidance: where its styles come from.
        draws: which faces and styles.
        release: where face and style pictures are.
        batch: pictures asked of the method at once.
    """

    def __init__(
        self, method: Method, guidance: Guidance, draws: EvalPairs, release: Release, batch: int, device: str = "cpu"
    ) -> None:
        if guidance not in method.modes:
            raise SuiteError(f"{method.name}: has no {guidance}-guided mode")
        self.method, self.guidance, self.draws, self.release = method, guidance, draws, release
        self.batch, self.device = batch, device
        self.watch = Stopwatch()

    def one_picture_bytes(self) -> int | None:
        """The memory that one picture takes besides the weights; the method has answered once before."""
        sources = None
        if self.method.face == "image":
            sources = read_rows(self.release, [self.draws.face_rows[0]], self.method.resolution)
        process = str(getattr(self.method, "pid", "self"))
        return peak_bytes(lambda: self._ask([(0, 0)], range(1), sources), self.device, process)

    def block(self, faces: range) -> Block:
        """The pictures of `faces`, checked.

        Raises:
            SuiteError: the reason why the method's answer is no measurement.
        """
        draws, size = self.draws, self.method.resolution
        sources = None
        if self.method.face == "image":
            sources = read_rows(self.release, [draws.face_rows[f] for f in faces], size)
        wanted = [(f, k) for f in faces for k in range(draws.styles)]
        parts = []
        for start in range(0, len(wanted), self.batch):
            pairs = wanted[start : start + self.batch]
            with self.watch.over(len(pairs), self.device):
                answer = self._ask(pairs, faces, sources)
            check_answer(answer, len(pairs), size, self.method.name)
            parts.append(answer.float().cpu())
        raw = torch.cat(parts)
        check_measurable(raw, sources, draws.styles, self.method.name)
        return Block(faces, nearest_uint8(raw), sources)

    def _ask(self, pairs: list[tuple[int, int]], faces: range, sources: Tensor | None) -> Tensor:
        draws = self.draws
        if sources is None:
            face = Face(seeds=tuple(draws.face_seed(f) for f, _ in pairs))
        else:
            face = Face(images=to_float(sources[[f - faces.start for f, _ in pairs]]).to(self.device))
        with torch.inference_mode():
            if self.guidance == "latent":
                return self.method.from_latent(face, [draws.style_seed(f, k) for f, k in pairs])
            rows = [draws.style_rows[f][k] for f, k in pairs]
            style = to_float(read_rows(self.release, rows, self.method.resolution)).to(self.device)
            return self.method.from_reference(face, style, [draws.sample_seed(f, k) for f, k in pairs])


def check_answer(answer: object, count: int, size: int, name: str) -> None:
    """Refuse an answer that is not `count` float32 pictures of side `size` with finite values."""
    if not isinstance(answer, Tensor):
        raise SuiteError(f"{name}: returned {type(answer).__name__}; expected a tensor")
    if answer.dtype != torch.float32:
        raise SuiteError(f"{name}: returned {str(answer.dtype).removeprefix('torch.')}; expected float32 in [-1, 1]")
    if tuple(answer.shape) != (count, 3, size, size):
        few = "too few pictures: " if answer.ndim == 4 and len(answer) < count else ""
        raise SuiteError(f"{name}: {few}returned {tuple(answer.shape)}; expected {(count, 3, size, size)}")
    if not bool(torch.isfinite(answer).all()):
        raise SuiteError(f"{name}: returned NaN or infinite values; refused")


def check_measurable(raw: Tensor, sources: Tensor | None, styles: int, name: str) -> None:
    """Refuse pictures of another range, copies of the input, and one picture for every face.

    Args:
        raw: (F * styles, 3, R, R) float32 as the method returned them.
        sources: (F, 3, R, R) uint8 faces, or None.
    """
    low, high = float(raw.min()), float(raw.max())
    if float((raw.abs() - 1).clamp(min=0).mean()) > OVERSHOOT:
        raise SuiteError(f"{name}: values in [{low:.3g}, {high:.3g}]; expected [-1, 1]")
    if high > 0.1 and len(raw) >= 4:
        check_pictures(raw.clamp(-1, 1), name, expect_dark=True)
    quantised = nearest_uint8(raw)
    if len(raw) > styles and _spread(quantised) <= 1:
        raise SuiteError(f"{name}: the same picture for every face and style; refused")
    if sources is not None:
        repeated = sources.repeat_interleave(styles, 0)
        gaps = (quantised.int() - repeated.int()).abs().float().mean((1, 2, 3))
        same = float((gaps < 1).float().mean())
        if same > 0.5:
            raise SuiteError(f"{name}: {same:.0%} of its pictures are the input unchanged; refused")


def _spread(pictures: Tensor) -> int:
    return int((pictures.amax(0).int() - pictures.amin(0).int()).max())


def in_order(blocks: list[range], work: Callable[[range], T]) -> Iterator[T]:
    """`work` of every block, in order, on every process; the processes share the work by block number.

    Results travel whole and are consumed in block order, so sums come out the same, to the bit, for any number of
    processes. Memory is that of one block a process.
    """
    world, rank = parallel.world(), parallel.rank()
    for start in range(0, len(blocks), world):
        turn = blocks[start : start + world]
        mine: tuple[T | None, SuiteError | None] = (None, None)
        if rank < len(turn):
            try:
                mine = (work(turn[rank]), None)
            except SuiteError as error:
                # Every process must hear of a refusal, or the others would wait for this one for ever.
                mine = (None, error)
        if world == 1:
            results = [mine]
        else:
            results = [(None, None)] * world
            dist.all_gather_object(results, mine)
        for result, refusal in results[: len(turn)]:
            if refusal is not None:
                raise SuiteError(str(refusal), refusal.exit_code)
            yield result  # type: ignore[misc]


def blocks(faces: int, faces_a_block: int) -> list[range]:
    """The faces 0 .. faces - 1 in runs of `faces_a_block`. The runs do not depend on the number of processes."""
    return [range(start, min(start + faces_a_block, faces)) for start in range(0, faces, faces_a_block)]
