"""`aahq-bench reference`: what scoring needs of the real pictures, in one signed file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.joining import Places, bench_work, data_options, measure_options, seeds_of, settings_of
from benchmark.commands.shared import PathOption
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import output_file

if TYPE_CHECKING:
    from benchmark.reference.pack import PackCard


@click.command(short_help="Pack what scoring needs of the real pictures into one file.")
@click.argument("file", type=output_file)
@data_options
@click.option("--supersedes", type=PathOption, metavar="OLD", help="The pack of the release before a take-down.")
@click.option("--neighbours", is_flag=True, help="Pack the features that neighbour metrics need, however large.")
@click.option("--all-modes", is_flag=True, help="Pack every form of Inception of the profile, not the first alone.")
@click.option("--key", type=PathOption, help="Sign FILE with this private SSH key: FILE.sig lies beside it.")
@measure_options
@json_option
def command(
    file: Path,
    data: Path | None,
    faces: Path | None,
    art: Path | None,
    profile: str,
    overrides: tuple[str, ...],
    seeds: tuple[str, ...],
    hidden_seed: Path | None,
    supersedes: Path | None,
    neighbours: bool,
    all_modes: bool,
    key: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write FILE, with which 'score-images --reference FILE' measures without any real picture.

    It holds moments, a sample and digests of the public draws, no pictures. What does not fit into 60 MB is left out by
    name. With --supersedes it becomes the next version, and says by how much distances moved.

    \b
    Examples:
      aahq-bench reference demo.safetensors --data reproduce-demo/data --key ~/.ssh/id_ed25519
      aahq-bench reference demo-2.safetensors --data reproduce-demo/data --supersedes demo.safetensors
    """
    from benchmark.leaderboard.score import open_bench
    from benchmark.reference.make import make_pack, measured_settings
    from benchmark.reference.pack import read_pack
    from suite.signing import check_key, sign

    if file.exists():
        raise SuiteError(f"FILE {file}: is there already; name a new file, as others may score with the old one")
    if hidden_seed is not None:
        raise SuiteError("--hidden-seed: a reference pack is for everybody; it holds public draws")
    if key is not None:
        check_key("--key", key)
    old = read_pack(supersedes) if supersedes is not None else None
    settings = settings_of(profile, overrides)
    modes = settings.fid_modes if all_modes or settings.features != "inception" else settings.fid_modes[:1]
    left_out = _left_out(settings.fid_modes[len(modes) :])
    drawn = seeds_of(settings, seeds, None)
    # The painter's answers are no part of a pack: who scores paints them from the factors.
    cheap = settings.model_copy(update={"fid_modes": modes, "answers": False})
    bench = open_bench(bench_work(cheap, profile, Places(data, faces, art).needed(), options), drawn)
    card = make_pack(bench, measured_settings(settings), file, left_out, neighbours, old)
    signature = sign(file, key) if key is not None else None
    value = {"file": str(file), "bytes": file.stat().st_size, "signature": str(signature) if signature else None}
    emit(value | card.model_dump(exclude={"factors"}), _text(file, card, signature), as_json)


def _left_out(modes: tuple[Any, ...]) -> list[str]:
    from benchmark.metrics.extractors.features import INCEPTION_NAMES

    names = [INCEPTION_NAMES[mode] for mode in modes]
    return [kind for name in names for kind in (name, name.replace("FID", "KID"))]


def _text(file: Path, card: PackCard, signature: Path | None) -> str:
    size = file.stat().st_size / 1e6
    lines = [f"{file}: version {card.version} of the reference of manifest {card.manifest[:12]}, {size:.1f} MB"]
    lines += [f"  {part.name}: {part.count} real pictures" for part in card.extractors]
    lines += [f"  without {metric}: {why}" for metric, why in card.without.items()]
    if card.superseded is not None:
        lines.append(f"  supersedes version {card.superseded.version}; the drawn photographs, as they are, score")
        for one in card.superseded.moved:
            beside = "" if one.between is None else f"; old to new reference: {one.between:.4g}"
            lines.append(
                f"    {one.metric}: {one.before:.6g} -> {one.after:.6g} ({one.after - one.before:+.3g}){beside}"
            )
    lines.append(
        f"  signed: {signature}" if signature else "  not signed: sign it with --key, so that others can check it"
    )
    return "\n".join(lines)
