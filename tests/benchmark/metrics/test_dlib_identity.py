"""dlib's descriptor on painted faces: one person in two paintings is nearer than two persons, and bad input is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.metrics.extractors.dlib_identity import DlibIdentity, model_file
from benchmark.run.generate import read_rows
from models.data.release import open_release
from suite.errors import SuiteError


@pytest.fixture(scope="module")
def extractor() -> DlibIdentity:
    pytest.importorskip("dlib", reason="needs the extra 'align'")
    try:
        model_file()
    except SuiteError as error:
        pytest.skip(str(error))
    return DlibIdentity()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """(6, 3, 256, 256) uint8: painted photographs of six persons."""
    folder = tmp_path_factory.mktemp("people") / "release"
    what = ["--count", "6", "--size", "256", "--domain", "photo", "--seed", "11", "--identities", "6"]
    command = [sys.executable, "-m", "aahq", "portraits", str(folder), *what]
    subprocess.run(command, check=True, capture_output=True)
    return read_rows(open_release(folder), list(range(6)))


@pytest.mark.slow
def test_a_face_is_nearer_to_itself_dimmed_than_to_anybody(extractor: DlibIdentity, people: torch.Tensor) -> None:
    found = extractor(people)
    assert found.shape == (6, 128)
    # Darker, noisy and shifted: still that person, by dlib's own rule of 0.6 and before all others.
    changed = people.float() * 0.8 + torch.randn(people.shape, generator=torch.Generator().manual_seed(0)) * 4
    again = extractor(changed.clamp(0, 255).to(torch.uint8).roll((2, 3), (2, 3)))
    gaps = torch.cdist(again, found)
    assert gaps.argmin(1).tolist() == list(range(6))
    assert float(gaps.diagonal().max()) < 0.6


@pytest.mark.slow
def test_equals_dlibs_own_chip_of_an_aligned_face(extractor: DlibIdentity, pictures: Path) -> None:
    """Real photographs: our fixed crop against dlib's detector, landmarks and chip of the same picture."""
    dlib = pytest.importorskip("dlib")
    detect = dlib.get_frontal_face_detector()
    shape_file = model_file().with_name("shape_predictor_68_face_landmarks.dat")
    shape = dlib.shape_predictor(str(shape_file))
    aligned = sorted((pictures / "faces").glob("celebahq_*.jpg"))[:2]  # aligned as FFHQ, 1024 px
    compared = 0
    for path in aligned:
        array = np.asarray(Image.open(path).convert("RGB").resize((512, 512)))
        boxes = detect(array)
        if len(boxes) != 1:
            continue
        own = np.array(extractor._network.compute_face_descriptor(array, shape(array, boxes[0])))
        ours = extractor(torch.from_numpy(array.copy()).permute(2, 0, 1)[None])[0].numpy()
        # The two crops differ by a few pixels; one person is below 0.6 by dlib's rule.
        assert np.linalg.norm(own - ours) < 0.6
        compared += 1
    assert compared, "dlib finds a face in one of them at least"


def test_pictures_of_another_kind_are_refused(extractor: DlibIdentity) -> None:
    with pytest.raises(SuiteError, match="uint8"):
        extractor(torch.zeros(1, 3, 64, 64))


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.files", lambda name: [])
    with pytest.raises(SuiteError, match=r"pip install 'aahq-blendgan\[align\]'"):
        model_file()
