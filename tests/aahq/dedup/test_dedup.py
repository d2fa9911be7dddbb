"""Near duplicates against brute force, clusters against their definition, splits that never cut a cluster."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aahq.dedup.hamming
from aahq.dedup.cluster import assign_splits
from aahq.dedup.embedding import embed, flip
from aahq.dedup.hamming import near_pairs
from aahq.dedup.index import DedupIndex, Entry


def brute(hashes: np.ndarray, distance: int) -> list[tuple[int, int]]:
    return [
        (i, j) for i, j in combinations(range(len(hashes)), 2) if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]  # fmt: skip


@pytest.mark.parametrize("skew", [0, 0x00FF00FF00FF00FF, 0xFFFF000000000000, 0xF])
@pytest.mark.parametrize("distance", [0, 1, 3, 8])
def test_near_pairs_are_all_pairs(skew: int, distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # With SMALL this low the buckets, and for skewed hashes the crowded ones, are really used on 300 hashes.
    monkeypatch.setattr(aahq.dedup.hamming, "SMALL", 12)
    monkeypatch.setattr(aahq.dedup.hamming, "CHUNK", 97)
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**64, 200, dtype=np.uint64)
    if skew:
        hashes[:120] &= np.uint64(skew)
    flips = np.array([sum(1 << int(b) for b in set(rng.integers(0, 64, 6))) for _ in range(100)], dtype=np.uint64)
    hashes = np.concatenate([hashes, hashes[rng.integers(0, 200, 100)] ^ flips])
    pairs, distances = near_pairs(hashes, distance)
    assert [tuple(pair) for pair in pairs.tolist()] == brute(hashes, distance)
    assert all((int(hashes[i]) ^ int(hashes[j])).bit_count() == d for (i, j), d in zip(pairs, distances, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 7), max_size=40), st.integers(0, 20))
def test_near_pairs_of_any_hashes(values: list[int], distance: int) -> None:
    hashes = np.array(values, dtype=np.uint64)
    assert [tuple(pair) for pair in near_pairs(hashes, distance)[0].tolist()] == brute(hashes, distance)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30))
def test_clusters_are_the_components_named_by_their_earliest(edges: list[tuple[int, int]]) -> None:
    index = DedupIndex()
    # Alike in one digest an edge, and in nothing else; the dates run against the names.
    shared = {n: tuple(f"edge{k}" for k, edge in enumerate(edges) if n in edge) for n in range(21)}
    index.add(Entry(f"face{n:02}", f"picture{n}", shared[n], when=f"{2030 - n // 2}") for n in range(21))
    reach = {n: {n} for n in range(21)}
    for a, b in edges * len(reach):
        reach[a] |= reach[b]
        reach[b] |= reach[a]
    earliest = {n: min(group, key=lambda m: (2030 - m // 2, m)) for n, group in reach.items()}
    assert index.clusters() == {f"face{n:02}": f"face{first:02}" for n, first in earliest.items()}


def test_no_entries_have_no_clusters() -> None:
    assert DedupIndex().clusters() == {}


def entries(seed: int, count: int = 40) -> list[Entry]:
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        root, near = int(rng.integers(0, 12)), 1 << int(rng.integers(0, 64))
        value = (root * 0x9E3779B97F4A7C15 % 2**64) ^ near
        size, when = float(rng.integers(100, 103)), f"20{rng.integers(10, 13)}"
        digest = (f"digest{rng.integers(0, 60)}",)
        out.append(Entry(f"face{i:02}", f"picture{i % 30}", digest, value, value ^ (2**64 - 1), None, size, when))
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_adding_in_parts_is_adding_at_once(seed: int, cut: int) -> None:
    rows = entries(seed)
    whole, parts, backwards = DedupIndex(), DedupIndex(), DedupIndex()
    whole.add(rows)
    parts.add(rows[:cut])
    parts.add(rows[cut:])
    backwards.add(rows[::-1])
    assert whole.clusters() == parts.clusters() == backwards.clusters()
    assert whole.keepers() == parts.keepers() == backwards.keepers()


def test_the_keeper_is_the_largest_then_the_earliest() -> None:
    index = DedupIndex()
    index.add(
        [
            Entry("c", "1", ("same",), resolution=500, when="2019"),
            Entry("b", "2", ("same",), resolution=500, when="2018"),
            Entry("a", "3", ("same",), resolution=400, when="2010"),
            Entry("alone", "4", ("other",), resolution=1),
        ]
    )
    assert index.clusters() == {"a": "a", "b": "a", "c": "a", "alone": "alone"}
    assert index.keepers() == {"a": "b", "alone": "alone"}


def test_two_faces_of_one_picture_are_no_duplicates() -> None:
    index = DedupIndex()
    index.add([Entry("a", "same picture", ("x",), 0, 1), Entry("b", "same picture", ("x",), 0, 1)])
    assert index.clusters() == {"a": "a", "b": "b"}


def picture(seed: int) -> np.ndarray:
    """Soft blobs in colour, 256 px: detail of all directions."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    out = np.zeros((256, 256, 3))
    for _ in range(60):
        cx, cy, rx, ry = *rng.integers(0, 256, 2), *rng.integers(6, 40, 2)
        inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
        out[inside] = rng.integers(0, 256, 3)
    return out.astype(np.uint8)


def test_mirrored_recoloured_and_other_pictures() -> None:
    first, other = picture(1), picture(2)
    turned = np.ascontiguousarray(first[:, ::-1])
    recoloured = (255 - first * 0.6).astype(np.uint8)
    assert embed(first) @ embed(first) == pytest.approx(1, abs=1e-5)
    # The mirrored descriptor is a permutation; only the gradient's rounding at cell borders differs.
    assert flip(embed(first)) @ embed(turned) > 0.98
    assert embed(first) @ embed(recoloured) > 0.9
    assert embed(first) @ embed(other) < 0.4
    index = DedupIndex()
    links = index.add(
        Entry(name, name, embedding=embed(rgb))
        for name, rgb in {"first": first, "other": other, "recoloured": recoloured, "turned": turned}.items()
    )
    assert index.clusters() == {"first": "first", "recoloured": "first", "turned": "first", "other": "other"}
    assert {(link.a, link.b): link.how for link in links}["first", "turned"] == "mirror"


@pytest.mark.slow
def test_one_person_in_two_styles_is_two_works_and_a_mirror_is_one() -> None:
    """Eight people in sixteen styles as `aahq portraits` plans them, and a mirrored copy of each person's first portrait."""
    from aahq.images.hashes import phash64
    from aahq.painted.portraits.collection import portrait_specs
    from aahq.painted.portraits.paint import paint

    def entry(name: str, rgb: np.ndarray) -> Entry:
        turned = np.ascontiguousarray(rgb[:, ::-1])
        return Entry(name, name, (), phash64(rgb), phash64(turned), embed(rgb))

    plan = portrait_specs(64, 128, "art", 0, 8, 16)
    entries = []
    for number, one in enumerate(plan):
        rgb = paint(one.identity, one.style, one.size, one.variation).rgb
        entries.append(entry(f"{one.identity} {one.style} {one.variation}", rgb))
        if number < 8:
            entries.append(entry(f"{one.identity} {one.style} {one.variation} mirrored", rgb[:, ::-1].copy()))
    index = DedupIndex()
    index.add(entries)
    # Two portraits of one person in one style may be steps of one work; across styles or people they never are.
    assert all(link.a.split()[:2] == link.b.split()[:2] for link in index.links()), index.links()
    clusters = index.clusters()
    mirrored = [name for name in clusters if name.endswith("mirrored")]
    assert len(mirrored) == 8
    assert all(clusters[name] == clusters[name.removesuffix(" mirrored")] for name in mirrored)


def test_a_flat_picture_embeds_to_zero() -> None:
    assert not embed(np.full((64, 64, 3), 7, np.uint8)).any()


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.sampled_from("abcdefgh")), st.integers(0, 99))
def test_splits_never_cut_a_cluster_and_never_move(clusters: dict[str, str], seed: int) -> None:
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}
    splits = assign_splits(clusters, shares, seed)
    assert set(splits) == set(clusters)
    assert all(splits[a] == splits[b] for a in clusters for b in clusters if clusters[a] == clusters[b])
    more = assign_splits(clusters | {"new one": "new cluster"}, shares, seed)
    assert {name: more[name] for name in clusters} == splits


def test_shares_are_kept() -> None:
    splits = assign_splits({str(i): str(i) for i in range(20_000)}, {"train": 0.9, "val": 0.05, "test": 0.05})
    # Binomial with n = 20,000 and p = 0.05: six standard deviations are 185.
    assert abs(sum(split == "val" for split in splits.values()) - 1000) < 185
    with pytest.raises(ValueError, match="sum to 1"):
        assign_splits({}, {"train": 0.5})
