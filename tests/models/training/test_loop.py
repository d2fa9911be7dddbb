"""The shared loop: resuming bit for bit, ranks, roll-backs, signals, full disks."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_training import ToyTraining

from models.data.prepared import ImageArray
from models.training import checkpoint
from models.training.loop import Loop
from models.training.settings import LoopSettings
from suite.errors import SuiteError
from suite.files import digest

CPU = torch.device("cpu")
HERE = Path(__file__).parent


def pictures(count: int = 11) -> dict[str, ImageArray]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return {"photo": ImageArray(pixels, {}, {}, digest(["toy", count]))}


def settings(**changed: Any) -> LoopSettings:
    values = {"size": 32, "steps": 20, "batch": 4, "save_every": 5, "sample_every": 10, "log_every": 1, **changed}
    return LoopSettings(**values)


def loop(folder: Path, module: Callable[[], ToyTraining] = ToyTraining, **changed: Any) -> Loop:
    torch.manual_seed(0)
    return Loop("toy", module(), settings(**changed), pictures(), folder, CPU)


def weights(run: Loop) -> torch.Tensor:
    parts = [value.double().flatten() for net in run.module.networks.values() for value in net.state_dict().values()]
    return torch.cat([*parts, run.module.state["queue"].double()])


def test_twenty_steps_are_ten_and_ten(tmp_path: Path) -> None:
    whole, first, second = loop(tmp_path / "a"), loop(tmp_path / "b", steps=10), loop(tmp_path / "b")
    whole.run()
    first.run()
    assert second.run(resume=True) == 20
    assert torch.equal(weights(whole), weights(second))
    assert not torch.equal(weights(whole), weights(first))


def test_accumulation_is_the_whole_batch(tmp_path: Path) -> None:
    whole = loop(tmp_path / "a", lambda: ToyTraining(batch=8), batch=8)
    parts = loop(tmp_path / "b", lambda: ToyTraining(batch=8, micro_batch=2), batch=8)
    whole.run()
    parts.run()
    # Sums in another order differ by rounding; Adam's first steps amplify it to a few 1e-6.
    torch.testing.assert_close(weights(whole), weights(parts), rtol=1e-4, atol=1e-5)


def test_resuming_with_another_configuration_lists_the_differences(tmp_path: Path) -> None:
    loop(tmp_path, steps=5).run()
    with pytest.raises(SuiteError, match=r"batch: 4 -> 8; seed: 0 -> 3"):
        loop(tmp_path, batch=8, seed=3).run(resume=True)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    loop(tmp_path, steps=5).run()
    with pytest.raises(SuiteError, match="--resume"):
        loop(tmp_path, steps=5).run()


def test_a_run_says_all_about_itself(tmp_path: Path) -> None:
    loop(tmp_path).run()
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["config"]["steps"] == 20
    assert run["versions"]["torch"] == torch.__version__.split("+")[0]
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").open()] == list(range(1, 21))
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["step-00000010.png", "step-00000020.png"]
    assert [path.name for path in checkpoint.all_checkpoints(tmp_path / "checkpoints")] == [
        "step-00000015",
        "step-00000020",
    ]
    assert json.loads((tmp_path / "summary.json").read_text())["steps"] == 20


class Poisoned(ToyTraining):
    """Gives NaN at step 12 of the first attempt."""

    def step(self, batch: Any, draws: Any) -> dict[str, torch.Tensor]:
        scalars = super().step(batch, draws)
        if draws.step == 12 and draws.salt == 0:
            with torch.no_grad():
                next(self.networks["g"].parameters()).fill_(float("nan"))
            scalars["g_loss"] = torch.tensor(float("nan"))
        return scalars


class AlwaysPoisoned(ToyTraining):
    def step(self, batch: Any, draws: Any) -> dict[str, torch.Tensor]:
        return {**super().step(batch, draws), "g_loss": torch.tensor(float("inf"))}


def test_a_non_finite_loss_rolls_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = loop(tmp_path, Poisoned)
    assert run.run() == 20
    assert run.roll_backs == 1
    assert torch.isfinite(weights(run)).all()
    assert "back to step 10" in capsys.readouterr().err


def test_a_lasting_non_finite_loss_stops_and_keeps_the_last_good(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="g_loss not finite, 3 roll-backs"):
        loop(tmp_path, AlwaysPoisoned).run()
    assert checkpoint.all_checkpoints(tmp_path / "checkpoints")


def test_a_resumed_run_goes_on_with_the_draws_after_its_roll_back(tmp_path: Path) -> None:
    first = loop(tmp_path, steps=10)
    first.roll_backs = 1
    first.run()
    second = loop(tmp_path)
    second.run(resume=True)
    assert second.roll_backs == 1


def test_a_checkpoint_with_other_random_numbers_is_refused(tmp_path: Path) -> None:
    loop(tmp_path, steps=5).run()
    (state,) = (tmp_path / "checkpoints").glob("step-*5/state.json")
    old = json.loads(state.read_text())
    del old["rng"], old["roll_backs"]
    state.write_text(json.dumps(old))
    with pytest.raises(SuiteError, match="random numbers repeat; start again without --resume"):
        loop(tmp_path).run(resume=True)


class FullDisk(ToyTraining):
    """From step 7 on no file may grow beyond `limit` bytes: what the writers' own libraries make of a full disk."""

    limit = 0

    def step(self, batch: Any, draws: Any) -> dict[str, torch.Tensor]:
        if draws.step == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, resource.RLIM_INFINITY))
        return super().step(batch, draws)


# A network takes 200 kB (safetensors' own error), the optimisers 400 kB (PyTorch's), a log and a sheet more than 100 B.
@pytest.mark.parametrize("limit", [100, 100_000, 300_000])
def test_a_full_disk_stops_no_training_and_loses_nothing(
    limit: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    run = loop(tmp_path, type("Full", (FullDisk,), {"limit": limit}), steps=10, sample_every=9)
    run.at_end = lambda folder: {"reached": "the end"}
    try:
        if limit == 100:
            with pytest.raises(OSError, match="File too large"):  # the summary; the command line says it in a line
                run.run()
        else:
            with pytest.raises(SuiteError, match="the last checkpoint could not be written"):
                run.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert "checkpoint at step 10 not written" in said
    assert ("log not written" in said) == (limit == 100)
    names = [path.name for path in checkpoint.all_checkpoints(tmp_path / "checkpoints")]
    assert names == ["step-00000000", "step-00000005"]
    assert not list((tmp_path / "checkpoints").glob(".part-*"))
    whole = loop(tmp_path / "whole", steps=10)
    whole.run()
    again = loop(tmp_path, steps=10)
    assert again.run(resume=True) == 10
    assert torch.equal(weights(again), weights(whole))


def test_a_killed_runs_log_has_every_step_once(tmp_path: Path) -> None:
    loop(tmp_path, steps=7).run()
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 8, "d_l{"step": 8, "d_loss": 1.0}\n[]\n{"step": 9, "d_l')
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000007")
    loop(tmp_path, steps=10).run(resume=True)
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").open()] == list(range(1, 11))


def test_a_rolled_back_runs_log_has_every_step_once(tmp_path: Path) -> None:
    loop(tmp_path, Poisoned).run()
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").open()] == list(range(1, 21))


def test_resuming_with_other_pictures_is_refused(tmp_path: Path) -> None:
    loop(tmp_path, steps=5).run()
    other = loop(tmp_path)
    other.pictures = pictures(12)
    with pytest.raises(SuiteError, match=r"other photo pictures than the run began with \(11 then, 12 now\)"):
        other.run(resume=True)
    same_count = loop(tmp_path)
    pixels = np.random.default_rng(1).integers(0, 256, (11, 32, 32, 3), np.uint8)
    same_count.pictures = {"photo": ImageArray(pixels, {}, {}, "")}
    with pytest.raises(SuiteError, match="other photo pictures"):
        same_count.run(resume=True)
    moved = loop(tmp_path)
    moved.pictures = {"photo": dataclasses.replace(pictures()["photo"], key="elsewhere")}
    assert moved.run(resume=True) == 20


@pytest.mark.parametrize("text", ["[]", "{}", '{"rng": 3, "config": 3, "step": 1}', "null"])
def test_a_foreign_state_is_one_line(text: str, tmp_path: Path) -> None:
    loop(tmp_path, steps=5).run()
    (checkpoint.all_checkpoints(tmp_path / "checkpoints")[-1] / "state.json").write_text(text)
    with pytest.raises(SuiteError, match=r"state\.json: damaged"):
        loop(tmp_path).run(resume=True)


@pytest.mark.parametrize("name", ["state.json", "optimizers.pt", "g.safetensors"])
def test_a_cut_checkpoint_is_one_line_with_the_fix(name: str, tmp_path: Path) -> None:
    loop(tmp_path, steps=10).run()
    newest = checkpoint.all_checkpoints(tmp_path / "checkpoints")[-1]
    os.truncate(newest / name, (newest / name).stat().st_size // 2)
    with pytest.raises(SuiteError, match=f"{name}: .*damaged.*delete this checkpoint's folder"):
        loop(tmp_path).run(resume=True)
    shutil.rmtree(newest)
    assert loop(tmp_path).run(resume=True) == 20


# The root first: in `tests` there is a folder `models` too, and a script run by its file has no other way to the root.
IMPORTS = [str(folder) for folder in (HERE.parents[2], HERE, HERE.parents[1])]

SCRIPT = """
import sys, torch
sys.path[:0] = {tests!r}
from pathlib import Path
from test_loop import loop, weights
from toy_training import ToyTraining
from models.training import parallel
parallel.start("cpu")
run = loop(Path(sys.argv[1]), lambda: ToyTraining(batch=8), batch=8, steps=int(sys.argv[2]))
try:
    run.run()
finally:
    torch.save(weights(run), sys.argv[1] + f"/weights-{{parallel.rank()}}.pt")
    parallel.stop()
"""


def script(tmp_path: Path) -> str:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(tests=IMPORTS))
    return str(path)


@pytest.mark.slow
def test_two_ranks_are_one_doubled_batch(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, script(tmp_path), str(one), "6"], check=True, env=environment)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script(tmp_path)]
    subprocess.run([*launch, str(two), "6"], check=True, env=environment)
    alone, first, second = (
        torch.load(path) for path in (one / "weights-0.pt", two / "weights-0.pt", two / "weights-1.pt")
    )
    assert torch.equal(first[:-8], second[:-8])
    # Adam divides by the gradient's size, so rounding (1e-7) in a tiny gradient shows; a wrong R1 gradient shows at 1e-3.
    torch.testing.assert_close(alone[:-8], first[:-8], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_sigterm_saves_and_says_so(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SIGNALLED.format(tests=IMPORTS), str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "run" / "log.jsonl"
    while child.poll() is None and not (log.exists() and log.read_text().count("\n") > 3):
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 143, said
    newest = checkpoint.all_checkpoints(tmp_path / "run" / "checkpoints")[-1]
    done = json.loads((newest / "state.json").read_text())["step"]
    assert f"stopped after step {done}" in said
    assert done >= 4


SIGNALLED = """
import sys
import time
sys.path[:0] = {tests!r}
from pathlib import Path
from test_loop import loop
from suite.errors import SuiteError
try:
    loop(Path(sys.argv[1]), steps=100000, save_every=100000, sample_every=100000).run()
except SuiteError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Misfitting(ToyTraining):
    def step(self, batch: Any, draws: Any) -> dict[str, torch.Tensor]:
        return {"loss": torch.zeros(2, 3) @ torch.zeros(2, 3)}


class BreaksLater(ToyTraining):
    def step(self, batch: Any, draws: Any) -> dict[str, torch.Tensor]:
        if draws.step == 3:
            raise ValueError("a bug")
        return super().step(batch, draws)


def test_settings_that_make_no_step_are_one_line_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"the first step cannot be taken .*size 32, batch 4.*mat1 and mat2"):
        loop(tmp_path / "run", Misfitting).run()
    assert not (tmp_path / "run").exists()


def test_what_breaks_later_is_a_bug_and_keeps_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"):
        loop(tmp_path, BreaksLater).run()
    assert checkpoint.all_checkpoints(tmp_path / "checkpoints")
