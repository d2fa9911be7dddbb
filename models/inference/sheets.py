"""Sample sheets: pictures in a grid, a caption under each, a note at the foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_INK, _FAINT, _PAPER = (24, 24, 24), (110, 110, 110), (255, 255, 255)
_GAP, _LINE = 6, 15


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet, with the line under it; no picture leaves the place empty."""

    picture: Image.Image | None = None
    caption: str = ""


def draw_sheet(rows: Sequence[Sequence[Tile]], note: str = "", side: int = 160) -> Image.Image:
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
