"""The record: one JSON file per cell, with everything needed to trust a number or to measure it again.

Records come from strangers too, so reading one is strict: bounded size, no NaN, no unknown field, names of plain
printable characters, values inside what their metric can take, digests that match. Every refusal names the field.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from benchmark.metrics.influence import Pulls
from benchmark.metrics.table import copied, metric_of
from benchmark.tasks.paper import Cell, Guidance, every_cell
from benchmark.tasks.protocol import Protocol, version_of
from suite.errors import SuiteError
from suite.files import digest

SCHEMA = 1
# Raised when the numbers themselves change meaning, so that kept records are measured again.
MEASURE_VERSION = 3
PLAIN = re.compile(r"^[^\x00-\x1f\x7f<>&\"'`\\\u200b-\u200f\u202a-\u202e\u2066-\u2069]*$")
PROTOCOL = re.compile(r"^aahq-[a-z0-9-]+-v\d{1,4}:[0-9a-f]{12}$")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Trust = Literal["published", "re-run from weights", "re-scored from pictures", "judged by people", "self-reported"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=2000)

    @field_validator("*", mode="after")
    @classmethod
    def _plain_text(cls, value: Any) -> Any:
        for text in _texts(value):
            if not PLAIN.match(text):
                raise ValueError("holds characters that a name must not have (markup, quotes or control characters)")
        return value


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return []


# Fields that came later, None where a record does not say.
LATER_PROVENANCE, LATER_VALUE = ("picture",), ("influence", "bias")
CODE = r"^(https://\S+|examples/[a-z0-9_/-]+|(models|baselines|benchmark)/[a-z0-9_/]+(\.py)?)?$"


class MethodInfo(_Strict):
    """Who answers: its name as tables print it, its version, where its code is (https, a folder of `examples/`, or the
    file of this repository that holds a method of the tables), what it was trained on; whether it is a control, which
    is never ranked.
    """

    name: str = Field(min_length=1, max_length=80)
    version: str = Field(default="", max_length=80)
    code: str = Field(default="", max_length=300, pattern=CODE)
    train_data: str = Field(default="", max_length=500)
    uses_test_pictures: bool = False
    control: bool = False


class CellInfo(_Strict):
    """Which cell of which table; `table` 0 is a measurement beside the paper's tables."""

    table: int = Field(ge=0, le=3)
    guidance: Guidance
    indicator: int | None = Field(default=None, ge=0, le=18)


class Vector(_Strict):
    """A vector of numbers in little room: int16 in base64, little end first, times `step`."""

    step: float = Field(ge=0, le=1e30)
    data: str = Field(max_length=4096, pattern=r"^[A-Za-z0-9+/]+=*$")

    @classmethod
    def of(cls, values: np.ndarray) -> Vector:
        """`values` (N,) to a part in 65,000 of the largest."""
        step = float(np.abs(values).max()) / 32767
        whole = np.round(values / step) if step else np.zeros(len(values))
        return cls(step=step, data=base64.b64encode(whole.astype("<i2").tobytes()).decode())

    def array(self) -> np.ndarray:
        """(N,) float64."""
        return np.frombuffer(base64.b64decode(self.data), "<i2").astype(np.float64) * self.step

    @field_validator("data")
    @classmethod
    def _whole(cls, data: str) -> str:
        try:
            held = len(base64.b64decode(data, validate=True))
        except ValueError:
            raise ValueError("not base64") from None
        if not held or held % 2:
            raise ValueError(f"{held} bytes; expected two a number")
        return data


class Influence(_Strict):
    """What each face, each reference and each kept picture contributes to a number's deviation, in its units.

    They sum to about 0 and are numbered by rising row of the release, over all sampling seeds; what they are good for stands
    in `benchmark.metrics.influence`. For a mean over F <= 1,024 faces of one seed, value + F x contribution is the face's own.

    Attributes:
        references: None where styles come from seeds.
        total: pictures in all; `pictures` holds evenly spaced ones.
    """

    faces: Vector
    references: Vector | None = None
    pictures: Vector
    total: int = Field(ge=1, le=10**9)

    @classmethod
    def of(cls, pulls: Pulls) -> Influence:
        """The same in little room."""
        references = None if pulls.references is None else Vector.of(pulls.references)
        return cls(
            faces=Vector.of(pulls.faces), references=references, pictures=Vector.of(pulls.pictures), total=pulls.total
        )

    def pulls(self) -> Pulls:
        """As numbers."""
        references = None if self.references is None else self.references.array()
        return Pulls(self.faces.array(), references, self.pictures.array(), self.total)


class Value(_Strict):
    """One measured number.

    Attributes:
        metric: its name, given by the extractor that made it.
        protocol: id of the protocol under `protocols`.
        low, high: 95% interval, with `interval` saying how; all three None where there is none, then `why` says why.
        per_seed: the value of each sampling seed; `value` is their mean.
        rankable: whether it may be ranked; `why` says why not.
        influence: what intervals and paired tests are made from; None where the number has none, and in older records.
        bias: about how much of the value is due to the finite number of generated pictures, where that is known.
    """

    metric: str = Field(min_length=1, max_length=80)
    protocol: str = Field(pattern=PROTOCOL.pattern)
    value: float
    low: float | None = None
    high: float | None = None
    interval: str | None = Field(default=None, max_length=200)
    per_seed: list[float] = Field(default_factory=list, max_length=100)
    n_real: int = Field(ge=0, le=10**9)
    n_fake: int = Field(ge=1, le=10**9)
    rankable: bool = True
    why: str = Field(default="", max_length=400)
    influence: Influence | None = None
    bias: float | None = None

    @model_validator(mode="after")
    def _possible(self) -> Value:
        try:
            kind = metric_of(self.metric)
        except SuiteError as error:
            raise ValueError(str(error)) from None
        if not kind.low <= self.value <= kind.high:
            span = f"{kind.low:g} to {kind.high:g}"
            raise ValueError(f"value: {self.value:g} is impossible for {self.metric}; expected {span}")
        ends = (self.low, self.high, self.interval)
        if any(end is None for end in ends) != all(end is None for end in ends):
            raise ValueError("low, high, interval: give all three or none")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"low, high: [{self.low:g}, {self.high:g}] does not hold the value {self.value:g}")
        if self.per_seed and not math.isclose(sum(self.per_seed) / len(self.per_seed), self.value, abs_tol=1e-6):
            raise ValueError("per_seed: their mean is not the value")
        if not self.rankable and not self.why:
            raise ValueError("why: say why the value must not be ranked")
        return self


class ProtocolInfo(_Strict):
    """A protocol in full, so that its id can be checked."""

    metric: str
    parameters: dict[str, Any]


class PublishedInfo(_Strict):
    """What the paper prints in this cell."""

    fid: float
    lpips: float
    citation: str


class PictureCost(_Strict):
    """What one picture cost the method on the machine of the record.

    Attributes:
        seconds: of the method alone, the mean over all pictures.
        bytes: of memory besides the weights, for one picture by itself; None where the system does not tell.
        threads: of the processor that PyTorch might use.
    """

    seconds: float = Field(ge=0, le=1e7)
    bytes: int | None = Field(default=None, ge=0, le=1 << 50)
    threads: int = Field(ge=1, le=100_000)


class Provenance(_Strict):
    """Where and how it was measured.

    Attributes:
        weights: file name -> SHA-256 of everything the method loaded.
        manifest: SHA-256 of the release's manifest.
        ops: op -> implementation that ran.
        seconds: step -> wall seconds.
        inputs: digest over everything that the measurement depended on, for resuming.
        pictures: digest of the pictures that were measured, where they were made elsewhere.
        size: side of the pictures in pixels; 0 in records that did not say.
        picture: what a picture cost; None where pictures were made elsewhere, and in records that did not say.
    """

    manifest: Sha256
    release: str = Field(max_length=200)
    weights: dict[str, Sha256] = Field(max_length=50)
    sampling_seeds: list[str] = Field(min_length=1, max_length=100)
    draws: list[Sha256] = Field(min_length=1, max_length=100)
    commit: str = Field(max_length=60)
    ops: dict[str, str] = Field(max_length=50)
    versions: dict[str, str] = Field(max_length=50)
    hardware: str = Field(max_length=300)
    processes: int = Field(default=1, ge=1, le=100_000)
    seconds: dict[str, float] = Field(max_length=50)
    profile: str = Field(default="", max_length=80)
    inputs: Sha256
    pictures: Sha256 | None = None
    size: int = Field(default=0, ge=0, le=1 << 16)
    picture: PictureCost | None = None


class Record(_Strict):
    """One cell, measured."""

    schema_version: Literal[1] = 1
    method: MethodInfo
    cell: CellInfo
    values: list[Value] = Field(min_length=1, max_length=100)
    controls: dict[str, float] = Field(default_factory=dict, max_length=50)
    protocols: dict[str, ProtocolInfo] = Field(min_length=1, max_length=100)
    published: PublishedInfo | None = None
    provenance: Provenance
    trust: Trust
    notes: list[str] = Field(default_factory=list, max_length=50)

    @model_validator(mode="after")
    def _consistent(self) -> Record:
        for key, info in self.protocols.items():
            if not PROTOCOL.match(key) or Protocol(info.metric, info.parameters, version_of(key)).id != key:
                raise ValueError(f"protocols.{key[:80]}: its parameters give another id; they were changed")
        metrics = set()
        for value in self.values:
            if value.protocol not in self.protocols:
                raise ValueError(f"values.{value.metric}: protocol {value.protocol} is not under protocols")
            if self.protocols[value.protocol].metric != value.metric:
                raise ValueError(
                    f"values.{value.metric}: its protocol is one of {self.protocols[value.protocol].metric}"
                )
            if value.metric in metrics:
                raise ValueError(f"values.{value.metric}: given twice")
            metrics.add(value.metric)
        return self

    def get(self, metric: str) -> Value | None:
        """The value of a metric by its exact name, or None."""
        return next((value for value in self.values if value.metric == metric), None)

    @property
    def doubt(self) -> str:
        """Why none of its numbers may be ranked; "" where nothing speaks against them."""
        return next((why for value in self.values if (why := copied(value.metric, value.value))), "")

    @property
    def table_cell(self) -> Cell | None:
        """The cell of Tables 1-3, or beside them, that this measures; None for any other measurement."""
        mine = (self.cell.table, self.cell.guidance, self.method.name, self.cell.indicator)
        return next((c for c in every_cell() if (c.table, c.guidance, c.method, c.indicator) == mine), None)

    @property
    def same_cells(self) -> list[Cell]:
        """Every cell of the tables that these pictures fill: BlendGAN at i = 0 and 6 stands in two tables."""
        mine = (self.cell.guidance, self.method.name, self.cell.indicator)
        return [c for c in every_cell() if (c.guidance, c.method, c.indicator) == mine] if self.table_cell else []

    def content(self) -> dict[str, Any]:
        """What a file of this record holds. A field that is younger than the first records is left out where it is empty,
        so that an old record keeps its digest.
        """
        whole = self.model_dump()
        for held, names in (
            (whole["provenance"], LATER_PROVENANCE),
            *((value, LATER_VALUE) for value in whole["values"]),
        ):
            for name in names:
                if held[name] is None:
                    del held[name]
        return whole

    @property
    def digest(self) -> str:
        """SHA-256 of the record's canonical JSON."""
        return digest(self.content())
