"""Published code is imported from a folder without seeing or changing ours; where a folder is given, one step beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import models.networks.blendgan
from ops.bias_act.reference import bias_act_ref
from ops.upfirdn2d import fir_kernel, upfirdn2d
from speed.published import baselines, blendgan, psp
from speed.published.loading import ENVIRONMENT, EagerOperators, Peers, placed
from speed.published.pairs import Pair, gaps, given, same_weights
from suite.errors import SuiteError

CPU = torch.device("cpu")


def clone(folder: Path, name: str, files: dict[str, str]) -> Path:
    for file, text in files.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_module_named_as_ours_is_theirs_inside_and_ours_after(tmp_path: Path) -> None:
    clone(
        tmp_path,
        "pixel2style2pixel",
        {
            "models/__init__.py": "",
            "models/psp.py": "from models.part import WHAT",
            "models/part.py": "WHAT = 'theirs'",
        },
    )
    before = dict(sys.modules)
    (theirs,) = Peers(tmp_path).load("pixel2style2pixel", "models.psp")
    assert theirs.WHAT == "theirs"
    assert sys.modules["models"] is before["models"]
    assert sys.modules["models.networks.blendgan"] is models.networks.blendgan
    assert "models.psp" not in sys.modules
    assert "models.part" not in sys.modules
    assert not any(str(tmp_path) in place for place in sys.path)


def test_what_it_does_not_need_is_stood_in_for_and_extensions_are_not_compiled(tmp_path: Path) -> None:
    code = (
        "import lmdb\nfrom tqdm import tqdm\nfrom torch.utils.cpp_extension import load\n"
        "fused = load('fused', sources=[])\nprint('chatter')\nassert tqdm is None\n"
    )
    clone(tmp_path, "stylegan2-pytorch", {"non_leaking.py": "", "model.py": code})
    import tqdm

    (theirs,) = Peers(tmp_path).load("stylegan2-pytorch", "model")
    assert theirs.fused is EagerOperators
    assert sys.modules["tqdm"] is tqdm
    assert "lmdb" not in sys.modules or hasattr(sys.modules["lmdb"], "open")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("FUNIT", "no FUNIT with funit_model.py; clone NVlabs/FUNIT into it"),
        ("MUNIT", "MUNIT does not import here: No module named 'nothing_of_this_name'"),
    ],
)
def test_code_that_is_not_there_or_does_not_import_is_one_line(name: str, said: str, tmp_path: Path) -> None:
    peers = Peers(clone(tmp_path, "MUNIT", {"trainer.py": "import nothing_of_this_name"}))
    with pytest.raises(SuiteError) as refused:
        peers.load(name, "trainer")
    assert said in str(refused.value)


def test_eager_operators_are_the_extensions_contract() -> None:
    torch.manual_seed(0)
    x, bias = torch.randn(2, 3, 6, 4), torch.randn(3)
    empty = x.new_empty(0)
    out = EagerOperators.fused_bias_act(x, bias, empty, 3, 0, 0.2, 2**0.5)
    assert torch.equal(out, bias_act_ref(x, bias, 0.2, 2**0.5))
    leaf = x.clone().requires_grad_()
    g = torch.randn_like(x)
    (expected,) = torch.autograd.grad(bias_act_ref(leaf, bias, 0.2, 2**0.5), leaf, g)
    assert torch.allclose(EagerOperators.fused_bias_act(g, empty, out, 3, 1, 0.2, 2**0.5), expected)
    kernel = fir_kernel((1, 2, 3, 4))
    theirs = EagerOperators.upfirdn2d(x.reshape(6, 6, 4, 1), kernel, 2, 1, 1, 3, 2, 1, 3, 0)
    ours = upfirdn2d(x, kernel, (2, 1), (1, 3), (2, 1, 3, 0))
    assert torch.allclose(theirs.reshape(ours.shape), ours, atol=1e-6)


def test_within_the_block_cuda_is_the_device_that_is_given() -> None:
    layer = torch.nn.Linear(2, 2)
    with placed(torch.device("meta")):
        assert torch.zeros(2).cuda(0).is_meta
        assert layer.cuda().weight.is_meta
        assert torch.zeros(2).get_device() == torch.device("meta")


def test_figures_that_differ_and_weights_that_are_not_theirs_are_seen() -> None:
    assert gaps({"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([1.0, 4.0])}) == {"a": 0.5}
    with pytest.raises(ValueError, match="figures of one side alone"):
        gaps({"a": torch.zeros(1)}, {"b": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"the published network has no 'bias' \(2 keys\)"):
        same_weights(torch.nn.ReLU(), torch.nn.Linear(2, 2))
    draw = given(torch.zeros(1), torch.ones(1))
    assert [float(draw(3)), float(draw(2, 2))] == [0, 1]


FOLDER = os.environ.get(ENVIRONMENT)
PARITY: dict[str, tuple[Callable[[Peers], Pair], float]] = {
    "adain": (lambda peers: baselines.adain(peers, CPU), 1e-5),
    "munit": (lambda peers: baselines.munit(peers, CPU), 1e-5),
    "funit": (lambda peers: baselines.funit(peers, CPU), 1e-5),
    "stargan2": (lambda peers: baselines.stargan2(peers, CPU), 1e-5),
    "drit": (lambda peers: baselines.drit(peers, CPU), 1e-5),
    "drit, concatenated codes": (lambda peers: baselines.drit(peers, CPU, concat=True), 1e-5),
    "mdmm": (lambda peers: baselines.mdmm(peers, CPU), 1e-5),
    "mdmm, concatenated codes": (lambda peers: baselines.mdmm(peers, CPU, concat=True), 1e-5),
    "psp": (lambda peers: psp.step(peers, CPU), 1e-5),
    "generator": (lambda peers: blendgan.forward(peers, CPU, 64), 1e-5),
    # The penalty squares the difference of lengths that are nearly alike, so that their rounding counts many times.
    "stylegan2": (lambda peers: blendgan.FaceGame(peers, CPU, 32, 4).pair(), 2e-4),
    "path length": (lambda peers: blendgan.path_length(peers, CPU, 32), 2e-4),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", PARITY)
def test_one_step_beside_the_published_code(name: str) -> None:
    if not FOLDER:
        pytest.skip(f"no published code; {ENVIRONMENT}=DIR names a folder of clones (docs/measuring.md)")
    make, tolerance = PARITY[name]
    pair = make(Peers(Path(FOLDER)))
    apart = gaps(pair.ours(), pair.theirs())
    assert max(apart.values()) <= tolerance, apart
