"""Sample sheets: pictures in a grid, a caption under each, a note at the foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.data.pictures import save_png

_INK, _FAINT, _PAPER = (24, 24, 24), (110, 110, 110), (255, 255, 255)
_GAP, _LINE = 6, 15
SIDE, ROWS = 160, 8


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet, with the line under it; no picture leaves the place empty."""

    picture: Image.Image | None = None
    caption: str = ""

    def small(self) -> Tile:
        """Only what a sheet shows: full pictures of eight faces in many styles would fill the memory."""
        if self.picture is None or self.picture.size == (SIDE, SIDE):
            return self
        return Tile(self.picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), self.caption)


class SheetFiles:
    """OUT/sheet-0001.png, ...: eight rows each, written as soon as it is full, so that memory does not grow with the rows.

    Args:
        out: the folder.
        head: the first row of every sheet.
    """

    def __init__(self, out: Path, head: Sequence[Tile]) -> None:
        self.out, self.head = out, [tile.small() for tile in head]
        self.files: list[Path] = []
        self._rows: list[list[Tile]] = []
        self._note = ""

    def add(self, row: Sequence[Tile], note: str) -> None:
        """Add a row; `note` is for the foot of the sheet that begins with it."""
        self._note = self._note if self._rows else note
        self._rows.append([tile.small() for tile in row])
        if len(self._rows) == ROWS:
            self.write()

    def write(self) -> None:
        """Write the rows that wait for a sheet, if any do."""
        if self._rows:
            path = self.out / f"sheet-{len(self.files) + 1:04d}.png"
            save_png(path, draw_sheet([self.head, *self._rows], self._note))
            self.files.append(path)
            self._rows = []


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
