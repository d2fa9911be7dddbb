"""Generation: checked answers, draws that do not depend on batches, the same result for any number of processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmark.run.generate import Generation, blocks, in_order
from benchmark.tasks.protocol import EvalPairs, sample_pairs
from models.data.release import Release, open_release
from models.method import Method
from suite.errors import SuiteError
from tests.benchmark.toys import InventingToy, ToyMethod, write_release

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return open_release(write_release(tmp_path_factory.mktemp("release")))


@pytest.fixture(scope="module")
def draws(release: Release) -> EvalPairs:
    return sample_pairs(release, 6, 4, "0")


def generation(method: Method, release: Release, draws: EvalPairs, batch: int = 5) -> Generation:
    return Generation(method, "reference", draws, release, batch)


def test_a_block_holds_every_style_of_its_faces(release: Release, draws: EvalPairs) -> None:
    block = generation(ToyMethod(), release, draws).block(range(2, 5))
    assert block.pictures.shape == (12, 3, 32, 32)
    assert block.pictures.dtype == torch.uint8
    assert block.sources is not None
    assert len(block.sources) == 3


@pytest.mark.parametrize("method", [ToyMethod(), InventingToy()])
@pytest.mark.parametrize("guidance", ["latent", "reference"])
def test_batches_change_nothing(method: ToyMethod, guidance: str, release: Release, draws: EvalPairs) -> None:
    one, many = (Generation(method, guidance, draws, release, batch).block(range(6)).pictures for batch in (1, 24))  # type: ignore[arg-type]
    assert torch.equal(one, many)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda x: x * 127.5 + 127.5, r"expected \[-1, 1\]"),
        (lambda x: (x.clamp(-1, 1) + 1) / 2, r"look like \[0, 1\]"),
        (lambda x: torch.where(x > 0.2, torch.nan, x), "NaN"),
        (lambda x: x[:-1], "too few pictures"),
        (lambda x: x.double(), "float64"),
        (lambda x: x[:, :, :16], r"expected \(5, 3, 32, 32\)"),
        (lambda x: torch.full_like(x, -0.3), "the same picture"),
        (lambda x: x.numpy(), "expected a tensor"),
    ],
)
def test_what_is_no_measurement_is_refused(spoil: object, said: str, release: Release, draws: EvalPairs) -> None:
    with pytest.raises(SuiteError, match=said):
        generation(ToyMethod(spoil), release, draws).block(range(3))


def test_the_input_unchanged_is_refused(release: Release, draws: EvalPairs) -> None:
    class Lazy(ToyMethod):
        def _mix(self, face, colour):  # type: ignore[no-untyped-def]
            return face.images

    with pytest.raises(SuiteError, match="input unchanged"):
        generation(Lazy(), release, draws).block(range(3))


def test_a_missing_mode_is_refused(release: Release, draws: EvalPairs) -> None:
    method = ToyMethod()
    method.modes = frozenset({"latent"})
    with pytest.raises(SuiteError, match="no reference-guided mode"):
        generation(method, release, draws)


def test_draws_are_of_the_right_pictures(release: Release, draws: EvalPairs) -> None:
    manifest = release.manifest
    assert set(manifest["domain"].iloc[list(draws.face_rows)]) == {"photo"}
    assert set(manifest["split"].iloc[list(draws.face_rows)]) == {"test"}
    for rows in draws.style_rows:
        assert len(set(rows)) == 4
        assert set(manifest["domain"].iloc[list(rows)]) == {"art"}
    assert len({draws.style_seed(f, k) for f in range(6) for k in range(4)}) == 24
    assert (
        draws.face_seed(1)
        == sample_pairs(release, 6, 4, "0").face_seed(1)
        != sample_pairs(release, 6, 4, "1").face_seed(1)
    )
    assert draws.digest != sample_pairs(release, 6, 4, "kept secret").digest


def test_too_small_a_release_is_refused(release: Release) -> None:
    with pytest.raises(SuiteError, match="100 wanted, the release has 8"):
        sample_pairs(release, 100, 4, "0")


def test_a_refusal_inside_a_block_reaches_the_caller() -> None:
    def work(run: range) -> int:
        if run.start == 2:
            raise SuiteError("toy: broken")
        return run.start

    found = in_order(blocks(4, 2), work)
    assert next(found) == 0
    with pytest.raises(SuiteError, match="toy: broken"):
        next(found)


DISTRIBUTED = """
import sys, torch
from pathlib import Path
from models.training import parallel
from benchmark.metrics.gaussian import Moments
from benchmark.run.generate import Generation, blocks, in_order
from benchmark.tasks.protocol import sample_pairs
from models.data.release import open_release
from tests.benchmark.toys import ToyMethod
parallel.start("cpu")
release = open_release(sys.argv[1])
generation = Generation(ToyMethod(), "reference", sample_pairs(release, 6, 4, "0"), release, 8)
moments = Moments(48)
for pictures in in_order(blocks(6, 1), lambda run: generation.block(run).pictures):
    moments.update(pictures[:, :, ::8, ::8].flatten(1).float())
if parallel.rank() == 0:
    torch.save((moments.mean, moments.scatter), sys.argv[2])
parallel.stop()
"""


@pytest.mark.slow
def test_two_processes_give_the_same_bits(release: Release, tmp_path: Path) -> None:
    script = tmp_path / "shared.py"
    script.write_text(DISTRIBUTED)
    results = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.pt"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        subprocess.run(
            [*command, str(script), str(release.root), str(out)],
            check=True,
            env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""},
            capture_output=True,
        )
        results.append(torch.load(out, weights_only=True))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
