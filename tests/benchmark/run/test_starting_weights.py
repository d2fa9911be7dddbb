"""Published weights: planned, passed on to training, fetched unless offline."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.registry import TRAINABLE
from benchmark.run.plan import PlanStep, plan
from benchmark.run.reproduction import Reproduction, wanted_cells
from benchmark.run.training import command_of, ensure_starts, ensure_weights, find_weights, rehearse, train_step
from benchmark.tasks.settings import MethodSettings, Reproduce, Step
from models.training import estimate
from models.weights.registry import published
from suite.errors import SuiteError
from suite.profiles import load_profile


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def paper(tmp_path: Path) -> Reproduction:
    return Reproduction(load_profile(Reproduce, "benchmark", "paper"), "paper", tmp_path / "out", offline=True)


def planned(work: Reproduction) -> dict[str, PlanStep]:
    return {step.what: step for step in plan(work, wanted_cells(["BlendGAN", "AdaIN"]))}


def keep(place: Path, *tensors: str) -> Path:
    """A file as PyTorch saves it, of tensors by these names."""
    place.parent.mkdir(exist_ok=True)
    torch.save({name: torch.zeros(1) for name in tensors}, place)
    return place


def test_paper_names_what_training_starts_from(tmp_path: Path, cache: Path) -> None:
    keep(cache / published()["vgg19"].file, "features.0.weight")
    keep(cache / published()["adain-vgg"].file, "0.weight", "51.weight")
    steps = planned(paper(tmp_path))
    for name in ("vgg19", "adain-vgg"):
        assert steps[f"training starts from: {published()[name].file}"].state == "have"
    missing = steps[f"training starts from: {published()['stylegan2-ffhq'].file}"]
    assert missing.state == "missing"
    assert str(cache) in missing.detail
    assert f"--set stylegan2={cache}/" in steps["BlendGAN: train blendgan"].detail
    assert f"--set vgg={cache}/" in steps["BlendGAN: train style-encoder"].detail
    assert f"--set vgg_weights={cache}/vgg_normalised.pth" in steps["AdaIN: train adain"].detail


def test_the_plan_refuses_another_vgg_under_the_name_of_the_normalised_one(tmp_path: Path, cache: Path) -> None:
    keep(cache / "vgg_normalised.pth", "features.0.weight", "features.34.weight")
    work = paper(tmp_path)
    step = planned(work)["training starts from: vgg_normalised.pth"]
    assert step.state == "missing"
    assert "is another network (no '51.weight')" in step.detail
    with pytest.raises(SuiteError, match=r"vgg_normalised.pth: not VGG-19 with mean activations of 1"):
        ensure_starts(work, work.method("AdaIN"), lambda _: None)


def test_the_plan_refuses_a_profile_that_gives_adain_the_vgg_of_torchvision(tmp_path: Path, cache: Path) -> None:
    keep(cache / published()["vgg19"].file, "features.0.weight")
    step = Step(name="adain", command=("baselines", "train", "adain"), weights={"vgg_weights": "vgg19"})
    settings = Reproduce(faces=4, styles=3, methods=(MethodSettings(name="AdaIN", steps=(step,)),))
    steps = planned(Reproduction(settings, "x", tmp_path / "out", offline=True))
    assert steps["AdaIN: train adain: vgg_weights"].state == "missing"
    assert steps["AdaIN: train adain: vgg_weights"].detail == "vgg19 is given; it takes adain-vgg"


def test_the_plan_counts_what_pictures_take_at_the_sizes_that_trainings_read(tmp_path: Path, cache: Path) -> None:
    work = paper(tmp_path)
    step = {step.what: step for step in plan(work, wanted_cells(None))}["pictures at the trainings' sizes"]
    # AdaIN crops from 512 px, FUNIT from 140, DRIT++ from 256 like MUNIT and StarGAN v2; at 1024 px nothing is cached.
    assert step.disk_gb == pytest.approx((70_000 + 33_245) * 3 * (512**2 + 256**2 + 140**2) / 1e9)
    assert "70,000 photographs at 1024 px: nothing to write" in step.detail


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adain", "munit", "funit", "drit", "stargan2"])
def test_the_plan_counts_the_checkpoints_that_a_dry_run_counts(name: str, tmp_path: Path) -> None:
    row = TRAINABLE[name]
    assert row.settings is not None
    settings = load_profile(row.settings, row.package, "paper", ["encoder=random"] if name == "adain" else [])
    traced = estimate.trace(lambda device: row.module("training").build(settings, device), settings.load_size)
    (step,) = paper(tmp_path).method(row.title).steps
    # Sample sheets and the final weights come on top.
    assert traced.run_bytes(settings.keep) < step.disk_gb * 1e9 < 2 * traced.run_bytes(settings.keep)


def test_training_does_not_begin_without_them(tmp_path: Path) -> None:
    step = Step(name="x", command=("no.such.module",), weights={"stylegan2": "stylegan2-ffhq"})
    work = Reproduction(
        Reproduce(faces=4, styles=3, methods=(MethodSettings(name="BlendGAN", steps=(step,)),)),
        "x",
        tmp_path / "out",
        offline=True,
    )
    with pytest.raises(SuiteError, match=r"stylegan2-ffhq-1024x1024\.pkl from"):
        train_step(work, step)
    assert not work.run(step).exists()


@pytest.mark.parametrize("offline", [False, True])
def test_published_weights_are_fetched_unless_offline(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    fetched = []

    def fetch(url: str, target: Path, *_: object) -> Path:
        fetched.append(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"blendgan")
        return target

    monkeypatch.setattr("models.weights.download.fetch", fetch)
    method = MethodSettings(name="BlendGAN", published="blendgan")
    work = Reproduction(Reproduce(faces=4, styles=3, methods=(method,)), "x", tmp_path / "out", offline=offline)
    if offline:
        with pytest.raises(SuiteError, match="no checkpoint given"):
            ensure_weights(work, method, lambda _: None)
        assert fetched == []
    else:
        assert ensure_weights(work, method, lambda _: None) == cache / "blendgan.pt"
        assert fetched == [published()["blendgan"].urls[0]], "a mirror is asked only when the first address fails"


def test_retraining_looks_at_no_weights_that_are_ready(tmp_path: Path, cache: Path) -> None:
    settings = load_profile(Reproduce, "benchmark", "demo")
    ready = Reproduction(settings, "demo", tmp_path / "out", offline=True)
    anew = Reproduction(settings, "demo", tmp_path / "out", offline=True, retrain=True)
    shipped = ("BlendGAN", "AdaIN", "MUNIT", "FUNIT", "DRIT++", "StarGANv2")
    for method in (ready.method(name) for name in shipped):
        assert find_weights(ready, method)[0] is not None, f"{method.name} comes with the package"
        assert find_weights(anew, method)[1].startswith("not trained yet"), method.name
    given = tmp_path / "munit.safetensors"
    given.touch()
    anew.weights["MUNIT"] = given
    assert find_weights(anew, anew.method("MUNIT")) == (given, ""), "a person's own checkpoint is not trained again"


def test_a_rehearsal_is_short_and_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Reproduction(load_profile(Reproduce, "benchmark", "demo"), "demo", tmp_path / "out", offline=True)
    ran: list[tuple[str, list[str]]] = []

    def train(stage: Reproduction, step: Step) -> None:
        ran.append((step.name, command_of(stage, step)))

    monkeypatch.setattr("benchmark.run.training.train_step", train)
    rehearse(work, lambda _: None)
    names = [step.name for method in work.settings.methods for step in method.steps]
    assert [name for name, _ in ran] == names, "every training of the demo"
    for name, command in ran:
        assert command[command.index("-o") + 1] == str(tmp_path / "out" / "rehearsal" / "runs" / name)
        assert command[command.index("--data") + 1] == str(work.release), "the reproduction's own pictures"
        assert any(word.startswith("steps=") and int(word[6:]) < 100 for word in command), command
