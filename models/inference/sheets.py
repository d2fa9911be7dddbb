"""Sample sheets: pictures in a grid, a caption under each, a note at the foot."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.data.pictures import save_png

_INK, _FAINT, _PAPER = (24, 24, 24), (110, 110, 110), (255, 255, 255)
_GAP, _LINE = 6, 15
SIDE, ROWS, COLUMNS = 160, 8, 16
_TILE_BYTES = SIDE * SIDE * 3


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet, with the line under it; no picture leaves the place empty."""

    picture: Image.Image | None = None
    caption: str = ""

    def small(self) -> Tile:
        """Only what a sheet shows."""
        if self.picture is None or self.picture.size == (SIDE, SIDE):
            return self
        return Tile(self.picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), self.caption)


class SheetFiles:
    """OUT/sheet-0001.png, ...: eight rows and sixteen columns of results each, written as soon as its rows are complete.

    What waits lies in a temporary file, not in memory: one row in a thousand styles is a thousand tiles.

    Args:
        out: the folder.
        head: the first row of every sheet.
        repeated: how many columns at the left stand on every sheet (the face, say).
    """

    def __init__(self, out: Path, head: Iterable[Tile], repeated: int = 1) -> None:
        self.out, self.repeated = out, repeated
        self.files: list[Path] = []
        self._tiles = _TileFile()
        self._head = SheetRow(self._tiles, "")
        for tile in head:
            self._head.add(tile)
        self._rows: list[SheetRow] = []

    def row(self, note: str) -> SheetRow:
        """A new row, to be filled from the left; `note` is for the foot of the sheet that begins with it."""
        self._rows.append(SheetRow(self._tiles, note))
        return self._rows[-1]

    def write_full(self) -> None:
        """Write the sheets whose rows are there; call it when every row that was begun is complete."""
        while len(self._rows) >= ROWS:
            self._write(self._rows[:ROWS])
            del self._rows[:ROWS]

    def close(self) -> None:
        """Write the rows that wait for a sheet, if any do."""
        self.write_full()
        if self._rows:
            self._write(self._rows)
        self._tiles.close()

    def _write(self, rows: list[SheetRow]) -> None:
        columns = max(len(row) for row in rows)
        for first in range(self.repeated, max(columns, self.repeated + 1), COLUMNS):
            indices = [*range(self.repeated), *range(first, min(first + COLUMNS, columns))]
            path = self.out / f"sheet-{len(self.files) + 1:04d}.png"
            shown_rows = [[row[column] for column in indices] for row in (self._head, *rows)]
            save_png(path, draw_sheet(shown_rows, rows[0].note), source="composite")
            self.files.append(path)
        for row in rows:
            row.forget()


class SheetRow:
    """Tiles of one row, kept in the sheets' file."""

    def __init__(self, tiles: _TileFile, note: str) -> None:
        self.note = note
        self._tiles = tiles
        self._kept: list[tuple[int | None, str]] = []

    def add(self, tile: Tile) -> None:
        """Add one tile at the right."""
        picture = tile.small().picture
        self._kept.append((None if picture is None else self._tiles.keep(picture), tile.caption))

    def forget(self) -> None:
        """Give the tiles' places to others."""
        self._tiles.free += [place for place, _ in self._kept if place is not None]
        self._kept = []

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, column: int) -> Tile:
        if column >= len(self):
            return Tile()
        place, caption = self._kept[column]
        return Tile(None if place is None else self._tiles.read(place), caption)


class _TileFile:
    """Pictures of SIDE x SIDE by place in an unnamed file; places that are given back are used again."""

    def __init__(self) -> None:
        self.free: list[int] = []
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._count = 0

    def keep(self, picture: Image.Image) -> int:
        if self.free:
            place = self.free.pop()
        else:
            place, self._count = self._count, self._count + 1
        self._file.seek(place * _TILE_BYTES)
        self._file.write(picture.convert("RGB").tobytes())
        return place

    def read(self, place: int) -> Image.Image:
        self._file.seek(place * _TILE_BYTES)
        return Image.frombytes("RGB", (SIDE, SIDE), self._file.read(_TILE_BYTES))

    def close(self) -> None:
        self._file.close()


def draw_sheet(rows: Sequence[Sequence[Tile]], note: str = "", side: int = SIDE) -> Image.Image:
    """A grid of tiles, each scaled to `side` pixels, captions cut to the tile's width, the note wrapped at the foot."""
    font = ImageFont.load_default(size=11)
    columns = max(len(row) for row in rows)
    width = _GAP + columns * (side + _GAP)
    foot = _wrap(note, font, width - 2 * _GAP)
    height = _GAP + len(rows) * (side + _LINE + _GAP) + len(foot) * _LINE
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            left, top = _GAP + c * (side + _GAP), _GAP + r * (side + _LINE + _GAP)
            if tile.picture is not None:
                sheet.paste(tile.picture.resize((side, side), Image.Resampling.LANCZOS), (left, top))
            pen.text((left, top + side + 1), _cut(tile.caption, font, side), fill=_INK, font=font)
    for index, line in enumerate(foot):
        pen.text((_GAP, height - (len(foot) - index) * _LINE), line, fill=_FAINT, font=font)
    return sheet


def _cut(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _wrap(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
