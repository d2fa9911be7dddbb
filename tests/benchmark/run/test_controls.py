"""Every number that a table prints must put the controls in their order: the painter's answer first, noise last."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from benchmark.metrics.extractors.lite0 import Lite0
from benchmark.metrics.sets import noise, set_distance, set_features
from benchmark.metrics.table import metric_of
from benchmark.report.tables import as_text, build
from benchmark.run.cell import Bench
from benchmark.run.control_pictures import CONTROLS, Stage, colours, missing, shuffled, unchanged, with_colours
from benchmark.run.control_records import control_records
from benchmark.run.record import Record
from benchmark.run.reproduce import ensure_data
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.controls import COLOURS, NOISE, PAINTED, REAL, SHUFFLED, UNCHANGED, key_of
from benchmark.tasks.protocol import sample_pairs
from benchmark.tasks.settings import PaintSettings, Reproduce
from models.data.release import open_release
from models.data.sources import open_pictures
from tests.benchmark.toys import write_release

# Five hundred portraits are painted and six controls measured: minutes, on a machine that does other things too.
pytestmark = pytest.mark.timeout(1500)

# Metric -> chains, each from better to worse; a number of the first must be better than one of the next.
NEIGHBOURS = [[PAINTED, NOISE], [REAL, NOISE]]
ORDERS: dict[str, list[list[str]]] = {
    # Eight faces ten times each are no eighty pictures: a distance between sets counts the repeats against the unchanged
    # input, so it meets noise in a test of its own.
    "FD-lite0": [[REAL, PAINTED, COLOURS, NOISE], [PAINTED, UNCHANGED], [SHUFFLED, NOISE]],
    "KD-lite0": [[PAINTED, COLOURS, NOISE], [PAINTED, UNCHANGED], [REAL, COLOURS], [SHUFFLED, NOISE]],
    "diversity-lite0": [[PAINTED, COLOURS, UNCHANGED], [PAINTED, NOISE], [REAL, NOISE]],
    "identity retrieval": [[PAINTED, SHUFFLED], [PAINTED, NOISE], [UNCHANGED, SHUFFLED], [COLOURS, NOISE]],
    "style retrieval": [[PAINTED, COLOURS, UNCHANGED], [PAINTED, SHUFFLED], [COLOURS, NOISE]],
    "distance to the painted answer": [
        [PAINTED, COLOURS, NOISE],
        [PAINTED, UNCHANGED, NOISE],
        [PAINTED, SHUFFLED, NOISE],
    ],
    "precision (lite0)": NEIGHBOURS,
    "recall (lite0)": NEIGHBOURS,
    "density (lite0)": NEIGHBOURS,
    "coverage (lite0)": NEIGHBOURS,
}
# Say whether training pictures were copied, not how good a picture is.
MEMORY = {"nearest-neighbour ratio (lite0)", "copies (lite0)"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    paint = PaintSettings(count=300, photos=100, size=64, identities=100, styles=60, world="small", seed=3)
    settings = Reproduce(paint=paint, faces=8, styles=10, real_split="train", real_pictures=150, methods=())
    found = Reproduction(settings, "sanity", tmp_path_factory.mktemp("controls"), device="cpu", offline=True)
    ensure_data(found)
    return found


@pytest.fixture(scope="module")
def records(work: Reproduction) -> dict[str, Record]:
    found, absent = control_records(work, lambda: Bench.open(work), 64, lambda _: None)
    assert not absent
    return found


@pytest.mark.slow
def test_every_number_orders_the_controls(records: dict[str, Record]) -> None:
    by_name = {
        name: records[key_of(name, "reference")] for name in (REAL, PAINTED, COLOURS, UNCHANGED, SHUFFLED, NOISE)
    }
    assert {value.metric for value in by_name[PAINTED].values} == set(ORDERS) | MEMORY, (
        "a number that nothing vouches for"
    )

    wrong = []
    for metric, chains in ORDERS.items():
        sign = -1 if metric_of(metric).higher else 1
        for chain in chains:
            values = [(found.value, name) for name in chain if (found := by_name[name].get(metric)) is not None]
            wrong += [
                f"{metric}: {a[1]} {a[0]:.4g}, {b[1]} {b[0]:.4g}"
                for a, b in pairwise(values)
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
