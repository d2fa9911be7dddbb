"""Networks that turn pictures into feature vectors, one row each for those that a profile's `others` may name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from suite.errors import SuiteError, did_you_mean

if TYPE_CHECKING:
    from benchmark.metrics.extractors.features import Extractor


@dataclass(frozen=True)
class ExtractorRow:
    """Where an extractor is and what it needs.

    Attributes:
        opens: `module:function(weights_folder, offline, device) -> Extractor`.
        weights: name in the registry of published weights.
        library: a package that must be installed, which the extra `extra` of this one brings.
    """

    opens: str
    weights: str
    library: str = ""
    extra: str = ""

    def lacking(self) -> str:
        """What is not installed and how to get it; "" where nothing is lacking."""
        if not self.library or find_spec(self.library):
            return ""
        return f"{self.library} is not installed; pip install 'aahq-blendgan[{self.extra}]'"


TRANSFORMERS = "benchmark.metrics.extractors.transformer_features"
EXTRACTORS = {
    "dinov2": ExtractorRow(f"{TRANSFORMERS}:open_dinov2", "dinov2", "transformers", "features"),
    "clip": ExtractorRow(f"{TRANSFORMERS}:open_clip", "clip", "transformers", "features"),
    "lite0": ExtractorRow("benchmark.metrics.extractors.lite0:open_lite0", "lite0"),
}


def row_of(name: str) -> ExtractorRow:
    """The row of an extractor.

    Raises:
        SuiteError: no such extractor.
    """
    if name not in EXTRACTORS:
        raise SuiteError(f"--set others: no extractor {name!r}{did_you_mean(name, EXTRACTORS)}")
    return EXTRACTORS[name]


def check_installed(name: str) -> None:
    """Raise one line where a library of the extractor `name` is not installed: the extra, the weights, where they go."""
    row = row_of(name)
    if lacking := row.lacking():
        from models.weights.download import cache_folder
        from models.weights.registry import entry

        known = entry(row.weights)
        raise SuiteError(
            f"{name}: {lacking} (weights: {known.file} from {known.page} in {cache_folder()}), "
            f"or leave {name} out of --set others"
        )


def open_extractor(name: str, folder: Path | None = None, offline: bool = False, device: str = "cpu") -> Extractor:
    """An extractor ready to use, weights from local folders first.

    Raises:
        SuiteError: the library or the weights are missing; says which, from where, and where to put them.
    """
    check_installed(name)
    extractor: Extractor = resolve_name(row_of(name).opens)(folder, offline, device)
    return extractor
