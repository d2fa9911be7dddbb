"""Images of the review page: cached tiles, whole pictures, and a preview of the crop."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from aahq.faces.align import align
from aahq.images import decode
from aahq.reasons import Rejected
from aahq.review.catalog import Item
from aahq.review.log import FOLDER
from suite.errors import SuiteError
from suite.files import write_whole
from suite.progress import progress

TILE = 256
# The longest side of a whole picture on the page; points are in pixels of the picture itself all the same.
WHOLE = 2048
PREVIEW = 320
# Decoded pictures held for previews: the one at hand and the one before.
HELD = 2
# Tiles of the first sheet on a common screen, made before the page is offered to anybody.
FIRST_SHEET = 60
# Tiles that wait to be made. A browser asks for six at a time, so the oldest of these are of a sheet that has gone by.
MOST_WAITING = 64
# How far tile making steps back behind the browser that shares the cores: drawing a frame cannot wait, a tile can.
GIVE_WAY = 15
# How long the page must have asked for nothing before anything is made ahead; a browser needs a moment to open.
QUIET_S = 1.5


class Pictures:
    """The pictures of one build's folder; its methods may be called from several threads."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.tiles = out / FOLDER / "tiles"
        self._asked_at = 0.0
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._wanted: list[tuple[Item, Future[bytes]]] = []
        self._makers = ThreadPoolExecutor(os.cpu_count(), "tiles", _give_way)

    def tile_path(self, item: Item) -> Path:
        """Where the item's tile is once it is made."""
        return self.tiles / item.id[:2] / f"{item.id}-{item.stamp}.jpg"

    def tile(self, item: Item) -> bytes:
        """The item's tile, a JPEG of at most `TILE` pixels a side; `store_tile` keeps it."""
        return _jpeg(self._open(item), TILE, 85)

    def made_tile(self, item: Item) -> bytes | None:
        """The item's tile where one is kept."""
        try:
            return self.tile_path(item).read_bytes()
        except FileNotFoundError:
            return None

    def make_tile(self, item: Item) -> Future[bytes]:
        """Make the item's tile on a thread that gives way to the browser, what was asked for last first.

        Raises (as the future's exception):
            SuiteError: the picture cannot be read, or `MOST_WAITING` tiles were asked for since.
        """
        wanted: Future[bytes] = Future()
        with self._lock:
            self._wanted.append((item, wanted))
            passed = self._wanted.pop(0)[1] if len(self._wanted) > MOST_WAITING else None
        if passed is not None:
            passed.set_exception(SuiteError("the sheet has moved on; ask again"))
        self._makers.submit(self._make_newest)
        return wanted

    def _make_newest(self) -> None:
        with self._lock:
            if not self._wanted:
                return
            item, wanted = self._wanted.pop()
        try:
            kept = self.made_tile(item)
            data = self.tile(item) if kept is None else kept
        except (SuiteError, OSError) as error:
            wanted.set_exception(SuiteError(str(error)))
            return
        # The disk need not be waited for.
        wanted.set_result(data)
        if kept is None:
            self.store_tile(item, data)

    def close(self) -> None:
        """End the threads; what nobody waits for any more is not made."""
        self._makers.shutdown(wait=True, cancel_futures=True)

    def asked(self) -> None:
        """The page asks for something: `prepare` steps aside for a moment."""
        self._asked_at = time.monotonic()

    def make_first(self, items: Sequence[Item]) -> None:
        """Make the first sheet's tiles, on all cores: a person who opens the page then waits for no decoding."""
        missing = [item for item in items if not self.tile_path(item).is_file()]
        # Pillow decodes and shrinks without holding Python's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in progress(pool.map(self._make, missing), "first tiles", total=len(missing), unit="tiles"):
                pass

    def _make(self, item: Item) -> None:
        # A picture that cannot be shown says so when the page asks for it.
        with contextlib.suppress(SuiteError):
            self.store_tile(item, self.tile(item))

    def prepare(self, items: Iterable[Item], over: threading.Event) -> None:
        """What the page will want: the recipe compiled, then the tiles that are missing, while nobody waits for anything.

        Args:
            items: what the page shows.
            over: set when the page is closed.
        """
        _give_way()
        self.asked()
        if self._quiet(over):
            self.warm_up()
        for item in items:
            if not self._quiet(over):
                return
            if not self.tile_path(item).is_file():
                self._make(item)

    def _quiet(self, over: threading.Event) -> bool:
        """Wait until the page has asked for nothing for a moment; False once it is closed."""
        while time.monotonic() - self._asked_at < QUIET_S:
            if over.wait(QUIET_S):
                break
        return not over.is_set()

    def store_tile(self, item: Item, data: bytes) -> None:
        """Keep a tile for the next visit, in the place of any of an earlier crop."""
        path = self.tile_path(item)
        for old in path.parent.glob(f"{item.id}-*.jpg"):
            old.unlink(missing_ok=True)
        write_whole(path, data)

    def _open(self, item: Item) -> Image.Image:
        path = self.out / item.shown
        if item.bucket == "no face":
            return Image.fromarray(_canonical(path))
        try:
            with Image.open(path) as picture:
                return picture.convert("RGB")
        except OSError as error:
            raise SuiteError(f"{path}: {error}; 'aahq release {self.out}' cuts lost faces again") from None

    def face(self, item: Item) -> bytes:
        """JPEG of the aligned face at its full size."""
        return _jpeg(self._open(item), WHOLE, 92)

    def whole(self, item: Item) -> bytes:
        """JPEG of the whole picture, at most `WHOLE` pixels a side."""
        return _jpeg(Image.fromarray(self._decoded(item)), WHOLE, 88)

    def preview(self, item: Item, four: np.ndarray) -> bytes:
        """JPEG of the crop that these four points would give, by the recipe at a lower size."""
        aligned = align(self._decoded(item), four, size=PREVIEW, transform_size=2 * PREVIEW)
        return _jpeg(Image.fromarray(aligned), PREVIEW, 88)

    @staticmethod
    def warm_up() -> None:
        """Compile what `preview` needs, so that the first one is as quick as the rest."""
        four = np.array([[20.0, 24.0], [44.0, 24.0], [24.0, 46.0], [40.0, 46.0]])
        align(np.zeros((64, 64, 3), np.uint8), four, size=PREVIEW, transform_size=2 * PREVIEW)

    def _decoded(self, item: Item) -> np.ndarray:
        with self._lock:
            if item.picture in self._held:
                self._held.move_to_end(item.picture)
                return self._held[item.picture]
        rgb = _canonical(self.out / item.picture)
        with self._lock:
            self._held[item.picture] = rgb
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return rgb


def _give_way() -> None:
    """Lower this thread's claim to a core. Elsewhere than on Linux the call would lower the whole process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, GIVE_WAY)


def _canonical(path: Path) -> np.ndarray:
    """The pixels that landmarks are counted in: upright, sRGB."""
    try:
        return decode.canonical(path).rgb
    except Rejected as refused:
        raise SuiteError(f"{path}: {refused}") from None


def _jpeg(picture: Image.Image, side: int, quality: int) -> bytes:
    # The box filter is ten times as quick as Lanczos, which then has little left to do.
    factor = min(picture.size) // (2 * side)
    if factor > 1:
        picture = picture.reduce(factor)
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()
