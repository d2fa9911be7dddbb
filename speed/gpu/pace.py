"""Generator, training step and feature extraction: pictures a second, seconds a thousand pictures, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmark.metrics.extractors.lite0 import Trunk
from models.networks.blendgan import BlendGAN
from models.networks.style_encoder import StyleEncoder
from models.networks.stylegan2 import channel_table
from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from models.training.rng import StepRNG
from models.training.training_module import Batch
from ops.dispatch import use
from speed.gpu.clock import once, peak_gigabytes, seconds
from speed.gpu.record import Run
from speed.published import blendgan as published
from speed.published.pairs import pictures
from speed.run import Row

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
# One period of the lazy regularisers: R1 once, path length four times.
PERIOD = 16
# StyleGAN2's authors, 1024 px on eight A100 with the custom operators (README of stylegan2-ada-pytorch): s per 1,000 pictures.
STYLEGAN2_1024 = 14.57


def measure(run: Run) -> None:
    """`benchmark` lets cuDNN look for its fastest convolution, as training does; TF32 in convolutions is PyTorch's default."""
    torch.backends.cudnn.benchmark = True
    for full, tiny, batch in ((256, 16, 8), (1024, 32, 4)):
        run.take(f"generator {full}", partial(generator, run, full, run.size(full, tiny), run.size(batch, 2)))
    for full, tiny, batch in ((256, 32, 16), (1024, 32, 4)):
        run.take(f"training {full}", partial(training, run, full, run.size(full, tiny), run.size(batch, 4)))
    run.take("extraction", lambda: extraction(run))
    run.take("generator 256 compiled", lambda: compiled(run))


def _network(run: Run, size: int) -> BlendGAN:
    torch.manual_seed(0)
    width = run.size(512, 16)
    return BlendGAN(size, width, 8, channel_table(widest=width)).eval().to(run.device)


def generator(run: Run, name: int, size: int, batch: int) -> list[Row]:
    """Forward in every precision against the plain operators in float32, and the published code where it is at hand."""
    network = _network(run, size)
    z = torch.randn(batch, network.style_dim, device=run.device)

    @torch.no_grad()
    def draw(half: torch.dtype | None = None) -> Tensor:
        return network(z, z_style=z, i=6, half=half)[0]

    with use("reference"):
        plain = seconds(draw, run.device, run.spend(1.0))
    rows = []

    def row(how: str, work: Callable[[], object]) -> None:
        took = seconds(work, run.device, run.spend(1.0))
        note = f"{how}, batch {batch}: {batch / took:.0f} pictures/s; plain operators in float32: {batch / plain:.0f}"
        rows.append(Row(f"generator {name} px, {how}", plain / took, "x faster", note=note))

    row("float32", draw)
    for how, half in HALVES.items():
        row(how, partial(draw, half))
        row(f"{how}, captured graph", _captured(partial(draw, half), run.device))
    best = max(rows, key=lambda one: one.value)
    rows.append(Row(f"generator {name} px, the best", best.value, "x faster", "at least 2", best.note, best.value >= 2))
    if run.peers is not None and "BlendGAN" in run.peers.here and not run.rehearse:
        pair = published.forward(run.peers, run.device, size, batch)
        theirs, ours = (seconds(work, run.device, run.spend(1.0)) for work in (pair.theirs, pair.ours))
        rows.append(Row(f"generator {name} px, float32, beside the published code", theirs / ours, "x faster"))
    return rows


def _captured(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The same work as one CUDA graph: no launch of its own for any kernel. The CPU has none, and a rehearsal goes on."""
    if device.type != "cuda":
        return work
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def compiled(run: Run) -> list[Row]:
    """`torch.compile` of the synthesis at 256 px in float16; compiling takes minutes at times, so it comes last."""
    size, batch = run.size(256, 16), run.size(8, 2)
    network = _network(run, size)
    latents = torch.randn(batch, network.n_latent, network.style_dim, device=run.device)
    synthesis = network.synthesis if run.rehearse else torch.compile(network.synthesis)
    half = torch.float16 if run.device.type == "cuda" else torch.bfloat16

    @torch.no_grad()
    def draw(call: Callable[..., Tensor]) -> Tensor:
        return call(latents, half=half)

    eager, fast = (seconds(partial(draw, call), run.device, run.spend(1.0)) for call in (network.synthesis, synthesis))
    return [Row("generator 256 px, float16, compiled", eager / fast, "x faster", note="ours in float16, not compiled")]


def _trainer(run: Run, size: int, batch: int, faces_only: bool, **overrides: Any) -> BlendGANTraining:
    torch.manual_seed(0)
    widest = run.size(512, 8)
    games = {"style_weight": 0.0, "style_latent_weight": 0.0} if faces_only else {}
    settings = BlendGANSettings(
        size=size, steps=64, batch=batch, style_dim=run.size(512, 16), widest=widest, mixing=1.0, **games, **overrides
    )
    encoder = None
    if not faces_only:
        widths = (4, 4, 8, 8, 8) if run.rehearse else (64, 128, 256, 512, 512)
        encoder = StyleEncoder(settings.style_dim, widths=widths).requires_grad_(False).to(run.device)
    return BlendGANTraining(settings, run.device, encoder)


def _period(run: Run, module: BlendGANTraining) -> Callable[[], None]:
    form = torch.channels_last if module.settings.channels_last else torch.contiguous_format
    images = {
        domain: pictures(count, module.settings.size, 1, run.device).contiguous(memory_format=form)
        for domain, count in module.batch_sizes.items()
    }

    def steps() -> None:
        for step in _steps(run):
            module.step(Batch(images), StepRNG(7, step))

    return steps


def _steps(run: Run) -> range:
    return range(run.size(PERIOD, 1))


def training(run: Run, name: int, size: int, batch: int) -> list[Row]:
    """The face game, which is StyleGAN2's training, ours and the published operators'; then BlendGAN's whole step."""
    rows: list[Row] = []
    faces = f"StyleGAN2 step, {name} px"

    def timed(what: str, steps: Callable[[], None]) -> float:
        memory = peak_gigabytes(steps, run.device)  # which also warms up
        kimg = once(steps, run.device) / len(_steps(run)) / batch * 1000
        rows.append(
            Row(
                f"{what}, time",
                kimg,
                "s/kimg",
                note=f"batch {batch}; mean of {len(_steps(run))} steps with their regularisers",
            )
        )
        rows.append(Row(f"{what}, memory", memory, "GB"))
        return kimg

    with _other_side(run, size, batch) as (label, other):
        theirs = timed(f"{faces}, the other side", other)
    ours = {}
    for precision, last in (("float32", False), ("bf16", True)):
        module = _trainer(run, size, batch, True, precision=precision, channels_last=last)
        ours[precision] = timed(f"{faces}, ours, {precision}", _period(run, module))
        del module
    best = min(ours, key=lambda key: ours[key])
    note = f"{label}, float32; ours in {best}"
    if name == 1024:
        note += (
            f"; eight A100 and the authors' kernels need {STYLEGAN2_1024} s/kimg, {8 * STYLEGAN2_1024:.0f} of one card"
        )
    faster = theirs / ours[best]
    rows.append(Row(faces, faster, "x faster", "at least 1.7", note, faster >= 1.7))
    whole = _trainer(run, size, batch, False, precision="bf16", channels_last=True, latent_style=0.0)
    timed(f"BlendGAN step, {name} px, ours, bf16", _period(run, whole))
    return rows


@contextmanager
def _other_side(run: Run, size: int, batch: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """What ours is compared with: rosinality's script where it is at hand, our networks over plain operators elsewhere."""
    if run.peers is not None and "stylegan2-pytorch" in run.peers.here and not run.rehearse:
        game = published.FaceGame(run.peers, run.device, size, batch)

        def published_steps() -> None:
            for step in _steps(run):
                game.published(step)

        yield "the published code in eager form", published_steps
        return
    steps = _period(run, _trainer(run, size, batch, True))
    with use("reference"):
        yield "plain operators", steps


def extraction(run: Run) -> list[Row]:
    """Pictures a second through the networks that metrics look with; weights are random, which costs the same."""
    from torchvision.models import alexnet

    from benchmark.metrics.lpips import alex, embed

    count, side = run.size(64, 2), 256
    images = pictures(count, side, 1, run.device)
    bytes_ = ((images + 1) * 127.5).byte()
    trunk = Trunk(device=str(run.device))
    lpips = alex(alexnet(weights=None).state_dict(), "0" * 64, verified=False, device=str(run.device))
    widths = (4, 4, 8, 8, 8) if run.rehearse else (64, 128, 256, 512, 512)
    encoder = StyleEncoder(64, widths=widths).eval().to(run.device)
    works = {
        # A fresh tensor each time: the trunk remembers what it saw.
        "EfficientNet-Lite0 (FD-lite0), 112 px": lambda: trunk.maps(bytes_.clone()),
        "AlexNet (LPIPS), 256 px": torch.inference_mode()(lambda: embed(lpips.maps, lpips.weights, images)),
        "VGG-19 (style codes), 256 px": torch.inference_mode()(lambda: encoder(images)),
    }
    rates = {name: count / seconds(work, run.device, run.spend(1.0)) for name, work in works.items()}
    return [Row(f"extraction, {name}", rate, "pictures/s", note=f"batches of {count}") for name, rate in rates.items()]
