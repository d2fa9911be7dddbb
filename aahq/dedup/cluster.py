"""Clusters of faces that are one work, and their splits.

Links make components (SciPy's); within one, every member of a cluster lies within the confirming threshold of the face that
represents it, so that no chain of steps, each of them small, joins strangers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aahq.dedup.faces import Faces, Links
from aahq.dedup.links import confirmed
from aahq.dedup.rooms import HERE, Workshop
from aahq.dedup.search import cosines
from suite.files import sha256_bytes

# Components to part a task.
COMPONENTS = 512


@dataclass(frozen=True)
class Clusters:
    """What became of each face, by its place.

    Attributes:
        cluster: the place of the cluster's earliest member, which names it.
        keeper: the place of the cluster's representative.
        component: the place of the earliest of all that links join, however far: a split never parts them.
    """

    cluster: list[int]
    keeper: list[int]
    component: list[int]


def find_clusters(faces: Faces, links: Links, shop: Workshop = HERE) -> Clusters:
    """Clusters without chains: in each component the best face takes what lies near itself, then the best of what is left."""
    count = len(faces.ids)
    out = Clusters(list(range(count)), list(range(count)), list(range(count)))
    labels = _labels(count, links.i, links.j)
    components = [members for members in _sets(labels) if len(members) > 1]
    parted = shop.each(_part_all, _batches(_cut_out(faces, links, labels, components), COMPONENTS))
    for members, groups in zip(components, chain.from_iterable(parted), strict=True):
        _name(faces, members, out.component)
        for group, keeper in groups:
            named = [members[face] for face in group]
            _name(faces, named, out.cluster)
            for face in named:
                out.keeper[face] = members[keeper]
    return out


@dataclass(frozen=True)
class _Component:
    """Faces that links join, by their places among themselves.

    Attributes:
        faces: those alone.
        i, j: int64 (L,) the links.
        exact: bool (L,): of equal digests.
    """

    faces: Faces
    i: np.ndarray
    j: np.ndarray
    exact: np.ndarray


def _cut_out(faces: Faces, links: Links, labels: np.ndarray, components: Iterable[list[int]]) -> Iterator[_Component]:
    by_label = np.argsort(labels[links.i], kind="stable")
    link_labels = labels[links.i][by_label]
    for members in components:
        label = labels[members[0]]
        own = by_label[slice(*np.searchsorted(link_labels, [label, label + 1]))]
        i, j = (np.searchsorted(members, ends[own]) for ends in (links.i, links.j))
        yield _Component(faces.only(members), i, j, links.how[own] == 0)


def _batches(components: Iterator[_Component], size: int) -> Iterator[list[_Component]]:
    while batch := list(islice(components, size)):
        yield batch


def _part_all(components: list[_Component]) -> list[list[tuple[list[int], int]]]:
    """The groups of every component, each with its representative."""
    return [list(_parted(one)) for one in components]


def _name(faces: Faces, group: list[int], names: list[int]) -> None:
    first = min(group, key=lambda face: (faces.when[face], faces.ids[face]))
    for face in group:
        names[face] = first


def _labels(count: int, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """int32 (count,): the component of each."""
    if not count:
        return np.empty(0, np.int32)
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(count, count))
    found: np.ndarray = connected_components(graph, directed=False)[1]
    return found


def _sets(labels: np.ndarray) -> Iterator[list[int]]:
    """The members of each component."""
    order = np.argsort(labels, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        yield part.tolist()


def _parted(component: _Component) -> Iterator[tuple[list[int], int]]:
    faces, i, j = component.faces, component.i, component.j
    members = list(range(len(faces.ids)))
    twins = {face: set(group) for group in _groups(members, i[component.exact], j[component.exact]) for face in group}
    waiting = [sorted(members, key=faces.order)]
    while waiting:
        left = waiting.pop()
        keeper, others = left[0], np.array(left[1:], np.int64)
        fits = _fits(faces, keeper, others) | np.isin(others, list(twins[keeper]))
        yield [keeper, *others[fits].tolist()], keeper
        waiting += [sorted(group, key=faces.order) for group in _groups(others[~fits].tolist(), i, j)]


def _groups(members: list[int], i: np.ndarray, j: np.ndarray) -> list[list[int]]:
    """The components of these faces by the links among them alone."""
    place = {face: number for number, face in enumerate(members)}
    ends = [(place[a], place[b]) for a, b in zip(i.tolist(), j.tolist()) if a in place and b in place]
    pairs = np.array(ends, np.int64).reshape(-1, 2)
    if not members:
        return []
    return [[members[n] for n in group] for group in _sets(_labels(len(members), pairs[:, 0], pairs[:, 1]))]


def _fits(faces: Faces, keeper: int, others: np.ndarray) -> np.ndarray:
    """bool: which of the others lie within the confirming threshold of the representative, straight or mirrored."""
    same = np.full(len(others), keeper)
    straight, mirrored = (
        confirmed(faces.embeddings, (same, others, np.full(len(others), turned))) for turned in (False, True)
    )
    fits = straight | mirrored
    if faces.learned is not None and len(others):
        for turned in (False, True):
            fits |= cosines(faces.learned, same, others, np.full(len(others), turned)) >= faces.learned_least
    apart = np.array([faces.pictures[other] != faces.pictures[keeper] for other in others.tolist()], bool)
    return fits & apart


def assign_splits(clusters: Mapping[str, str], fractions: Mapping[str, float], seed: int = 0) -> dict[str, str]:
    """A split for every id; a cluster is never cut, and adding clusters never moves others.

    Args:
        clusters: id -> cluster name.
        fractions: split -> share, summing to 1, e.g. `{"train": 0.9, "val": 0.05, "test": 0.05}`.
        seed: another seed, another assignment.
    """
    names, edges = list(fractions), np.cumsum(list(fractions.values()))
    if abs(edges[-1] - 1) > 1e-9 or min(fractions.values()) < 0:
        raise ValueError(f"fractions must be shares that sum to 1, not {dict(fractions)}")

    def split(cluster: str) -> str:
        u = int(sha256_bytes(f"{seed}/{cluster}".encode())[:13], 16) / 16**13
        return names[min(int(np.searchsorted(edges, u, side="right")), len(names) - 1)]

    return {name: split(cluster) for name, cluster in clusters.items()}
