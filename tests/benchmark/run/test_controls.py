"""Every number that a table prints must put the controls in their order: the painter's answer first, noise last."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import alexnet, inception_v3

from benchmark.metrics.art_fid import ArtFid
from benchmark.metrics.cfsd import Cfsd
from benchmark.metrics.extractors.arcface import ArcFace
from benchmark.metrics.extractors.art_inception import ArtInception
from benchmark.metrics.extractors.csd import Csd
from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.extractors.lite0 import Lite0
from benchmark.metrics.lpips import alex
from benchmark.metrics.panel import Instrument, open_row, similarity, structure
from benchmark.metrics.sets import noise, set_distance, set_features
from benchmark.metrics.table import METRICS, metric_of
from benchmark.report.table_formats import as_text
from benchmark.report.tables import build
from benchmark.run.cell import Bench
from benchmark.run.control_pictures import (
    CONTROLS,
    ControlGeneration,
    Stage,
    colours,
    missing,
    shuffled,
    unchanged,
    with_colours,
)
from benchmark.run.control_records import control_records
from benchmark.run.instruments import Extractors
from benchmark.run.record import Record
from benchmark.run.reproduce import ensure_data
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.controls import COLOURS, NOISE, PAINTED, REAL, SHUFFLED, UNCHANGED, key_of
from benchmark.tasks.protocol import sample_pairs
from benchmark.tasks.settings import PaintSettings, Reproduce
from models.data.release import open_release
from models.data.sources import open_pictures
from models.networks.clip_vision import ClipVision, StyleDescriptor
from models.networks.iresnet import IResNet
from models.networks.vgg import VGG19Trunk
from tests import golden_recipe
from tests.benchmark.toys import published_names, write_release

# Five hundred portraits are painted and six controls measured: minutes, on a machine that does other things too.
pytestmark = pytest.mark.timeout(1500)

# Say whether training pictures were copied, not how good a picture is.
MEMORY = {"nearest-neighbour ratio (lite0)", "copies (lite0)"}
# Networks whose weights are not here, in rows that speak of others' own weights: random ones know less.
STAND_INS = {
    "identity similarity (arcface)": ((UNCHANGED, PAINTED, SHUFFLED, NOISE),),
    "style similarity (csd)": ((PAINTED, SHUFFLED), (PAINTED, UNCHANGED)),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    paint = PaintSettings(count=300, photos=100, size=64, identities=100, styles=60, world="small", seed=3)
    settings = Reproduce(paint=paint, faces=8, styles=10, real_split="train", real_pictures=150, methods=())
    found = Reproduction(settings, "sanity", tmp_path_factory.mktemp("controls"), device="cpu", offline=True)
    ensure_data(found)
    return found


@pytest.fixture(scope="module")
def bench(work: Reproduction) -> Bench:
    opened = Bench.open(work)
    opened.extractors = with_stand_ins(opened.extractors)
    return opened


@pytest.fixture(scope="module")
def records(work: Reproduction, bench: Bench) -> dict[str, Record]:
    found, absent = control_records(work, lambda: bench, 64, lambda _: None)
    assert not absent
    return found


def with_stand_ins(known: Extractors) -> Extractors:
    """Beside the features that are here: the networks whose published weights are not, with weights that a recipe makes.

    What a metric's row says of random weights is shown with these (`Metric.vouched`).
    """
    inception, trunk = inception_v3(weights=None, init_weights=False), alexnet(weights=None)
    state = {k: v for k, v in filled(inception, 1.6).items() if not k.startswith(("fc.", "AuxLogits."))}
    art = Some(state, "0" * 64, size=75)
    lpips = alex(filled(trunk, 2**0.5), "0" * 64, verified=True, size=64)
    vgg = VGG19Trunk()
    vgg.load_state_dict(filled(vgg, 2.0))
    face = IResNet((1, 1, 1, 1), (16, 32, 64, 128), 64)
    style = StyleDescriptor(ClipVision(56, 14, 128, 2), 48)
    csd = Csd(published_names(filled(style, 1.0)), "0" * 64)
    people = [similarity(ArcFace(filled(face, 1.0), "0" * 64), "identity"), open_row("dlib")]
    styles = [similarity(csd, "style"), open_row("painted-style-encoder", offline=True)]
    panel = [*people, *styles, structure(Cfsd(vgg, "0" * 64, size=64))]
    return replace(
        known,
        fd=(*known.fd, Fid(art)),
        panel=tuple(one for one in panel if isinstance(one, Instrument)),
        art_fid=ArtFid(art, lpips),
    )


def filled(network: nn.Module, gain: float) -> dict[str, Tensor]:
    return golden_recipe.fill(network.state_dict(), "sanity-", "plain", gain)


class Some(ArtInception):
    """The first 256 features, of 75 px: eighty pictures know no more. Remembers the pictures that it saw last."""

    dim = 256
    _seen: tuple[Tensor, Tensor] | None = None

    def embed(self, pictures: Tensor) -> Tensor:
        if self._seen is None or self._seen[0] is not pictures:
            self._seen = pictures, super().embed(pictures)[:, : self.dim]
        return self._seen[1]


class Fid(Extractor):
    """An Inception's features under FID's names."""

    name, fd_name, kernel_name, dim, size = "inception", "FID", "KID", Some.dim, 75
    resize, weights_sha256, licence = ArtInception.resize, "0" * 64, ""

    def __init__(self, inception: Some) -> None:
        self.inception = inception

    def embed(self, pictures: Tensor) -> Tensor:
        return self.inception.embed(pictures)


@pytest.fixture(scope="module")
def values(bench: Bench, records: dict[str, Record]) -> dict[str, dict[str, float]]:
    """Metric -> control -> value. LPIPS, whose place FD-lite0's diversity takes in `demo`, is measured beside them."""
    found: dict[str, dict[str, float]] = {}
    for control in CONTROLS:
        for one in records[key_of(control.name, "reference")].values:
            found.setdefault(one.metric, {})[control.name] = one.value
    assert bench.extractors.art_fid is not None
    lpips, draws = bench.extractors.art_fid.content, bench.draws[0]
    stage = Stage(draws, bench.release, 64, bench.extractors.answers[draws.digest], bench.real.spare)
    for control in CONTROLS:
        pictures = ControlGeneration(control, stage).block(range(draws.faces)).pictures
        found.setdefault("LPIPS", {})[control.name] = float(lpips.of_faces(pictures, draws.styles).mean())
    return found


@pytest.mark.slow
def test_every_number_orders_the_controls_as_its_row_says(values: dict[str, dict[str, float]]) -> None:
    vouched = {metric.names for metric in METRICS if metric.vouched}
    assert {metric_of(name).names for name in values if name not in MEMORY} == vouched, (
        "a number that nobody vouches for"
    )

    wrong = []
    for name, known in values.items():
        row = metric_of(name)
        orders = STAND_INS.get(name, (*row.orders, *row.wrong))
        for chain in orders:
            placed = [(known[control], control) for control in chain if control in known]
            sign = -1 if row.higher else 1
            wrong += [
                f"{name}: {a[1]} {a[0]:.4g}, {b[1]} {b[0]:.4g}"
                for a, b in pairwise(placed)
                if not sign * a[0] < sign * b[0]
            ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_noise_is_further_from_art_than_photographs_are(work: Reproduction) -> None:
    art, photos = (open_pictures(work.release, domain) for domain in ("art", "photo"))
    lite0, rows = Lite0(), range(100)
    known = set_features(art, range(150), lite0)
    far = [set_distance(known, set_features(photos, rows, lite0, change=change)) for change in (None, noise)]
    assert far[0].fd < far[1].fd
    assert far[0].kd < far[1].kd


@pytest.mark.slow
def test_chance_is_chance_and_the_right_answer_right(records: dict[str, Record]) -> None:
    def value(control: str, metric: str) -> float:
        found = records[key_of(control, "reference")].get(metric)
        assert found is not None
        return found.value

    # Eight faces of ten: the wide margins are those of 80 pictures.
    assert value(PAINTED, "identity retrieval") >= 0.9
    assert value(PAINTED, "style retrieval") >= 0.75
    assert value(UNCHANGED, "style retrieval") <= 0.15
    assert value(SHUFFLED, "style retrieval") <= 0.25
    assert value(SHUFFLED, "identity retrieval") <= 0.3
    assert value(PAINTED, "distance to the painted answer") == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_controls_stand_in_the_tables_and_are_never_ranked(records: dict[str, Record]) -> None:
    table = build(3, list(records.values()), metrics=["KD-lite0", "style retrieval"])
    rows = [row for row in table.rows if row.control]
    assert [row.cell.label for row in rows] == [f"control: {control.name}" for control in CONTROLS]
    assert {entry.rank for row in rows for entry in row.entries} == {"control"}
    assert "control: painted answer" in as_text(table)


@pytest.mark.slow
def test_kept_controls_are_not_measured_again(work: Reproduction, records: dict[str, Record]) -> None:
    def never() -> Bench:
        raise AssertionError("kept records were measured again")

    found, _ = control_records(work, never, 64, lambda _: None)
    assert {key: one.values for key, one in found.items()} == {key: one.values for key, one in records.items()}


def toy(tmp_path: Path) -> Stage:
    release = open_release(write_release(tmp_path / "data"))
    return Stage(sample_pairs(release, 3, 4, "0"), release, 32)


def test_what_a_control_lacks_is_said(tmp_path: Path) -> None:
    told = {control.name: missing(control, toy(tmp_path)) for control in CONTROLS}
    assert "only painted portraits have a right answer" in told[PAINTED]
    assert "12 real pictures besides the real set are needed, there are 0" in told[REAL]
    assert told[NOISE] == told[COLOURS] == told[UNCHANGED] == ""


def test_colours_are_the_references_and_places_the_faces(tmp_path: Path) -> None:
    stage = toy(tmp_path)
    made, wanted = colours(stage, range(3)).float(), stage.references(range(3)).float()
    # Values that leave 0..255 are cut, so the means meet to a few levels.
    torch.testing.assert_close(made.mean((2, 3)), wanted.mean((2, 3)), atol=12, rtol=0)
    face = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(with_colours(face, face), face, atol=1e-5, rtol=0)
    assert torch.equal(unchanged(stage, range(1)), stage.sources(range(1)))


def test_random_pairing_leaves_no_answer_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = toy(tmp_path)
    monkeypatch.setattr(Stage, "answered", lambda _, places: torch.tensor(places))
    found = torch.cat([shuffled(stage, range(k, k + 1)) for k in range(3)]).tolist()
    assert sorted(found) == list(range(12))
    assert all(place != given for place, given in enumerate(found))
