"""Several options of the command line that a command receives as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

F = Callable[..., Any]
Decorator = Callable[[F], F]


def stacked(*options: Decorator) -> Decorator:
    """All these options, in the order of the help."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def option_group(name: str, kind: Callable[..., Any], *options: Decorator) -> Decorator:
    """Options that a command receives together, as its parameter `name`.

    Args:
        kind: makes the value from the options' values, by keyword.
        options: click's decorators, in the order of the help.
    """

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def packed(**values: Any) -> Any:
            group = kind(**{key: values.pop(key) for key in keys})
            return command(**values, **{name: group})

        before = len(getattr(packed, "__click_params__", ()))
        grouped = stacked(*options)(packed)
        params = getattr(grouped, "__click_params__")[before:]  # noqa: B009
        keys = [param.name for param in params if param.expose_value]
        return grouped

    return decorate
