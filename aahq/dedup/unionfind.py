"""Disjoint sets over any hashable members."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

M = TypeVar("M", bound=Hashable)


class UnionFind(Generic[M]):
    """Sets that only ever join; the outcome does not depend on the order of `join` calls."""

    def __init__(self) -> None:
        self._parent: dict[M, M] = {}
        self._size: dict[M, int] = {}

    def add(self, member: M) -> None:
        """Make `member` known, alone unless it is known already."""
        if member not in self._parent:
            self._parent[member] = member
            self._size[member] = 1

    def find(self, member: M) -> M:
        """The present representative of `member`'s set (it may change with later joins)."""
        root = member
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[member] != root:
            self._parent[member], member = root, self._parent[member]
        return root

    def join(self, a: M, b: M) -> None:
        """Put `a` and `b` into one set; unknown members become known."""
        self.add(a)
        self.add(b)
        a, b = self.find(a), self.find(b)
        if a == b:
            return
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size.pop(b)

    def sets(self) -> list[list[M]]:
        """The sets, each in the order in which its members became known."""
        out: dict[M, list[M]] = {}
        for member in self._parent:
            out.setdefault(self.find(member), []).append(member)
        return list(out.values())
