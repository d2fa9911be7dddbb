"""A deterministic test gallery: artworks, lazily painted files, ground truth."""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from aahq.painted.gallery.faults import FAULTS
from aahq.painted.gallery.pictures import content_type, file_bytes, paint_shown, reduced, stamped, suffix
from aahq.painted.gallery.works import KINDS, GalleryImage, Work, hash_of, pictures, plan
from aahq.painted.portraits.paint import working_size
from suite.children import end_with_pool
from suite.errors import SuiteError, did_you_mean
from suite.files import digest, write_whole
from suite.progress import progress

# Part of the name of every kept file: raise it when the painter's pictures change.
_PAINTER = "1"
_SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


class Gallery:
    """A deterministic gallery.

    Args:
        count: works, 1 or more.
        seed: another seed, other works.
        side: longest side of the pictures in pixels, about (96 makes a gallery that is painted in seconds).
        distinct: paint only this many plain portraits and show each under many names; the files differ in a comment.
            For crawls of tens of thousands of pictures.
        pictures_from: a folder of real pictures to serve instead of painted ones.
        cache: a folder that keeps painted files between runs.
        faults: names of `aahq.painted.gallery.FAULTS`, or `("all",)`: each adds a work that misbehaves in that way; those that
            concern a listing change the listing itself and have to be named.
    """

    def __init__(
        self,
        count: int = 80,
        seed: int = 0,
        *,
        side: int = 820,
        distinct: int | None = None,
        pictures_from: Path | None = None,
        cache: Path | None = None,
        faults: tuple[str, ...] = (),
    ) -> None:
        if count < 1:
            raise SuiteError(f"--count {count}: expected 1 or more")
        self.seed, self.side, self.cache = seed, side, cache
        self.files: dict[int, Path] = {}
        self.repeated = distinct is not None and pictures_from is None
        if pictures_from is not None:
            self.works = self._works_of_folder(pictures_from)
        elif distinct is not None:
            self.works = self._repeated(count, distinct)
        else:
            self.works = plan(count, seed, side)
        self.faults: tuple[str, ...] = ()
        self._kept: dict[tuple[Any, ...], bytes] = {}
        self._locks: dict[tuple[Any, ...], threading.Lock] = {}
        self._guard = threading.Lock()
        self.add_faults(faults)

    def add_faults(self, names: tuple[str, ...]) -> None:
        """Add the named faults (see the class). Raises SuiteError for an unknown name."""
        added = self._fault_names(names)
        works = [_fault_work(name, len(self.faults) + k, self.seed) for k, name in enumerate(added)]
        self.faults += added
        self.works += [work for work in works if FAULTS[work.fault].at != "listing"]
        self.by_hash = {work.hash_id: work for work in self.works}
        self.by_asset = {shown.number: (work, shown) for work, shown in pictures(self.works)}
        self.by_number = {work.number: work for work in self.works}

    def _fault_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if names == ("all",):
            return tuple(name for name, fault in FAULTS.items() if fault.at != "listing")
        for name in names:
            if name not in FAULTS:
                raise SuiteError(f"--faults: no {name!r}{did_you_mean(name, FAULTS)}")
        return tuple(names)

    def _repeated(self, count: int, distinct: int) -> list[Work]:
        base = [work for work in plan(distinct * 2, self.seed, self.side) if work.shown[0].kind == "portrait"][
            :distinct
        ]
        base = [replace(work, shown=(replace(work.shown[0], cluster=""),)) for work in base]
        out = []
        for number in range(count):
            like = base[number % len(base)]
            shown = replace(like.shown[0], number=100_000 + 10 * number)
            out.append(replace(like, number=number, hash_id=hash_of(number, self.seed), shown=(shown,)))
        return out

    def _works_of_folder(self, folder: Path) -> list[Work]:
        if not folder.is_dir():
            raise SuiteError(f"--pictures {folder}: no such folder")
        out = []
        for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)):
            try:
                with Image.open(path) as image:
                    width, height = image.size
            except (UnidentifiedImageError, OSError):
                raise SuiteError(f"--pictures: {path} is no readable picture") from None
            asset = 100_000 + 10 * number
            self.files[asset] = path
            shown = GalleryImage(asset, "file", (number,), width, height)
            out.append(
                Work(number, hash_of(number, self.seed), path.stem, "folder", "A folder", (shown,), ("portrait",))
            )
        if not out:
            raise SuiteError(f"--pictures {folder}: no .jpg, .png or .webp in it")
        return out

    def data(self, shown: GalleryImage, size: str = "large") -> bytes:
        """The file behind one of a picture's addresses; painted on the first request, then kept."""
        share = {"4k": 1.0, "large": 1.0, "medium": 0.6, "small": 0.3, "smaller_square": 0.2}[size]
        if share < 1:
            return self._once((shown, size), lambda: reduced(self.data(shown), share))
        if shown.number in self.files:
            return self.files[shown.number].read_bytes()
        # Under several names one painting: the number is no part of what is painted.
        plain = _nameless(shown) if self.repeated or shown.number > 8_000_000 else shown
        found = self._once((plain,), lambda: self._painted(plain))
        return stamped(found, f"picture {shown.number}") if self.repeated else found

    def type_of(self, shown: GalleryImage) -> str:
        if shown.number in self.files:
            return _SUFFIXES[self.files[shown.number].suffix.lower()]
        return content_type(shown)

    def name_of(self, shown: GalleryImage) -> str:
        """The file name in the picture's address."""
        path = self.files.get(shown.number)
        return f"picture-{shown.number}.{path.suffix[1:].lower() if path else suffix(shown)}"

    def _painted(self, shown: GalleryImage) -> bytes:
        if self.cache is None:
            return file_bytes(shown)
        path = self.cache / f"{digest([_PAINTER, asdict(_anonymous(shown))])[:32]}.bin"
        if path.exists():
            return path.read_bytes()
        data = file_bytes(shown)
        write_whole(path, data)
        return data

    def _once(self, key: tuple[Any, ...], make: Any) -> bytes:
        with self._guard:
            if (found := self._kept.get(key)) is not None:
                return found
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if (found := self._kept.get(key)) is None:
                found = make()
                with self._guard:
                    self._kept[key] = found
                    self._locks.pop(key, None)
        return found

    def paint_all(self, workers: int | None = None) -> int:
        """Paint every picture now, in a pool of processes; returns how many files there are."""
        wanted: dict[tuple[Any, ...], GalleryImage] = {}
        for _, shown in pictures(self.works):
            if shown.number not in self.files:
                plain = _nameless(shown) if self.repeated or shown.number > 8_000_000 else shown
                wanted[(plain,)] = plain
        todo = [(key, shown) for key, shown in wanted.items() if key not in self._kept]
        context = get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
            made = pool.map(_file_bytes_cached, [(shown, self.cache) for _, shown in todo])
            for (key, _), data in progress(zip(todo, made, strict=True), "paint", len(todo), "picture"):
                self._kept[key] = data
        return len(wanted)

    def truth(self) -> list[dict[str, Any]]:
        """For every picture: where it is, what it is, what should become of it, and its known faces.

        Keys: `key` ("HASH/asset", as the artstation source names it), `met` (its object number or None), `work`, `title`,
        `artist`, `kind`, `cluster` ("" for none), `expect` ("keep", "one of cluster", or a reason of `aahq.reasons`; None
        for a folder's pictures), `faces`, `identities`, `style`, `fault` (name or "").
        """
        out = []
        for work, shown in pictures(self.works):
            people, style = _people(shown)
            out.append(
                {
                    "key": f"{work.hash_id}/{shown.number}",
                    "met": work.number if shown is work.shown[0] else None,
                    "work": work.hash_id,
                    "title": work.title,
                    "artist": work.user,
                    "kind": shown.kind,
                    "cluster": shown.cluster,
                    "expect": _expected(work, shown),
                    "faces": len(people),
                    "identities": list(people),
                    "style": style,
                    "fault": work.fault,
                }
            )
        return out

    def landmarks(self, key: str) -> list[list[list[float]]]:
        """The true landmarks of a painted picture's faces before its kind's change: faces x 68 x [x, y]."""
        _, shown = self.by_asset[int(key.rpartition("/")[2])]
        return [face.tolist() for face in paint_shown(shown).faces]


def _expected(work: Work, shown: GalleryImage) -> str | None:
    if shown.kind == "file":
        return None
    if work.fault:
        return FAULTS[work.fault].expect
    if shown.cluster:
        return "one of cluster"
    return KINDS[shown.kind]


def _people(shown: GalleryImage) -> tuple[tuple[int, ...], int | None]:
    if shown.kind == "file":
        return (), None
    if shown.kind == "group":
        return shown.seeds[1:], shown.seeds[0]
    if shown.kind in ("landscape", "still life"):
        return (), shown.seeds[1]
    return shown.seeds[:1], shown.seeds[1]


def _nameless(shown: GalleryImage) -> GalleryImage:
    return replace(shown, number=100_010, cluster="")


def _anonymous(shown: GalleryImage) -> GalleryImage:
    return replace(shown, cluster="")


def _fault_work(name: str, k: int, seed: int) -> Work:
    number = 800_000 + k
    side = working_size(64)
    # Pictures that never arrive can be one painting; those that do are different people.
    person = number if FAULTS[name].expect == "arrives" else 800_000
    seeds = (seed * 1_000_000 + person, person % 16, 0)
    shown = GalleryImage(100_000 + 10 * number, "portrait", seeds, side, side + 24)
    title = FAULTS[name].title or f"A work that answers with {name}"
    return Work(number, f"fault-{name}"[:40], title, "mischief", "Mischief Maker", (shown,), ("portrait",), fault=name)


def _start_worker() -> None:
    import cv2

    end_with_pool()
    cv2.setNumThreads(1)


def _file_bytes_cached(job: tuple[GalleryImage, Path | None]) -> bytes:
    shown, cache = job
    if cache is None:
        return file_bytes(shown)
    path = cache / f"{digest([_PAINTER, asdict(_anonymous(shown))])[:32]}.bin"
    if not path.exists():
        write_whole(path, file_bytes(shown))
    return path.read_bytes()
