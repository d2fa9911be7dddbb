"""A copy model that the person brings: only the file that was meant, described once, joined with the rest, and forgotten."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from aahq.cli import main
from aahq.dedup.copy_model import CopyModel
from aahq.ledger import Ledger
from aahq.stages import dedup
from suite.errors import SuiteError
from suite.files import sha256_file


class Coarse(torch.nn.Module):
    """Sixteen grey cells of the picture: what is alike from afar is a copy."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = torch.nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), 4).flatten(1)
        return cells + 0.01


class Same(torch.nn.Module):
    """Everything is a copy of everything."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(x.shape[0], 7)


class Picture(torch.nn.Module):
    """No descriptor at all."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def saved(net: torch.nn.Module, path: Path) -> tuple[Path, str]:
    torch.jit.script(net).save(str(path))
    return path, sha256_file(path)


def aahq(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.output


def test_the_mirror_image_has_a_descriptor_of_its_own(tmp_path: Path) -> None:
    model = CopyModel(*saved(Coarse(), tmp_path / "m.pt"))
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:, :32] = 255
    straight, mirrored = model.describe(rgb)
    assert np.linalg.norm(straight) == pytest.approx(1)
    np.testing.assert_allclose(model.describe(np.ascontiguousarray(rgb[:, ::-1]))[0], mirrored, atol=1e-5)
    assert straight @ mirrored < 0.5


def test_only_the_file_that_was_meant_is_loaded(tmp_path: Path) -> None:
    path, sha = saved(Coarse(), tmp_path / "m.pt")
    with pytest.raises(SuiteError, match=r"its SHA-256 is .*give the file that you mean"):
        CopyModel(path, "0" * 64)
    with pytest.raises(SuiteError, match="No such file"):
        CopyModel(tmp_path / "none.pt", sha)
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Path(tmp_path)))
    with pytest.raises(SuiteError, match="no TorchScript file"):
        CopyModel(tmp_path / "pickle.pt", sha256_file(tmp_path / "pickle.pt")).describe(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SuiteError, match=r"expected \(N, D\)"):
        CopyModel(*saved(Picture(), tmp_path / "p.pt")).describe(np.zeros((8, 8, 3), np.uint8))


def test_a_build_joins_what_the_model_calls_copies_until_it_is_forgotten(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    path, sha = saved(Same(), tmp_path / "m.pt")
    assert aahq("dedup", out, "--copy-model", path)[0] == 2
    code, said = aahq("dedup", out, "--copy-model", path, "--copy-model-sha256", sha.upper())
    assert code == 0, said
    with Ledger(out) as ledger:
        assert ledger.one("SELECT count(DISTINCT cluster) FROM faces WHERE cluster IS NOT NULL") == 1
        assert "copy model 0.99" in ledger.one("SELECT why FROM faces WHERE why LIKE 'copy model%' ORDER BY id")
        # Nothing is described or compared twice.
        monkeypatch.setattr(CopyModel, "describe", lambda *_: pytest.fail("described already"))
        assert dedup.run(ledger).rows == 0
        assert dedup.run(ledger, seed=1).rows == 8
        assert dedup.run(ledger, seed=0).rows == 8
    with Ledger(out) as ledger:
        # One that is cut short is described anew, and joined as it was.
        monkeypatch.undo()
        clusters = [tuple(row) for row in ledger.rows("SELECT id, cluster FROM faces ORDER BY id")]
        ledger.db.execute(
            "UPDATE copy_descriptors SET mirrored = substr(mirrored, 1, 5) WHERE id = (SELECT min(id) FROM copy_descriptors)"
        )
        ledger.db.execute("DELETE FROM meta WHERE name = 'clustered'")
        assert dedup.run(ledger).rows == 8
        assert [tuple(row) for row in ledger.rows("SELECT id, cluster FROM faces ORDER BY id")] == clusters
        assert ledger.one("SELECT count(DISTINCT length(mirrored)) FROM copy_descriptors") == 1
    path.rename(tmp_path / "away.pt")
    code, said = aahq("dedup", out)
    assert (code, said.count("\n")) == (2, 1)
    assert "No such file" in said
    code, said = aahq("dedup", out, "--no-copy-model")
    assert code == 0, said
    told = "SELECT id, state, detail, cluster, split, why FROM faces ORDER BY id"
    with Ledger(out) as ledger, Ledger(built) as before:
        assert ledger.one("SELECT count(*) FROM near_copies") == 0
        clusters = [(row["id"], row["cluster"], row["split"], row["why"]) for row in ledger.rows(told)]
        assert clusters == [(row["id"], row["cluster"], row["split"], row["why"]) for row in before.rows(told)]
