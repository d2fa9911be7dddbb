"""What a reproduce profile says: data, sizes, methods with their training commands, metrics and cost. Data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from baselines.registry import METHODS, known
from benchmark.metrics import panel
from benchmark.metrics.extractors import row_of
from suite.errors import SuiteError
from suite.profiles import Settings


class PaintSettings(Settings):
    """Painted data for profiles that need no download: `count` portraits of each domain at `size`.

    Attributes:
        photos: of the domain photo, where there are to be other than `count`.
        world: the part of the painter's range (`aahq portraits --world`).
    """

    count: int = Field(ge=20)
    size: int = Field(ge=32)
    seed: int = 0
    identities: int = Field(default=0, ge=0)
    styles: int = Field(default=48, ge=1)
    photos: int = Field(default=0, ge=0)
    world: str = "gallery"


class Step(Settings):
    """One training command.

    Attributes:
        name: folder of its run under the work folder, and its name in plans.
        command: arguments after `python -m`; `{data}`, `{run}`, `{runs}`, `{device}` are filled in, and `--data {data}`
            becomes `--faces` and `--art` where the two domains lie apart.
        weights: setting -> name in the registry of published weights: what the training starts from, added to the
            command as `--set SETTING=FILE`.
        makes: a file that the run's folder holds when it is done.
        rehearsal: settings under which it takes a few steps of every kind, to show that it runs (`reproduce --rehearse`).
        gpu_hours, disk_gb: what it costs at this profile (see `cost_note`); no hours and no minutes: not measured.
    """

    name: str
    command: tuple[str, ...]
    makes: str = ""
    weights: dict[str, str] = Field(default_factory=dict)
    rehearsal: tuple[str, ...] = ()
    gpu_hours: float = Field(default=0, ge=0)
    cpu_minutes: float = Field(default=0, ge=0)
    disk_gb: float = Field(default=0, ge=0)


class MethodSettings(Settings):
    """Where a method's weights come from.

    Attributes:
        steps: training steps, in order; the last one's run folder holds the weights.
        published: name in the registry of published weights; used instead of training where found or fetched.
        weightless: it works without any weights.
        options: keywords of the method's factory.
    """

    name: str
    steps: tuple[Step, ...] = ()
    published: str = ""
    weightless: bool = False
    options: dict[str, Any] = Field(default_factory=dict)
    note: str = ""


def baseline_entry(name: str, profile: str, costs: dict[str, Any]) -> dict[str, Any]:
    """The entry of a baseline, by its name in `baselines.registry`; one without training needs published weights or none."""
    row, published = METHODS[known(name)], costs.pop("published", "")
    entry: dict[str, Any] = {"name": row.title, "options": costs.pop("options", {}), "published": published}
    if row.settings is None:
        return entry | {"weightless": not published, **costs}
    return entry | {"steps": [baseline_step(name, profile, costs)]}


def baseline_step(name: str, profile: str, costs: Mapping[str, Any]) -> dict[str, Any]:
    """The training step of a baseline."""
    command = [
        "baselines",
        "train",
        name,
        "--profile",
        profile,
        "--data",
        "{data}",
        "-o",
        "{run}",
        "--device",
        "{device}",
    ]
    chosen = [part for key, value in costs.get("set", {}).items() for part in ("--set", f"{key}={value}")]
    return {"name": name, "command": command + chosen, **{key: cost for key, cost in costs.items() if key != "set"}}


class Reproduce(Settings):
    """A whole reproduction.

    Attributes:
        paint: paint the data; None means that `--data` must name a release.
        photographs, artworks: how many pictures of each domain are trained on, for the plan of a profile whose data is
            brought; 0: as many as are painted.
        faces, styles: of the protocol (the paper: 1,000 x 10).
        sampling_seeds: one whole measurement each.
        face_split, style_split, real_split: splits of the release.
        real_pictures: most artistic faces that the generated ones are compared with; 0 takes all of `real_split`.
        features: `lite0` (a Python package) or `inception` (with `fid_modes`) plus `lpips`.
        answers: paint the right answers to the draw, where the release is painted: the controls that need them.
        fid_modes: clean-fid's modes; the first gives the table its column.
        others: further extractors, rows of `benchmark.metrics.extractors`: `dinov2` (FD-DINOv2) and `clip` (CMMD) need the
            extra `features`, `lite0` comes by pip.
        panel: instruments that compare pictures with their faces and references, rows of `benchmark.metrics.panel`.
        faces_a_block: faces generated and measured together; batch: pictures asked of a method at once.

    A profile's table `baselines` (a profile of theirs, and name -> costs, weights, `set` and options; `published` as in
    `MethodSettings`) gives `methods` an entry a baseline.
    """

    paint: PaintSettings | None = None
    photographs: int = Field(default=0, ge=0)
    artworks: int = Field(default=0, ge=0)
    faces: int = Field(ge=2)
    styles: int = Field(ge=2)
    sampling_seeds: tuple[str, ...] = ("0",)
    face_split: str = "test"
    style_split: str = "test"
    real_split: str = "all"
    real_pictures: int = Field(default=0, ge=0)
    features: Literal["lite0", "inception"] = "lite0"
    fid_modes: tuple[Literal["clean", "legacy_pytorch", "legacy_tensorflow"], ...] = ("clean",)
    others: tuple[str, ...] = ()
    answers: bool = True
    lpips_size: int = 256
    panel: tuple[str, ...] = ()
    faces_a_block: int = Field(default=4, ge=2)
    batch: int = Field(default=16, ge=1)
    methods: tuple[MethodSettings, ...]
    data_note: str = ""
    cost_note: str = ""
    eval_gpu_hours: float = 0
    eval_disk_gb: float = 0

    @field_validator("others", "panel")
    @classmethod
    def _known(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in names:
            try:
                (panel.row_of if info.field_name == "panel" else row_of)(name)
            except SuiteError as error:
                raise ValueError(str(error)) from None
        return names

    @model_validator(mode="before")
    @classmethod
    def _with_baselines(cls, values: dict[str, Any]) -> dict[str, Any]:
        rest = dict(values)
        wanted = dict(rest.pop("baselines", {}))
        profile = wanted.pop("profile", "")
        entries = [baseline_entry(name, profile, dict(costs)) for name, costs in wanted.items()]
        return rest | {"methods": [*rest.get("methods", ()), *entries]} if entries else rest
