"""The paper's tables: which cells there are, and what was published in each, with its citation."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from suite.errors import SuiteError

Guidance = Literal["latent", "reference"]
CITATION = (
    "Liu et al., BlendGAN: Implicitly GAN Blending for Arbitrary Stylized Face Generation, NeurIPS 2021, "
    "arXiv:2110.11728v1"
)
TITLES = {
    1: "Table 1: BlendGAN, indicator sweep",
    2: "Table 2: latent-guided comparison",
    3: "Table 3: reference-guided comparison",
}


@dataclass(frozen=True)
class Cell:
    """One row of a table for one guidance: what is generated and measured together.

    Attributes:
        table: 1, 2 or 3.
        guidance: where styles come from.
        method: as the paper prints it.
        indicator: WBM's i, for BlendGAN; None for the baselines.
    """

    table: int
    guidance: Guidance
    method: str
    indicator: int | None

    @property
    def measured_as(self) -> str:
        """Names the pictures: cells of two tables with the same pictures are measured once."""
        place = "" if self.indicator is None else f"-i{self.indicator:02d}"
        return f"{self.guidance}-{slug(self.method)}{place}"

    @property
    def key(self) -> str:
        """Names the cell: `t1-latent-blendgan-i06`."""
        return f"t{self.table}-{self.measured_as}"

    @property
    def label(self) -> str:
        """The method as a table prints it, with its indicator."""
        return self.method if self.indicator is None else f"{self.method} (i = {self.indicator})"


@dataclass(frozen=True)
class Published:
    """What the paper prints in a cell: FID and LPIPS, and where."""

    fid: float
    lpips: float
    where: str

    @property
    def citation(self) -> str:
        return f"{CITATION}, {self.where}"


def slug(name: str) -> str:
    """A name as a file or protocol may carry it: `DRIT++` -> `dritpp`, `FID-legacy-pytorch` -> `fid-legacy-pytorch`."""
    kept = (c if c.isalnum() else "p" if c == "+" else "-" for c in name.lower())
    return "-".join(part for part in "".join(kept).split("-") if part)


@cache
def _rows() -> dict[Cell, Published]:
    text = (resources.files("benchmark") / "data" / "tables-paper.csv").read_text()
    out = {}
    for row in csv.DictReader(text.splitlines()):
        guidance: Guidance = "latent" if row["guidance"] == "latent" else "reference"
        cell = Cell(int(row["table"]), guidance, row["method"], int(row["indicator"]) if row["indicator"] else None)
        out[cell] = Published(float(row["fid"]), float(row["lpips"]), row["where"])
    return out


# Methods that the paper does not tabulate stand in the table of their guidance, ranked with its methods: layer swapping
# (Pinkney and Adler 2020), whose one style is the model's own, and optimisation (Gatys et al. 2016).
BESIDE = (Cell(2, "latent", "Toonify", None), Cell(3, "reference", "Gatys", None))


def every_cell(tables: tuple[int, ...] = (1, 2, 3)) -> list[Cell]:
    """The paper's cells and those beside them, table by table."""
    return [cell for table in tables for cell in (*cells((table,)), *(one for one in BESIDE if one.table == table))]


def cells(tables: tuple[int, ...] = (1, 2, 3)) -> list[Cell]:
    """The cells of the wanted tables in the paper's order: 20, 6 and 7."""
    return [cell for cell in _rows() if cell.table in tables]


def published(cell: Cell) -> Published:
    """What the paper prints in `cell`."""
    try:
        return _rows()[cell]
    except KeyError:
        raise SuiteError(f"{cell.key}: the paper has no such cell") from None


def methods() -> list[str]:
    """Every method of the tables, in order of appearance."""
    return list(dict.fromkeys(cell.method for cell in cells()))
