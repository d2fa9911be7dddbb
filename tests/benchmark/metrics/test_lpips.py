"""LPIPS against the `lpips` package and the published implementation's stored figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmark.metrics.lpips import Diversity, alex, embed, linear_weights, pair_distances
from suite.errors import SuiteError
from tests import golden_recipe

SALT = "public-lpips_alex-"
# LPIPS of the recipe's three 64 x 96 picture pairs by the published code, for clones without the stored file.
FIGURES = (0.15156711637973785, 0.15773624181747437, 0.13938584923744202)


@pytest.fixture(scope="module")
def recipe_alex() -> Diversity:
    from torchvision.models import alexnet

    trunk = golden_recipe.fill(alexnet(weights=None).state_dict(), salt=SALT, profile="plain", gain=2**0.5)
    return alex(dict(trunk), "0" * 64, verified=False)


def test_equals_the_lpips_package() -> None:
    import lpips

    torch.manual_seed(0)
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    trunk = {f"features.{key.split('.', 1)[1]}": value for key, value in package.net.state_dict().items()}
    ours = alex(trunk, "0" * 64, verified=False)
    x = torch.rand(6, 3, 64, 64) * 2 - 1
    pairs = torch.triu_indices(6, 6, offset=1)
    with torch.inference_mode():
        expected = package(x[pairs[0]], x[pairs[1]]).flatten().double()
        found = pair_distances(embed(ours.maps, ours.weights, x), 6)[0]
    # float32 networks in another order of sums.
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert found.numel() == 15


def test_equals_the_published_figures(recipe_alex: Diversity) -> None:
    x, y = (golden_recipe.make_input("image", (3, 3, 64, 96), name, SALT) for name in ("x", "y"))
    with torch.inference_mode():
        found = recipe_alex.distance(x, y)
    assert found.tolist() == pytest.approx(FIGURES, rel=1e-4)


def test_equals_the_stored_output(recipe_alex: Diversity, golden: Path) -> None:
    from safetensors import safe_open

    with safe_open(str(golden / "lpips_alex.safetensors"), "pt") as file:
        meta = json.loads(file.metadata()["golden"])
        expected = file.get_tensor("out/lpips").flatten()
        lins = [file.get_tensor(f"sd/lin{i}.model.1.weight") for i in range(5)]
    assert meta["salt"] == SALT
    for ours, theirs in zip(linear_weights()[0], lins, strict=True):
        assert torch.equal(ours, theirs)
    x, y = (golden_recipe.make_input("image", (3, 3, 64, 96), name, SALT) for name in ("x", "y"))
    with torch.inference_mode():
        torch.testing.assert_close(recipe_alex.distance(x, y).float(), expected, rtol=1e-4, atol=1e-6)


def test_unverified_weights_are_not_called_lpips(recipe_alex: Diversity) -> None:
    assert recipe_alex.name != "LPIPS"
    assert "unverified" in recipe_alex.name


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.rand(2, 3, 8, 8), r"\[0, 1\]"),
        (torch.randn(2, 3, 8, 8) * 9, r"expected \[-1, 1\]"),
        (torch.full((2, 3, 8, 8), float("nan")), r"expected \[-1, 1\]"),
        (torch.zeros(2, 1, 8, 8), "expected"),
    ],
)
def test_another_range_is_refused(recipe_alex: Diversity, pictures: torch.Tensor, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        embed(recipe_alex.maps, recipe_alex.weights, pictures)


def test_protocol_is_the_mean_over_pairs_then_faces(recipe_alex: Diversity) -> None:
    pictures = torch.randint(0, 256, (6, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    small = Diversity("test", recipe_alex.maps, recipe_alex.weights, 64, "0" * 64, "")
    x = small.prepare(pictures)
    by_hand = [
        float(torch.stack([small.distance(x[i : i + 1], x[j : j + 1])[0] for i, j in pairs]).mean())
        for pairs in (((0, 1), (0, 2), (1, 2)), ((3, 4), (3, 5), (4, 5)))
    ]
    assert small.of_faces(pictures, 3).tolist() == pytest.approx(by_hand, rel=1e-5)


def test_equal_pictures_have_no_diversity(recipe_alex: Diversity) -> None:
    one = torch.randint(0, 256, (1, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    assert float(recipe_alex.of_faces(one.repeat(10, 1, 1, 1), 10)[0]) == pytest.approx(0, abs=1e-9)
