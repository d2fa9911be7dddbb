"""`aahq-bench train-reader`: the embedder of identity and style that demo and small measure with."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.ownership import claim_file, head_of
from suite.params import Count, output_file, output_folder, processes, seed_range


@click.command(short_help="Train the reader of identity and style on painted portraits.")
@click.option("--steps", default=1500, show_default=True, type=Count(10), help="Training steps of each head.")
@click.option("--seed", type=seed_range, default=0, show_default=True, help="Of the weights, the order and the wear.")
@click.option("--work", type=output_folder, default=Path("reader-data"), show_default=True, help="Where it paints.")
@click.option("--workers", type=processes, metavar="N", help="Painting processes.  [one a core]")
@click.option("-o", "--out", type=output_file, required=True, help="The .safetensors to write.")
@json_option
def command(steps: int, seed: int, work: Path, workers: int | None, out: Path, as_json: bool) -> None:
    """Paint about 9,000 portraits, train both heads by contrast, and judge them on people and styles they never saw.

    Printed is how often the nearest of 10 or 100 is the right one, at 32, 64 and 128 px: of references, for the painter's
    own answers in their styles, and of photographs. The committed one is benchmark/data/reader.safetensors; numbers of
    two readers do not compare, and protocols carry its digest.

    \b
    Example:
      aahq-bench train-reader -o benchmark/data/reader.safetensors
    """
    from benchmark.metrics.extractors.lite0 import Trunk
    from benchmark.metrics.extractors.reader import Reader
    from benchmark.run.train_reader import WORLD, judge, lessons_of, paint, save, train

    if out.suffix != ".safetensors":
        raise SuiteError(f"--out {out}: expected a .safetensors file")
    claim_file("--out", out, lambda there: b'"reader"' in head_of(there, 1 << 16))
    learnt, judged = paint(work, workers)
    trunk = Trunk()
    lessons = lessons_of(learnt, trunk, seed)
    heads = train(lessons, steps, seed)
    accuracies = judge(Reader(heads, trunk, {}, ""), judged)
    card = {"world": WORLD, "portraits": len(lessons.family), "steps": steps, "judged": accuracies}
    save(out, heads, card)
    lines = [f"{out}: trained on {len(lessons.family)} portraits, judged on others"]
    lines += [f"  {size} px: " + ", ".join(f"{k} {v:.3f}" for k, v in row.items()) for size, row in accuracies.items()]
    emit({"out": str(out), **card}, "\n".join(lines), as_json)
