"""Published weights: planned, passed on to training, fetched unless offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.run.plan import plan
from benchmark.run.reproduction import Work, wanted_cells
from benchmark.run.training import ensure_weights, train_step
from benchmark.tasks.settings import MethodSettings, Reproduce, Step
from models.weights.registry import published
from suite.errors import SuiteError
from suite.profiles import load_profile


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_paper_names_what_training_starts_from(tmp_path: Path, cache: Path) -> None:
    work = Work(load_profile(Reproduce, "benchmark", "paper"), "paper", tmp_path / "out", offline=True)
    cache.mkdir()
    (cache / published()["vgg19"].file).write_bytes(b"vgg")
    steps = {step.what: step for step in plan(work, wanted_cells(["BlendGAN", "AdaIN"]))}
    assert steps[f"training starts from: {published()['vgg19'].file}"].state == "have"
    missing = steps[f"training starts from: {published()['stylegan2-ffhq'].file}"]
    assert missing.state == "missing"
    assert str(cache) in missing.detail
    assert f"--set stylegan2={cache}/" in steps["BlendGAN: train blendgan"].detail
    assert f"--set vgg={cache}/" in steps["BlendGAN: train style-encoder"].detail
    assert f"--set vgg_weights={cache}/" in steps["AdaIN: train adain"].detail


def test_training_does_not_begin_without_them(tmp_path: Path) -> None:
    step = Step(name="x", command=("no.such.module",), weights={"stylegan2": "stylegan2-ffhq"})
    work = Work(
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
    work = Work(Reproduce(faces=4, styles=3, methods=(method,)), "x", tmp_path / "out", offline=offline)
    if offline:
        with pytest.raises(SuiteError, match="no checkpoint given"):
            ensure_weights(work, method, lambda _: None)
        assert fetched == []
    else:
        assert ensure_weights(work, method, lambda _: None) == cache / "blendgan.pt"
        assert fetched == [published()["blendgan"].urls[0]], "a mirror is asked only when the first address fails"
