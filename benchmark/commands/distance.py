"""`aahq-bench distance`: how far a folder of pictures lies from real ones, in pretrained features, in seconds."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import Count

PathOption = click.Path(path_type=Path)


@click.command(short_help="FD and KD of a folder of pictures against real ones.")
@click.argument("pictures", type=PathOption)
@click.option("--real", required=True, type=PathOption, help="Real pictures: a release, folder, zip, tar or Parquet.")
@click.option("--domain", type=click.Choice(["photo", "art"]), help="Of a release: only this domain.")
@click.option(
    "--split", type=click.Choice(["train", "val", "test"]), help="Of a release, or of photographs: only this split."
)
@click.option("--count", default=500, show_default=True, type=Count(2), help="Pictures on each side.")
@click.option("--size", type=Count(8), help="Bring both sides to this size first.  [that of PICTURES]")
@click.option("--scale", is_flag=True, help="Also real against real, through 32 and 16 px, and noise.")
@click.option("--seed", default=0, show_default=True, help="Of the choice of pictures.")
@json_option
def command(
    pictures: Path,
    real: Path,
    domain: str | None,
    split: str | None,
    count: int,
    size: int | None,
    scale: bool,
    seed: int,
    as_json: bool,
) -> None:
    """FD-lite0 and KD-lite0 between PICTURES and real ones, both at the size of PICTURES.

    A Fréchet distance over few pictures compares only with one over as many: give all sets the same --count. --scale
    prints what to read it by.

    \b
    Example:
      aahq-bench distance samples --real reproduce-demo/data --domain photo --split test --count 500 --scale
    """
    from benchmark.metrics.extractors.lite0 import Lite0
    from benchmark.metrics.sets import as_numbers, chosen_rows, read_pictures, scale_of, set_distance, set_features
    from models.data.sources import open_pictures

    fakes, reals = open_pictures(pictures), open_pictures(real, domain, split)
    for flag, source in (("PICTURES", fakes), ("--real", reals)):
        there = len(chosen_rows(source, len(source.names)))
        if there < count:
            raise SuiteError(f"{flag}: holds {there} pictures, --count is {count}; lower --count")
    extractor = Lite0()
    side = size or int(read_pictures(fakes, chosen_rows(fakes, 1, seed)).shape[-1])
    known = set_features(reals, chosen_rows(reals, count, seed), extractor, side)
    distance = set_distance(known, set_features(fakes, chosen_rows(fakes, count, seed), extractor, side))
    value: dict[str, object] = {**distance.named(extractor), "size": side, "extractor": extractor.describe()}
    lines = [f"{pictures}: FD-lite0 {distance.fd:.1f}, KD-lite0 {distance.kd:.4f} ({count} pictures a side, {side} px)"]
    if scale:
        marks = scale_of(reals, count, extractor, side, seed)
        value["scale"] = as_numbers(marks)
        lines += [f"  {name}: FD-lite0 {one.fd:.1f}, KD-lite0 {one.kd:.4f}" for name, one in marks.items()]
    emit(value, "\n".join(lines), as_json)
