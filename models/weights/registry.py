"""Weights that others have published: what they are, their terms, their digests where known, and where to get them."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from pydantic import Field

from suite.errors import SuiteError, did_you_mean
from suite.profiles import Settings


class Published(Settings):
    """One published file.

    Attributes:
        file: its name in a weights folder.
        what: what it is.
        license: its terms, as its publishers state them.
        page: where its publishers describe it.
        package: a Python package that carries the file; it is located, never imported.
        urls: direct downloads, tried in turn; empty when a person or `pip` has to fetch it.
        sha256: its whole digest, or the first digits where its publishers give only those; empty when none is known.
        size: in bytes; 0 when not known.
        holds: name of a tensor that files easily taken for this one lack; empty where nobody would.
    """

    file: str
    what: str
    license: str
    page: str
    package: str = ""
    urls: tuple[str, ...] = ()
    sha256: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")
    size: int = 0
    holds: str = ""


@cache
def published() -> dict[str, Published]:
    """Every known file by its short name (`blendgan`, `psp`, `vgg19`, ...)."""
    text = (resources.files("models.weights") / "registry.toml").read_text()
    return {name: Published.model_validate(entry) for name, entry in tomllib.loads(text).items()}


def entry(name: str) -> Published:
    """One entry; an unknown name is a SuiteError with the nearest known one."""
    known = published()
    if name not in known:
        raise SuiteError(f"weights: no {name!r}{did_you_mean(name, known)}")
    return known[name]


def expected_digest(file_name: str) -> str:
    """The published SHA-256 (whole or its first digits) of a file by this name, or ""."""
    return next((one.sha256 for one in published().values() if one.file == file_name), "")
