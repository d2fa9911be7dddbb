"""`aahq-bench answer`: a method's pictures for handed-out inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.joining import (
    Places,
    bench_work,
    guidance_option,
    limit_options,
    limits_of,
    measure_options,
    settings_of,
)
from benchmark.commands.table_of import named_method
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import output_folder

if TYPE_CHECKING:
    from benchmark.run.record import MethodInfo
    from benchmark.run.reproduction import Reproduction


@click.command(short_help="Write a method's pictures for what 'inputs' handed out.")
@click.argument("method")
@click.option("--inputs", required=True, type=click.Path(path_type=Path), help="What 'aahq-bench inputs' wrote.")
@click.option("-o", "--out", required=True, type=output_folder, help="A new folder for the pictures.")
@click.option("--profile", help="Its options and weights of METHOD.  [default: the inputs' own]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@click.option("--weights", type=click.Path(path_type=Path), help="A checkpoint.  [default: the profile's]")
@guidance_option
@click.option("--indicator", type=click.IntRange(0, 18), help="BlendGAN's i, of the paper's 18 layers.  [default: 0]")
@click.option(
    "--invert-steps",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="BlendGAN begins with the given faces, inverted in N steps, instead of inventing its own.",
)
@click.option("--version", default="", help="Of the method.  [default of the tables' own: this clone's commit]")
@click.option("--code", default="", help="https address of its code; the tables' own methods know theirs.")
@click.option("--train-data", default="", help="What it was trained on.  [known of weights that come with the package]")
@measure_options
@limit_options
@json_option
def command(
    method: str,
    inputs: Path,
    out: Path,
    profile: str | None,
    overrides: tuple[str, ...],
    weights: Path | None,
    guidance: str,
    indicator: int | None,
    invert_steps: int | None,
    version: str,
    code: str,
    train_data: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Answer the faces and styles of --inputs with METHOD, one of the tables or of an installed package.

    OUT then holds what 'aahq-bench judge' and 'aahq-bench score-images' take: one PNG a style, and method.json, which says who
    made them. Without --weights those of the profile are used: given, published, shipped with the package, or trained in the
    folder of --work.

    \b
    Examples:
      aahq-bench answer AdaIN --inputs inputs -o answers/adain
      aahq-bench answer BlendGAN --inputs inputs -o answers/blendgan --invert-steps 300
    """
    from benchmark.leaderboard.handed import open_handed
    from benchmark.leaderboard.method_pictures import Answered, check_new, write_answers
    from benchmark.run.generate import Generation
    from benchmark.run.methods import load
    from benchmark.run.training import weight_digests

    check_new(out)
    card, release, pairs = open_handed(inputs)
    chosen = profile or card.profile
    work = bench_work(settings_of(chosen, overrides), chosen, Places(None, None, None), given)
    file, known = _weights(work, method, weights)
    options = work.options(method, indicator) | ({"invert_steps": invert_steps} if invert_steps else {})
    answering = load(method, file, work.device, limits_of(given, work), **options)
    said = _said(answering.name, version, code, train_data or known)
    generation = Generation(answering, guidance, pairs, release, work.settings.batch, work.device)  # type: ignore[arg-type]
    about = Answered(method=said, weights=weight_digests(file), invents_faces=answering.face == "seed")
    count = write_answers(out, generation, about, work.settings.faces_a_block)
    note = "; of faces that it invented: judges compare results of the given ones" * about.invents_faces
    emit(
        {"out": str(out), "pictures": count, **about.model_dump()},
        f"{out}: {count} pictures of {said.name}{note}",
        as_json,
    )


def _weights(work: Reproduction, name: str, given: Path | None) -> tuple[Path | None, str]:
    """The method's weights, and what is known of their training.

    Raises:
        SuiteError: there are none.
    """
    from benchmark.run.training import find_weights
    from benchmark.tasks.paper import slug
    from models.weights.download import find
    from models.weights.registry import entry as published

    if given is not None:
        if not given.exists():
            raise SuiteError(f"--weights {given}: not there")
        return given, ""
    entry = next((one for one in work.settings.methods if slug(one.name) == slug(name)), None)
    if entry is None:
        return None, ""
    found, why = find_weights(work, entry)
    if found is None:
        if why:
            raise SuiteError(f"--weights: {entry.name}: {why}")
        return None, "nothing"
    if entry.published and found == find(entry.published, work.weights_folder):
        return found, published(entry.published).what
    return found, ""


def _said(name: str, version: str, code: str, train_data: str) -> MethodInfo:
    """What `method.json` says; of the tables' own methods this clone knows version and code."""
    from benchmark.run.methods import BUILT_IN
    from suite.provenance import commit, versions

    if name in BUILT_IN:
        version = version or commit() or versions().get("aahq-blendgan", "")
        code = code or BUILT_IN[name]
    return named_method(name, version, code, train_data)
