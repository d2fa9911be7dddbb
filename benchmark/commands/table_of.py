"""A record's values as lines of text, and a method's name checked before hours of work."""

from __future__ import annotations

from pydantic import ValidationError

from benchmark.run.record import MethodInfo, Record
from suite.errors import SuiteError
from suite.profiles import first_fault


def values_text(record: Record) -> str:
    """One line per value: metric, value, interval, protocol."""
    lines = []
    for value in record.values:
        interval = "" if value.low is None else f" [{value.low:.4g}, {value.high:.4g}]"
        why = "" if value.rankable else f" (not ranked: {value.why})"
        lines.append(f"{value.metric:40} {value.value:10.4f}{interval}  {value.protocol}{why}")
    return "\n".join(lines)


def named_method(
    name: str, version: str = "", code: str = "", train_data: str = "", tested: bool = False
) -> MethodInfo:
    """What is said of a method, checked.

    Raises:
        SuiteError: the option that does not fit.
    """
    fields = {"name": name, "version": version, "code": code, "train_data": train_data, "uses_test_pictures": tested}
    try:
        return MethodInfo.model_validate(fields)
    except ValidationError as error:
        field, why = first_fault(error)
        flag = "--method" if field == "name" else f"--{field.replace('_', '-')}"
        raise SuiteError(f"{flag}: {why}") from None
