"""`baselines`: train and use AdaIN, MUNIT, FUNIT, DRIT++ and StarGAN v2."""

from __future__ import annotations

from suite.cli import SuiteGroup

COMMANDS: dict[str, str] = {
    "train": "baselines.commands.train:command",
    "stylize": "baselines.commands.stylize:command",
}

main = SuiteGroup("baselines", lazy=COMMANDS, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
