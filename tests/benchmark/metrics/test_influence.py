"""What faces and references pull, against closed forms: standard errors, pairs of methods, corrections, letters, records."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from benchmark.metrics.confidence import interval
from benchmark.metrics.frechet import frechet_bias, frechet_distance
from benchmark.metrics.gaussian import Gaussian, fit
from benchmark.metrics.influence import Pulls, of_faces, of_left_out, of_pictures, pooled
from benchmark.metrics.lpips import by_picture
from benchmark.metrics.paired import Ranked, apart, difference, faces_needed, holm, ranks, shared_letters
from benchmark.run.record import Influence, Vector
from suite.errors import SuiteError

RNG = np.random.default_rng(7)


def test_without_references_a_mean_has_students_interval() -> None:
    values = RNG.standard_normal(12) + 3
    found = interval(values.mean(), of_faces(values))
    expected = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.how == "Student t over 12 faces"


def test_faces_and_references_add_up_without_counting_pictures_twice() -> None:
    faces, references = RNG.standard_normal(40), RNG.standard_normal(30)
    which = np.array([RNG.choice(30, 5, replace=False) for _ in range(40)])
    values = faces[:, None] + references[which] + RNG.standard_normal((40, 5))
    pulls = of_faces(values, which.ravel())
    c = (values - values.mean()) / values.size

    def squares(sums: np.ndarray) -> float:
        return len(sums) / (len(sums) - 1) * float(np.sum((sums - sums.mean()) ** 2))

    by_reference = np.array([c[which == r].sum() for r in range(30)])
    expected = squares(c.sum(1)) + squares(by_reference) - float(np.sum(c**2))
    assert pulls.error().value == pytest.approx(math.sqrt(expected))
    assert interval(values.mean(), pulls).how == "Student t over 40 faces and 30 references"


def test_leaving_out_gives_a_means_own_pulls() -> None:
    values = RNG.random(20)
    labels = np.repeat(np.arange(5), 4)

    def without(groups: np.ndarray) -> np.ndarray:
        return np.array([values[groups != g].mean() for g in np.unique(groups)])

    found = of_left_out(values.mean(), without(labels), None, without(np.arange(20)))
    expected = of_pictures(values - values.mean(), labels, None)
    np.testing.assert_allclose(found.faces, expected.faces, atol=1e-12)
    np.testing.assert_allclose(found.pictures, expected.pictures, atol=1e-12)


def test_a_face_of_two_seeds_is_one_face() -> None:
    values = RNG.standard_normal((2, 6))
    by_seed = [of_faces(row) for row in values]
    same = pooled(by_seed, [np.arange(6)] * 2)
    np.testing.assert_allclose(same.faces, (values - values.mean(1, keepdims=True)).mean(0) / 6)
    other = pooled(by_seed, [np.arange(6), np.arange(6) + 6])
    assert other.shape == (12, 0, 12)


def test_many_faces_share_groups_and_keep_their_variance() -> None:
    values = RNG.standard_normal(5000)
    exact = of_faces(values)
    small = pooled([exact], [np.arange(5000)])
    assert small.shape == (1024, 0, 256)
    # A sum of 1,024 squares is known to 4 %, its root to 2 %: three of them.
    assert small.error().value == pytest.approx(exact.error().value, rel=0.06)


def test_each_pictures_part_of_a_mean_pair_distance() -> None:
    gaps = torch.rand(3, 6, dtype=torch.double)
    found = by_picture(gaps, 4)
    torch.testing.assert_close(found.mean(1), gaps.mean(1))
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    own = torch.stack([gaps[0, [k for k, pair in enumerate(pairs) if i in pair]].mean() for i in range(4)])
    torch.testing.assert_close(found[0], 2 * own - gaps[0].mean())


def test_what_a_frechet_distance_owes_to_few_pictures() -> None:
    population = Gaussian(torch.zeros(4, dtype=torch.double), torch.eye(4, dtype=torch.double))
    found, distances = [], []
    for _ in range(40):
        pictures = RNG.standard_normal((200, 4))
        distances.append(frechet_distance(population, fit(pictures)))
        bias = frechet_bias(population, pictures, np.repeat(np.arange(40), 5), distances[-1])
        assert bias is not None
        found.append(bias)
    # The population's own distance is 0, so that all of the mean is bias; forty values of it are known to a tenth.
    assert np.mean(found) == pytest.approx(np.mean(distances), rel=0.3)
    assert frechet_bias(population, pictures[:8], np.arange(8), 1.0) is None


def test_what_both_methods_share_cancels() -> None:
    faces = RNG.standard_normal(30) * 10
    one, two = faces + 0.1 + 0.01 * RNG.standard_normal(30), faces
    found = difference(one.mean(), two.mean(), of_faces(one), of_faces(two))
    expected = stats.ttest_rel(one, two)
    assert (found.value, found.p) == (pytest.approx(0.1, abs=0.01), pytest.approx(expected.pvalue))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    with pytest.raises(SuiteError, match="do not go with"):
        difference(0, 0, of_faces(one), of_faces(two[:20]))


def test_equal_numbers_are_not_apart_and_constant_ones_are() -> None:
    flat = of_faces(np.ones(5))
    assert difference(1, 1, flat, flat).p == 1
    assert difference(1, 2, flat, flat).p == 0


def test_holm_as_published() -> None:
    # Holm 1979: the k-th smallest of n times n - k + 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_a_planned_number_of_faces_shows_the_difference_as_often_as_said() -> None:
    one, two = RNG.standard_normal((2, 400))
    count = faces_needed(0.5, of_faces(one), of_faces(two))
    shown = 0
    for _ in range(1000):
        a, b = RNG.standard_normal((2, count)) + np.array([[0.5], [0.0]])
        shown += difference(a.mean(), b.mean(), of_faces(a), of_faces(b)).p < 0.05
    # A thousand tries are known to 1.3 %; the pilot's variance moves the number of faces by some per cent.
    assert shown / 1000 == pytest.approx(0.8, abs=0.06)


def test_ranks_are_by_pairs_and_ties_share_letters() -> None:
    faces = RNG.standard_normal(30)
    values = [faces, *(faces + 0.5 + 0.1 * RNG.standard_normal((2, 30)))]
    numbers = [Ranked(v.mean(), interval(v.mean(), of_faces(v)), of_faces(v)) for v in values]
    # By intervals nobody is apart: the faces differ by as much as the methods do.
    assert not apart([Ranked(n.value, n.interval) for n in numbers]).any()
    assert ranks(numbers, False) == ["1", "2-3 a", "2-3 a"]
    assert ranks(numbers, True) == ["3", "1-2 a", "1-2 a"]
    assert ranks([Ranked(1.0, None), *numbers], False) == ["", "1", "2-3 a", "2-3 a"]


def test_letters_of_a_chain() -> None:
    # 0 and 1 are alike, 1 and 2 are alike, 0 and 2 are not; 3 is alone.
    separate = np.ones((4, 4), dtype=bool)
    for i, j in ((0, 1), (1, 2)):
        separate[i, j] = separate[j, i] = False
    assert shared_letters([0, 1, 2, 3], separate) == {0: "a", 1: "ab", 2: "b", 3: ""}


def test_a_vector_survives_its_record() -> None:
    values = RNG.standard_normal(100) * 1e-4
    vector = Vector.of(values)
    # Half a step, and no more.
    np.testing.assert_allclose(vector.array(), values, atol=vector.step / 2 * 1.001)
    assert Vector.of(np.zeros(3)).array().tolist() == [0, 0, 0]
    for data in ("AA=", "A", "AAAA" * 1500, "&&&&"):
        with pytest.raises(ValueError, match="data"):
            Vector(step=1.0, data=data)


def test_what_the_papers_protocol_keeps_of_its_faces_stays_below_100_kb() -> None:
    most = Pulls(RNG.standard_normal(1024), RNG.standard_normal(256), RNG.standard_normal(256), 50_000)
    kept = Influence.of(most)
    np.testing.assert_allclose(kept.pulls().faces, most.faces, atol=1e-3)
    # Three modes of FID and of KID, FD-DINOv2, CMMD, LPIPS, four shares, and ten of faces and references.
    assert 23 * len(json.dumps(kept.model_dump())) < 100_000
