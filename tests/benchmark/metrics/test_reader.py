"""The reader of identity and style: what it was judged on, what it refuses, what retrieval counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.metrics.extractors.lite0 import Trunk
from benchmark.metrics.extractors.reader import (
    DIM,
    STATISTICS,
    Heads,
    Reader,
    colour_histogram,
    load_reader,
    style_statistics,
)
from benchmark.metrics.retrieval import RowVectors, share_right
from benchmark.run.train_reader import contrast, worn
from suite.errors import SuiteError

TRUNK = Trunk()


def pictures(count: int, size: int) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(size)
    )


def test_the_committed_reader_meets_its_bars() -> None:
    judged = load_reader(TRUNK).card["judged"]
    assert set(judged) == {"32", "64", "128"}
    assert judged["64"]["style of 10"] >= 0.9
    assert judged["64"]["identity of 10"] >= 0.9
    assert judged["64"]["style of 10, unchanged input"] <= 0.15


def test_sizes_and_worlds_that_it_was_not_judged_on_are_refused() -> None:
    reader = load_reader(TRUNK)
    reader.check(64, "small")
    with pytest.raises(SuiteError, match="judged at 32, 64, 128 px, not at 48"):
        reader.check(48, "small")
    with pytest.raises(SuiteError, match="judged on the world 'small', not on 'gallery'"):
        reader.check(64, "gallery")


def test_vectors_are_unit_and_do_not_mind_batches() -> None:
    reader = load_reader(TRUNK)
    given = pictures(4, 64)
    for embed in (reader.style, reader.identity):
        vectors = embed(given)
        assert vectors.shape == (4, DIM)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
        # Convolutions of another batch size sum in another order.
        torch.testing.assert_close(torch.cat([embed(one[None]) for one in given]), vectors, rtol=0, atol=1e-4)


def test_large_pictures_are_read_at_the_size_it_learnt() -> None:
    reader = load_reader(TRUNK)
    small = pictures(2, 64)
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    # Enlarging by repetition and bicubic reduction is not the identity, but nearly.
    assert bool((torch.cosine_similarity(reader.identity(small), reader.identity(large)) > 0.8).all())


def test_style_statistics_do_not_know_places() -> None:
    x = pictures(1, 64).float()
    maps = TRUNK.network.maps(TRUNK.prepare(x))
    said = style_statistics(x, maps)
    assert said.shape == (1, STATISTICS)
    turned = style_statistics(x.flip(3), [m.flip(3) for m in maps])
    torch.testing.assert_close(said, turned, rtol=1e-4, atol=1e-4)


def test_a_histogram_shares_each_pixel_out() -> None:
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 1.0
    found = colour_histogram(red)[0].view(4, 4, 4)
    assert float(found[3, 0, 0]) == 1.0
    assert float(colour_histogram(torch.rand(2, 3, 5, 5)).sum()) == pytest.approx(2.0, abs=1e-5)


def test_contrast_is_infonce() -> None:
    """Two pairs: each picture's partner against all others, by hand."""
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0], [0.2, 1.0]]), dim=1)
    odds = (vectors @ vectors.T / 0.1).fill_diagonal_(-torch.inf).log_softmax(1)
    wanted = -(odds[0, 1] + odds[1, 0] + odds[2, 3] + odds[3, 2]) / 4
    torch.testing.assert_close(contrast(vectors, torch.tensor([5, 5, 7, 7])), wanted)
    # A label that stands alone has no right answer and no say.
    torch.testing.assert_close(contrast(vectors, torch.tensor([5, 5, 7, 8])), -(odds[0, 1] + odds[1, 0]) / 2)


def test_worn_pictures_keep_size_and_range() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    one = pictures(1, 64)[0]
    for _ in range(20):
        found = worn(one, rng)
        assert found.shape == (1, 3, 64, 64)
        assert float(found.min()) >= 0
        assert float(found.max()) <= 255


def test_keys_of_one_name_count_alike() -> None:
    keys = torch.eye(3)
    queries = torch.tensor([[1.0, 0.1, 0.0], [0.0, 1.0, 0.1], [0.0, 0.1, 1.0]])
    assert share_right(queries, keys, ["a", "b", "a"], ["a", "a", "a"]).tolist() == [1.0, 0.0, 1.0]


def test_a_row_is_embedded_once() -> None:
    asked: list[int] = []

    def read(rows: list[int]) -> torch.Tensor:
        asked.extend(rows)
        return torch.tensor(rows)[:, None].float()

    vectors = RowVectors(read, lambda found: found)
    assert vectors([3, 1, 3]).flatten().tolist() == [3, 1, 3]
    assert vectors([1, 2]).flatten().tolist() == [1, 2]
    assert asked == [3, 1, 2]


def test_a_file_that_is_no_reader_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(SuiteError, match=r"x\.safetensors: not a reader"):
        load_reader(TRUNK, tmp_path / "x.safetensors")
    with pytest.raises(SuiteError, match="aahq-bench train-reader"):
        load_reader(TRUNK, tmp_path / "y.safetensors")
    assert Reader(Heads(), TRUNK, {"judged": {}, "world": "small"}, "").describe()["trunk"]
