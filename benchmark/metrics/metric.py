"""What a row of the metrics' table says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from benchmark.metrics.measured import FeatureSets, Measured

# What a metric is computed from: the features of any extractor with a Gaussian fitted to them, those whose distance is
# the Gaussian kernel's, those of the first extractor, or one value per face.
Needs = Literal["features", "kernel features", "first features", "faces"]

# With which weights a row's orders were measured.
Vouched = Literal["its own weights", "random weights", ""]

# Names of controls, better first.
Chain = tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """One family of numbers.

    Attributes:
        names: regular expression that its names match from their beginning; the first row that fits counts.
        span: the lowest and the highest that it can be.
        higher: whether higher is better; None where neither is.
        needs, compute: what it is computed from, and `module:function` that does it.
        column: the paper's column that it stands beside, `FID`, `LPIPS` or "".
        title, what, read: in words; a row without a title is explained by the row before it.
        against: what a picture is compared with.
        weights: what it needs to be installed or fetched.
        orders: controls in the order in which it ranks them, better first, and rightly; the sanity suite holds it to that.
        wrong: controls that it ranks in this order although the later is truly better; held to as well, so that nobody
            reads it as more than it is.
        unpaired: why a paired comparison of two methods has nothing to go by; "" where it has.
        vouched: with which weights the sanity suite measured `orders` and `wrong`; "" where nothing is claimed.
    """

    names: str
    span: tuple[float, float]
    higher: bool | None
    needs: Needs
    compute: str
    column: Literal["FID", "LPIPS", ""] = ""
    title: str = ""
    what: str = ""
    read: str = ""
    against: Literal["real set", "itself", "face", "reference", "face and reference", "training set"] = "real set"
    weights: str = ""
    orders: tuple[Chain, ...] = ()
    wrong: tuple[Chain, ...] = ()
    unpaired: str = ""
    vouched: Vouched = ""

    @property
    def low(self) -> float:
        return self.span[0]

    @property
    def high(self) -> float:
        return self.span[1]

    @cached_property
    def function(self) -> Callable[[FeatureSets], list[Measured]]:
        """What computes it, imported when it is first asked for."""
        function: Callable[[FeatureSets], list[Measured]] = resolve_name(self.compute)
        return function

    @property
    def code(self) -> str:
        """The file that computes it."""
        return self.compute.partition(":")[0].replace(".", "/") + ".py"
