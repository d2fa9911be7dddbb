"""The reader: what `aahq portraits` writes comes back, from a folder and from shards; what is broken is told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.data.release import open_release
from suite.errors import SuiteError


@pytest.fixture(scope="module", params=["folder", pytest.param("shards", marks=pytest.mark.slow)])
def painted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("painted") / request.param
    ask = f"-m aahq portraits {out} --count 3 --size 64 --domain both --form {request.param} --workers 1 --json"
    subprocess.run([sys.executable, *ask.split()], check=True, capture_output=True)
    return out


def test_pictures_splits_and_factors_come_back(painted: Path) -> None:
    release = open_release(painted, verify=True)
    assert len(release) == len(release.manifest) == 6
    assert release.digest == hashlib.sha256((painted / "manifest.parquet").read_bytes()).hexdigest()
    for index, row in enumerate(release.manifest.itertuples()):
        rgb = release.image(index)
        assert (rgb.shape, rgb.dtype) == ((64, 64, 3), np.uint8)
        assert hashlib.sha256(b"rgb8 64 64\n" + rgb.tobytes()).hexdigest() == row.pixel_sha256
        factors = release.factors(index)
        assert factors is not None
        assert isinstance(factors["identity"], int)
        assert isinstance(factors["style"], int)
    parts = np.concatenate([release.split(name) for name in ("train", "val", "test")])
    assert sorted(parts.tolist()) == list(range(6)), "splits share no row and leave none out"
    art, photo = release.split("train", "art"), release.split("train", "photo")
    assert sorted([*art, *photo]) == release.split("train").tolist()
    with pytest.raises(SuiteError, match="did you mean 'train'"):
        release.split("trian")
    with pytest.raises(IndexError):
        release.image(6)


def copy_of(painted: Path, to: Path) -> Path:
    import shutil

    shutil.copytree(painted, to)
    return to


def test_a_changed_picture_is_told(painted: Path, tmp_path: Path) -> None:
    root = copy_of(painted, tmp_path / "r")
    row = pd.read_parquet(root / "manifest.parquet").iloc[1]
    path = root / row["file"].split("#")[0]
    data = bytearray(path.read_bytes())
    data[row["offset"] + 60] ^= 255
    path.write_bytes(data)
    assert open_release(root).image(0).shape == (64, 64, 3)
    with pytest.raises(SuiteError, match="not what the manifest says"):
        open_release(root).image(1)
    with pytest.raises(SuiteError, match="not what the manifest says"):
        open_release(root, verify=True)


def test_what_is_no_release_is_told_in_one_line(painted: Path, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"no release\.json"):
        open_release(tmp_path)
    root = copy_of(painted, tmp_path / "r")
    card = json.loads((root / "release.json").read_text())
    (root / "release.json").write_text(json.dumps({**card, "schema": 2}))
    with pytest.raises(SuiteError, match="schema 2"):
        open_release(root)
    (root / "release.json").write_text(json.dumps({**card, "manifest_sha256": "0" * 64}))
    with pytest.raises(SuiteError, match="not the one that release"):
        open_release(root)
    table = pd.read_parquet(root / "manifest.parquet")
    table.loc[0, "file"] = "../../etc/passwd"
    table.to_parquet(root / "manifest.parquet")
    digest = hashlib.sha256((root / "manifest.parquet").read_bytes()).hexdigest()
    (root / "release.json").write_text(json.dumps({**card, "manifest_sha256": digest}))
    with pytest.raises(SuiteError, match="outside"):
        open_release(root)


def test_a_link_has_no_picture(painted: Path, tmp_path: Path) -> None:
    root = copy_of(painted, tmp_path / "r")
    table = pd.read_parquet(root / "manifest.parquet")
    table.loc[0, "file"] = ""
    table.to_parquet(root / "manifest.parquet")
    card = json.loads((root / "release.json").read_text())
    digest = hashlib.sha256((root / "manifest.parquet").read_bytes()).hexdigest()
    (root / "release.json").write_text(json.dumps({**card, "manifest_sha256": digest}))
    release = open_release(root, verify=True)
    with pytest.raises(SuiteError, match="link only"):
        release.image(0)
