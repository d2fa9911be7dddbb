"""`aahq-bench watch`: checkpoints of a run are scored on held-out pictures, and the best one is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.run.snapshots import Run
from benchmark.run.watch import Budget, watch
from models.cli import main as models_main
from models.inference.pretrained import load_blendgan
from tests.benchmark.metrics.test_distance import ovals

TINY = (
    "size=32",
    "widest=8",
    "style_dim=8",
    "n_mlp=1",
    "batch=2",
    "steps=4",
    "save_every=2",
    "queue=4",
    "path_weight=0",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps with checkpoints at 0, 2 and 4, and held-out ovals beside it."""
    place = tmp_path_factory.mktemp("watched")
    ovals(place / "faces", 0, 6)
    ovals(place / "art", 1, 6)
    given = ["train", "--profile", "demo", "--faces", place / "faces", "--art", place / "art", "-o", place / "run"]
    given += ["--device", "cpu", *(word for setting in TINY for word in ("--set", setting))]
    done = CliRunner().invoke(models_main, [str(word) for word in given], env={"AAHQ_CACHE": str(place / "cache")})
    assert done.exit_code == 0, done.output
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def call(place: Path, *more: object) -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.nice", lambda _: None)  # this process has other tests to run
        return _call(place, *more)


def _call(place: Path, *more: object) -> dict[str, object]:
    words = ["watch", place / "run", "--faces", place / "faces", "--art", place / "art", "--count", 3, "--once", *more]
    done = CliRunner().invoke(main, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said: dict[str, object] = json.loads(done.stdout)
    return said


@pytest.mark.slow
def test_every_checkpoint_is_scored_once_and_the_best_is_kept(place: Path) -> None:
    said = call(place)
    scores = said["scores"]
    assert isinstance(scores, list)
    assert [score["step"] for score in scores] == [2, 4], "the weights before the first step are no result"
    # The tiny run has no style encoder, so nothing asks it for references.
    assert set(scores[0]["views"]) == {"face", "latent"}
    assert scores[0]["score"] == pytest.approx(sum(view["FD-lite0"] for view in scores[0]["views"].values()))
    best = min(scores, key=lambda score: score["score"])
    assert said["best"] == best
    kept = place / "run" / "best"
    assert json.loads((kept / "score.json").read_text()) == best
    checkpoint = next((kept / "checkpoints").glob("step-*"))
    assert int(checkpoint.name[5:]) == best["step"]
    assert load_blendgan(checkpoint, offline=True).generator.size == 32
    assert not list(kept.rglob("d_*")), "discriminators make no pictures"
    assert (place / "run" / "scores.png").stat().st_size > 5000
    assert call(place)["scores"] == scores, "what is scored is not scored again"
    assert len((place / "run" / "scores.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_worse_checkpoint_does_not_replace_the_best(place: Path) -> None:
    (place / "run" / "scores.jsonl").write_text(json.dumps({"step": 2, "score": -1.0, "views": {}}) + "\n")
    call(place)
    assert not (place / "run" / "best").exists(), "step 4 is worse than what is known"


def test_only_its_share_of_the_time_is_taken() -> None:
    clock, spent = [0.0], [0.0]
    budget = Budget(0.05, lambda: clock[0], lambda: spent[0])
    clock[0], spent[0] = 100.0, 100.0
    assert not budget.allows()
    clock[0] = 100_000.0
    assert budget.allows()


def test_watching_ends_with_the_run(place: Path) -> None:
    """It looks until the run has ended, and scores the last checkpoint whatever the share says."""
    run = Run.open(place / "run")
    (place / "run" / "summary.json").unlink()
    looks: list[int] = []

    def wait() -> None:
        looks.append(1)
        if len(looks) == 2:
            (place / "run" / "summary.json").write_text("{}")
        assert len(looks) < 5

    def score(_run: Run, checkpoint: Path, _held: object) -> dict[str, object]:
        return {"step": int(checkpoint.name[5:]), "score": 1.0, "size": 32, "views": {}}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.run.watch.score_checkpoint", score)
        patch.setattr("benchmark.run.watch.draw_curve", lambda *_: None)
        patch.setattr("benchmark.run.watch.line_of", lambda *_: "")
        said = watch(run, Held(), 0.0, False, lambda _: None, wait)  # type: ignore[arg-type]
    assert [one["step"] for one in said] == [4]


class Held:
    """Stands in for held-out pictures where nothing is measured."""

    class extractor:
        fd_name = "FD-lite0"

    def marks(self, _domain: str, _size: int) -> dict[str, float]:
        return {}


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["watch", str(tmp_path), "--held-out", str(tmp_path)])
    assert done.exit_code == 2
    assert f"RUN {tmp_path}: not a run's folder" in done.output


def test_scores_are_told_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"name": "blendgan", "config": {}}))
    for name in ("models.data.sources.open_pictures", "benchmark.metrics.extractors.lite0.Lite0", "os.nice"):
        monkeypatch.setattr(name, lambda *_, **__: None)
    score = {"step": 2, "score": 815.0, "views": {}}

    def watched(
        run: object, held: object, share: float, once: bool, tell: Callable[[str], None], *_: object
    ) -> list[Any]:
        tell("step 2: 815")
        return [score]

    monkeypatch.setattr("benchmark.run.watch.watch", watched)
    words = ["watch", str(tmp_path), "--held-out", str(tmp_path)]
    plain, as_json = (CliRunner().invoke(main, [*words, *more]) for more in ([], ["--json"]))
    assert plain.output == f"step 2: 815\nbest: step 2, kept in {tmp_path / 'best'}\n"
    assert json.loads(as_json.output)["best"] == score
