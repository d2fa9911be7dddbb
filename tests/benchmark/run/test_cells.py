"""A cell through the whole harness with toy methods: values, names, protocols, resuming, and what cannot be measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmark.commands.reproduce import command
from benchmark.report.table_formats import flat, header
from benchmark.report.tables import build
from benchmark.run.plan import plan, plan_text
from benchmark.run.record_file import read
from benchmark.run.reproduce import reproduce, write_tables
from benchmark.run.reproduction import Reproduction, wanted_cells
from benchmark.run.training import train_step
from benchmark.tasks.paper import every_cell
from benchmark.tasks.settings import MethodSettings, Reproduce, Step
from suite.errors import SuiteError
from tests.benchmark.toys import InventingToy, ToyMethod, write_release

NAMES = ("BlendGAN", "AdaIN", "MUNIT", "FUNIT", "DRIT++", "StarGANv2")


def work(tmp_path: Path, **given: object) -> Reproduction:
    given = {"answers": False, **given}
    settings = Reproduce(faces=4, styles=3, methods=tuple(MethodSettings(name=n) for n in NAMES), **given)  # type: ignore[arg-type]
    data = tmp_path / "data"
    if not data.exists():
        write_release(data)
    weights = {}
    for name in NAMES:
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(name.encode())
        weights[name] = path
    return Reproduction(settings, "toy", tmp_path / "out", data=data, weights=weights, device="cpu", offline=True)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    made: dict[str, object] = {name: ToyMethod(name=name) for name in NAMES} | {
        "BlendGAN": InventingToy(name="BlendGAN")
    }
    monkeypatch.setattr("benchmark.run.cell.load", lambda name, *_args, **_options: made[name])
    return made


def test_a_cell_becomes_a_record_and_is_kept(tmp_path: Path, toys: dict[str, object]) -> None:
    wanted = wanted_cells(["t3-reference-munit", "t1-latent-blendgan-i06", "t2-latent-blendgan-i06"])
    first = reproduce(work(tmp_path), wanted, lambda _: None)
    whole = {key: why for key, why in first.missing.items() if not key.startswith("control-")}
    assert set(whole.values()) == {"not asked for (--only)"}
    # The toy release has nothing to spare for the floor, and its answers are not painted here.
    assert {"control-reference-real-pictures", "control-reference-painted-answer"} <= set(first.missing)
    assert {"control-reference-noise", "control-latent-unchanged-input"} <= set(first.records)
    assert (first.measured, first.kept) == (3, 0)
    record = read(tmp_path / "out" / "records" / "t3-reference-munit.json")
    names = {value.metric for value in record.values}
    assert {"FD-lite0", "KD-lite0", "diversity-lite0", "identity retrieval", "style retrieval"} <= names
    # EfficientNet-Lite0 is not Inception and not AlexNet, so nothing here may be called FID or LPIPS.
    assert not any(name.startswith(("FID", "KID", "LPIPS")) for name in names)
    assert record.provenance.weights
    assert record.controls["diversity-lite0 of noise"] > 0
    # Fewer pictures than dimensions: shown, not ranked.
    fd = record.get("FD-lite0")
    assert fd is not None
    assert not fd.rankable
    assert "N too small" in fd.why
    # The same pictures stand in two tables and are measured once.
    twins = [read(tmp_path / "out" / "records" / f"{key}-latent-blendgan-i06.json") for key in ("t1", "t2")]
    assert twins[0].values == twins[1].values
    again = reproduce(work(tmp_path), wanted, lambda _: None)
    assert (again.measured, again.kept) == (0, 3)


def test_records_of_an_older_schema_are_measured_again_also_where_two_tables_share_them(
    tmp_path: Path, toys: dict[str, object]
) -> None:
    wanted = wanted_cells(["t1-latent-blendgan-i06", "t2-latent-blendgan-i06"])
    reproduce(work(tmp_path), wanted, lambda _: None)
    for path in (tmp_path / "out" / "records").glob("*.json"):
        path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 0'))
    again = reproduce(work(tmp_path), wanted, lambda _: None)
    assert (again.measured, again.kept) == (2, 0)
    assert not {cell.key for cell in wanted} & set(again.missing)


def test_changed_weights_or_settings_are_measured_again(tmp_path: Path, toys: dict[str, object]) -> None:
    wanted = wanted_cells(["t3-reference-munit"])
    assert reproduce(work(tmp_path), wanted, lambda _: None).measured == 1
    changed = work(tmp_path)
    changed.weights["MUNIT"].write_bytes(b"other")
    assert reproduce(changed, wanted, lambda _: None).measured == 1
    assert reproduce(work(tmp_path, sampling_seeds=("7",)), wanted, lambda _: None).measured == 1


def test_methods_beside_the_paper_have_rows_seconds_and_memory(tmp_path: Path, toys: dict[str, object]) -> None:
    given = work(tmp_path)
    wanted = wanted_cells(["t3-reference-munit", "gatys"], ["Gatys"])
    gatys = MethodSettings(name="Gatys", weightless=True, options={"size": 32})
    methods = (*given.settings.methods, gatys)
    given.settings = given.settings.model_copy(update={"methods": methods})
    toys["Gatys"] = ToyMethod(name="Gatys", resolution=32)

    outcome = reproduce(given, wanted, lambda _: None)
    record = outcome.records["t3-reference-gatys"]
    assert record.notes[0] == "no weights"
    assert record.published is None
    cost = record.provenance.picture
    assert cost is not None
    assert cost.seconds > 0
    table = build(3, list(outcome.records.values()), outcome.missing)
    assert header(table)[-2:] == ["s a picture", "MB a picture"]
    line = next(line for line in flat(table) if line[1] == "Gatys")
    assert line[-2] == f"{cost.seconds:.2g}"
    assert not [hole for hole in table.holes if "gatys" in hole]
    # Other options are other pictures.
    other = gatys.model_copy(update={"options": {"size": 32, "steps": 1}})
    given.settings = given.settings.model_copy(update={"methods": (*given.settings.methods[:-1], other)})
    assert reproduce(given, [cell for cell in wanted if cell.method == "Gatys"], lambda _: None).measured == 1


def test_a_broken_method_is_a_hole_with_its_reason(tmp_path: Path, toys: dict[str, object]) -> None:
    toys["MUNIT"] = ToyMethod(lambda x: x * torch.nan)
    outcome = reproduce(work(tmp_path), wanted_cells(["MUNIT"]), lambda _: None)
    assert outcome.records == {}
    assert "NaN" in outcome.missing["t2-latent-munit"]
    texts = write_tables(work(tmp_path), outcome, [2])
    assert "missing: MUNIT: returned NaN" in texts[0]


def test_three_sampling_seeds_give_an_interval_over_them(tmp_path: Path, toys: dict[str, object]) -> None:
    given = work(tmp_path, sampling_seeds=("0", "1", "2"))
    outcome = reproduce(given, wanted_cells(["t3-reference-adain"]), lambda _: None)
    value = outcome.records["t3-reference-adain"].get("diversity-lite0")
    assert value is not None
    assert len(value.per_seed) == 3
    assert value.value == pytest.approx(np.mean(value.per_seed))
    # The toy release has eight photographs and eight works of art to test with; three seeds share some of them.
    assert value.interval is not None
    assert value.interval.startswith("Student t over ")
    assert value.interval.endswith(" references")
    assert value.influence is not None
    pulls = value.influence.pulls()
    assert pulls.shape[0] <= 8
    assert pulls.total == 3 * 12
    assert float(pulls.faces.sum()) == pytest.approx(0, abs=1e-3 * value.value)


def test_plan_says_what_is_missing_before_any_work(tmp_path: Path) -> None:
    step = Step(name="munit", command=("baselines", "train", "munit", "--data", "{data}", "-o", "{run}"), gpu_hours=3)
    methods = (MethodSettings(name="MUNIT", steps=(step,)),)
    settings = Reproduce(faces=2, styles=2, features="inception", methods=methods, data_note="AAHQ and FFHQ")
    empty = Reproduction(settings, "x", tmp_path / "out", weights_folder=tmp_path, offline=True)
    steps = plan(empty, wanted_cells(["MUNIT"]))
    states = {step.what: step.state for step in steps}
    assert states["data"] == "missing"
    assert states["MUNIT: train munit"] == "to do"
    assert "AAHQ and FFHQ" in plan_text(empty, steps)
    assert "3 GPU hours" in plan_text(empty, steps)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_training_failures_are_told_in_the_commands_own_words(tmp_path: Path) -> None:
    step = Step(name="munit", command=("baselines", "train", "no-such-method", "-o", "{run}"))
    given = work(tmp_path)
    with pytest.raises(SuiteError, match=r"training of munit failed: error: .*no-such-method"):
        train_step(given, step)


FAKE_TRAINING = """
import sys
from pathlib import Path
run = Path(sys.argv[1])
print("resumed" if "--resume" in sys.argv else "from the start")
saved = run / "checkpoints" / "step-00000005"
if not saved.exists():
    saved.mkdir(parents=True)
    (saved / "state.json").write_text("{}")
    sys.exit("cut")
(run / "made.safetensors").write_bytes(b"weights")
"""


def test_a_training_that_was_cut_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake_training.py").write_text(FAKE_TRAINING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.setattr("models.training.checkpoint.all_checkpoints", lambda folder: sorted(folder.glob("step-*")))
    given, step = work(tmp_path), Step(name="x", command=("fake_training", "{run}"), makes="made.safetensors")
    with pytest.raises(SuiteError, match="training of x failed: cut"):
        train_step(given, step)
    train_step(given, step)
    log = given.run(step) / "log.txt"
    assert log.read_text().split("\n")[:3:2] == ["from the start", "resumed"]
    # Another command in the same place begins anew, even over a finished run.
    other = step.model_copy(update={"command": (*step.command, "--other")})
    with pytest.raises(SuiteError, match="cut"):
        train_step(given, other)
    assert log.read_text().startswith("from the start")
    assert not (given.run(step) / "made.safetensors").exists()


@pytest.mark.parametrize("profile", ["demo", "small", "paper"])
def test_every_profile_plans(profile: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        command, ["--profile", profile, "--plan", "--json", "-o", str(tmp_path / "w")], catch_exceptions=False
    )
    steps = json.loads(done.output)["steps"]
    assert {"data", "generate and measure"} <= {step["what"] for step in steps}
    trained = {step["what"].split(":")[0] for step in steps if "train" in step["what"] or "weights" in step["what"]}
    assert trained >= {cell.method for cell in every_cell()}


def test_unknown_cells_are_named() -> None:
    with pytest.raises(SuiteError, match="--only t9"):
        wanted_cells(["t9"])


@pytest.mark.slow
def test_the_command_reports_a_bad_option_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "reproduce", "--set", "faces=1", "-o", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --set / profile demo: faces")
