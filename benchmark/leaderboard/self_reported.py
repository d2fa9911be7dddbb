"""A record of numbers that an author measured alone: claimed under the protocol of a record that the board has."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import ValidationError

from benchmark.run.record import MethodInfo, Provenance, Record, Value
from suite.errors import SuiteError, did_you_mean
from suite.files import digest
from suite.profiles import first_fault

WHY = "self-reported: nobody but the author has measured it"


def numbers_of(pairs: tuple[str, ...], option: str = "--value", above: float = -math.inf) -> dict[str, float]:
    """`METRIC=NUMBER` pairs of an option.

    Raises:
        SuiteError: a pair that is none, a number that is not finite or not above `above`, or a metric given twice.
    """
    out: dict[str, float] = {}
    for pair in pairs:
        metric, eq, text = pair.rpartition("=")
        try:
            number = float(text)
        except ValueError:
            eq = ""
        if not eq or not math.isfinite(number) or number <= above:
            over = "" if above == -math.inf else f" above {above:g}"
            raise SuiteError(f"{option} {pair}: expected METRIC=NUMBER{over}")
        if metric in out:
            raise SuiteError(f"{option} {pair}: {metric} is given twice")
        out[metric] = number
    return out


def claim(numbers: Mapping[str, float], like: Record, method: MethodInfo) -> Record:
    """A self-reported record under the protocols of `like`.

    Raises:
        SuiteError: a metric that `like` has not, or an impossible value.
    """
    values = []
    for metric, number in numbers.items():
        model = like.get(metric)
        if model is None:
            raise SuiteError(f"--value {metric}: not in --like{did_you_mean(metric, [v.metric for v in like.values])}")
        try:
            values.append(
                Value(
                    metric=metric,
                    protocol=model.protocol,
                    value=number,
                    n_real=model.n_real,
                    n_fake=model.n_fake,
                    rankable=False,
                    why=WHY,
                )
            )
        except ValidationError as error:
            raise SuiteError(f"--value {metric}: {first_fault(error)[1]}") from None
    made = like.provenance
    return Record(
        method=method,
        cell=like.cell.model_copy(update={"table": 0}),
        values=values,
        protocols={v.protocol: like.protocols[v.protocol] for v in values},
        provenance=Provenance(
            manifest=made.manifest,
            release=made.release,
            weights={},
            sampling_seeds=made.sampling_seeds,
            draws=made.draws,
            commit="",
            ops={},
            versions={},
            hardware="",
            seconds={},
            profile=made.profile,
            inputs=digest({"claimed": dict(numbers), "method": method.model_dump()}),
        ),
        trust="self-reported",
    )
