"""`aahq-bench train-features`: the factor network that demo and small measure with."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from suite.children import run_command
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import output_file, seed_range


@click.command(short_help="Train the factor network on painted portraits.")
@click.option("--data", type=click.Path(path_type=Path), help="A painted release; without it one is painted.")
@click.option("--count", default=3000, show_default=True, type=click.IntRange(100), help="Portraits of each domain.")
@click.option("--steps", default=1500, show_default=True, type=click.IntRange(10), help="Training steps.")
@click.option("--batch", default=64, show_default=True, type=click.IntRange(4), help="Portraits a step.")
@click.option("--seed", type=seed_range, default=0, show_default=True, help="Of the weights and the order.")
@click.option("-o", "--out", type=output_file, required=True, help="The .safetensors to write.")
@json_option
def command(
    data: Path | None, count: int, steps: int, batch: int, seed: int, out: Path, as_json: bool
) -> None:  # fmt: skip
    """Train the network that reads identity and style off painted portraits, and judge it on people it never saw.

    The committed one is benchmark/data/factor_net.safetensors; numbers of two networks do not compare, and protocols
    carry its digest.

    \b
    Example:
      aahq-bench train-features -o benchmark/data/factor_net.safetensors
    """
    from benchmark.run.train_features import read_lessons, save, train
    from models.data.release import open_release

    if out.suffix != ".safetensors":
        raise SuiteError(f"--out {out}: expected a .safetensors file")
    if data is not None:
        tensors, card = train(read_lessons(open_release(data)), steps, batch, seed)
    else:
        with tempfile.TemporaryDirectory() as folder:
            painted = Path(folder) / "portraits"
            # Another seed than the profiles': the network must not have seen the people that it will measure.
            # And a person and a style of its own for every portrait: with 240 styles it learned those by heart.
            options = ["--count", str(count), "--size", "64", "--domain", "both", "--seed", "1000"]
            options += ["--identities", str(count), "--styles", str(min(count, 10_000))]
            done = run_command([sys.executable, "-m", "aahq", "portraits", str(painted), *options])
            if done.returncode:
                raise SuiteError("train-features: 'aahq portraits' failed; its message stands above")
            tensors, card = train(read_lessons(open_release(painted)), steps, batch, seed)
    save(out, tensors, card)
    report = card["report"]
    emit({"out": str(out), **report}, f"{out}: " + ", ".join(f"{k} {v}" for k, v in report.items()), as_json)
