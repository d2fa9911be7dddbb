"""`blendgan`: sample, stylise, train. One line a command; each command is a file of its own."""

from __future__ import annotations

from suite.cli import SuiteGroup

COMMANDS: dict[str, str] = {}

main = SuiteGroup("blendgan", lazy=COMMANDS, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
