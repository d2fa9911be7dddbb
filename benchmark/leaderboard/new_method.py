"""A package to start from: it installs, registers by entry point and passes `aahq-bench check` as it is."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from benchmark.run.methods import BUILT_IN
from benchmark.tasks.paper import slug
from suite.errors import SuiteError
from suite.files import write_whole

NAME = re.compile(r"^[A-Za-z][A-Za-z0-9+_-]{0,39}$")
FILES = {
    "pyproject.toml.jinja": "pyproject.toml",
    "README.md.jinja": "README.md",
    "method.py.jinja": "src/{package}/method.py",
    "init.py.jinja": "src/{package}/__init__.py",
    "test_contract.py.jinja": "tests/test_contract.py",
}


def package_of(name: str) -> str:
    """The Python package of a method's name: `My-Method` -> `my_method`.

    Raises:
        SuiteError: a name that no package or table can carry, or that is taken.
    """
    if not NAME.match(name):
        raise SuiteError(f"NAME {name[:60]!a}: expected a letter, then at most 39 letters, digits, + - _")
    if slug(name) in {slug(known) for known in BUILT_IN}:
        raise SuiteError(f"NAME {name}: the tables have a method of this name; choose another")
    package = slug(name).replace("-", "_")
    return f"{package}_method" if keyword.iskeyword(package) else package


def write_package(name: str, folder: Path) -> list[Path]:
    """Write the template for `name` into a new folder; returns its files.

    Raises:
        SuiteError: a bad name, or a folder that holds something.
    """
    package = package_of(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SuiteError(f"--out {folder}: holds something already; name a new folder")
    # The templates are the suite's own and the result is source code, where HTML escapes would be wrong.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    source = resources.files("benchmark") / "leaderboard" / "template"
    words = {"name": name, "package": package, "distribution": package.replace("_", "-"), "class_name": _class(package)}
    made = []
    for template, target in FILES.items():
        path = folder / target.format(package=package)
        write_whole(path, environment.from_string((source / template).read_text()).render(words))
        made.append(path)
    return made


def _class(package: str) -> str:
    return "".join(part.capitalize() for part in package.split("_"))
