"""Configuration of the safety screens: read from a TOML file, kept by the build's folder.

    [nsfw]
    model = "nsfw.onnx"          # ONNX, or TorchScript
    sha256 = "9f86d08..."        # no other file is loaded
    reject = 0.8                 # the score from which on a face is refused
    on = "picture"               # or "face": the aligned crop
    size = 224                   # it takes (N, 3, size, size) float32: RGB / 255, less mean, over std
    mean = [0.485, 0.456, 0.406]
    std = [0.229, 0.224, 0.225]
    activation = "softmax"       # of its (N, K) answer: softmax, sigmoid or none
    output = 1                   # the column that is the score

    [illegal]
    hashes = "list.txt"          # a hash in hex a line, whatever stands behind it; # begins a comment
    sha256 = "60303ae..."
    algorithm = "pdq"            # 256 bits (Meta's PDQ), or phash: the manifest's 64 bits
    distance = 31                # bits that may differ

No model and no list is shipped: which one is right, and whether it may be used, depends on where and for what.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aahq.ledger import Ledger
from suite.errors import SuiteError
from suite.files import digest, read_toml
from suite.profiles import Settings, checked

# What the cards speak of, also where nobody looked.
KNOWN = {
    "illegal": "material that is illegal to hold, by a list of hashes",
    "takedown": "works that somebody had taken down elsewhere, by a list of hashes",
    "nsfw": "nudity, sex and violence, by a classifier",
    "minors": "people who may be minors, by a classifier",
    "watermark": "watermarks, by a classifier",
    "machine_made": "pictures made by a generator, by a classifier (marks of generators in a file are always read)",
}
_KEPT = "screens"
_HEX = r"^[0-9a-fA-F]{64}$"


class ModelScreen(Settings):
    """A classifier: see the module's text for each setting."""

    model: str
    sha256: str = Field(pattern=_HEX)
    reject: float
    on: Literal["picture", "face"] = "picture"
    size: int = Field(default=224, ge=8, le=2048)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    activation: Literal["softmax", "sigmoid", "none"] = "none"
    output: int = Field(default=0, ge=0)

    @property
    def path(self) -> str:
        """The model's file."""
        return self.model

    def score_key(self) -> str:
        """Names how a score came about: scores under another key are measured anew."""
        return digest(self.model_dump(mode="json", exclude={"model", "reject", "on"}))


class HashScreen(Settings):
    """A list of hashes; it looks at whole pictures and at their mirror images."""

    hashes: str
    sha256: str = Field(pattern=_HEX)
    algorithm: Literal["phash", "pdq"]
    distance: int = Field(ge=0, le=128)
    on: Literal["picture"] = "picture"

    @property
    def path(self) -> str:
        """The list's file."""
        return self.hashes

    def score_key(self) -> str:
        """As of a model."""
        return digest({"sha256": self.sha256.lower(), "algorithm": self.algorithm})


Screen = ModelScreen | HashScreen


def read_screens(path: Path) -> dict[str, Screen]:
    """The screens of a file, by name; the files that they name lie beside it, where their paths are relative.

    Raises:
        SuiteError: naming the file, the screen and the setting.
    """
    try:
        tables = read_toml(path)
    except OSError as error:
        raise SuiteError(f"--screens {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SuiteError(f"--screens {path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except ValueError as error:
        raise SuiteError(f"--screens {path}: not TOML: {error}") from None
    if not tables:
        raise SuiteError(f"--screens {path}: no screen in it; a table [nsfw], say, names one")
    return {name: _screen(path, name, table) for name, table in tables.items()}


def _screen(path: Path, name: str, table: Any) -> Screen:
    where = f"--screens {path} [{name}]"
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise SuiteError(f"{where}: a screen's name is letters, digits and '_'")
    if not isinstance(table, dict) or ("model" in table) == ("hashes" in table):
        raise SuiteError(f"{where}: expected a table with either model = FILE or hashes = FILE")
    screen: Screen = checked(ModelScreen, table, where) if "model" in table else checked(HashScreen, table, where)
    file = "model" if isinstance(screen, ModelScreen) else "hashes"
    return screen.model_copy(update={file: str(path.absolute().parent / Path(screen.path).expanduser())})


def kept_screens(ledger: Ledger) -> dict[str, Screen]:
    """What the folder keeps, by name; nothing where nobody chose any."""
    tables: Mapping[str, dict[str, Any]] = ledger.get(_KEPT) or {}
    return {
        name: (ModelScreen if "model" in table else HashScreen).model_validate(table) for name, table in tables.items()
    }


def keep_screens(ledger: Ledger, screens: Mapping[str, Screen]) -> None:
    """Look through these from here on."""
    ledger.put(_KEPT, {name: screen.model_dump(mode="json") for name, screen in screens.items()})
