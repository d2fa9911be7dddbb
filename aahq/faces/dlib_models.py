"""Where dlib and its trained files are: found through the installed package's list of files, which is never imported."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from typing import Any

from suite.errors import SuiteError

PACKAGE = "face_recognition_models"
LANDMARKS_68 = "shape_predictor_68_face_landmarks.dat"
MMOD_DETECTOR = "mmod_human_face_detector.dat"


def load_dlib() -> Any:
    """The module `dlib`.

    Raises:
        SuiteError: it is not installed; the message names the wheel that is quick to install.
    """
    try:
        return importlib.import_module("dlib")
    except ImportError:
        raise SuiteError("faces: dlib is not installed; run: pip install dlib-bin") from None


def model_file(name: str = LANDMARKS_68) -> Path:
    """Path of one of the trained files of the package `face_recognition_models`.

    The package is not imported: importing it needs `pkg_resources`, which current setuptools no longer carries.

    Raises:
        SuiteError: the package or the file is missing.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name and Path(str(file.locate())).is_file():
            return Path(str(file.locate()))
    raise SuiteError(f"faces: {name} is not installed; run: pip install {PACKAGE}")
