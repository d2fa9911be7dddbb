"""A profile is data: a TOML file checked by a pydantic model, changed by `--set key=value`, never by code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from suite.errors import SuiteError, did_you_mean
from suite.files import parse_toml, read_foreign_json, read_toml


class Settings(BaseModel):
    """Base of every profile: unknown keys are errors, values cannot change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Settings)
M = TypeVar("M", bound=BaseModel)


def load_profile(
    model: type[S], package: str, name: str, overrides: Iterable[str] = (), base: Mapping[str, Any] | None = None
) -> S:
    """Read `<package>/profiles/<name>.toml`, apply `--set a.b=value` overrides, and check it.

    Args:
        model: the pydantic model that says which keys there are, their types and ranges.
        package: dotted package holding a `profiles` folder, e.g. `"models"`.
        name: the profile's name (`demo`, `small`, `paper`), or a path to a `.toml` file.
        base: values that the profile is laid over.
        overrides: `key=value` pairs; the value is TOML (`lr=0.002`, `size=64`, `name="x"`) or a bare word.

    Raises:
        SuiteError: an unknown profile, key or value, in one line.
    """
    values = {**(base or {}), **_read(package, name)}
    for pair in overrides:
        key, eq, text = pair.partition("=")
        if not eq:
            raise SuiteError(f"--set {pair}: expected key=value")
        _put(values, key.strip().split("."), toml_value(text.strip()))
    return checked(model, values, f"--set / profile {name}")


def checked(model: type[S], values: Mapping[str, Any], where: str) -> S:
    """`values` as `model`; SuiteError with the first that does not fit, `where` before it."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first, key = error.errors()[0], first_fault(error)[0]
        known = list(model.model_fields)
        hint = (did_you_mean(key, known) if known else "; it has none") if first["type"] == "extra_forbidden" else ""
        raise SuiteError(f"{where}: {f'{key}: ' if key else ''}{first['msg']}{hint}") from None


def first_fault(error: ValidationError) -> tuple[str, str]:
    """The first value that does not fit: its place, as `a.b.0`, and why."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])), str(first["msg"]).removeprefix("Value error, ")


def read_json_model(model: type[M], path: Path, flag: str, most: int, fix: str) -> M:
    """A JSON file of at most `most` bytes as `model`.

    Raises:
        OSError: it cannot be read.
        SuiteError: too large, no JSON, or a value that does not fit; one line that begins with `flag`.
    """
    if path.stat().st_size > most:
        raise SuiteError(f"{flag} {path}: {path.stat().st_size} bytes; it has at most {most}")
    try:
        return model.model_validate(read_foreign_json(path, most))
    except ValidationError as error:
        raise SuiteError(f"{flag} {path}: {': '.join(first_fault(error))}") from None
    except ValueError:
        raise SuiteError(f"{flag} {path}: not JSON; {fix}") from None


def profile_names(package: str) -> list[str]:
    """The profiles that `package` ships, sorted."""
    folder = resources.files(package) / "profiles"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _read(package: str, name: str) -> dict[str, Any]:
    if name.endswith(".toml"):
        try:
            return read_toml(name)
        except (OSError, ValueError) as error:
            raise SuiteError(f"--profile {name}: {error}") from None
    known = profile_names(package)
    if name not in known:
        raise SuiteError(f"--profile: no {name!r}{did_you_mean(name, known)}")
    return parse_toml((resources.files(package) / "profiles" / f"{name}.toml").read_text())


def toml_value(text: str) -> Any:
    """What `text` is in TOML, or the bare word."""
    try:
        return parse_toml(f"v = {text}")["v"]
    except ValueError:
        return text


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise SuiteError(f"--set {'.'.join(path)}: {key} is a value, not a group")
    values[path[-1]] = value
