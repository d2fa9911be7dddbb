"""`blendgan`: sample, stylise, train. One line per command; each command is a file of its own."""

from __future__ import annotations

from suite.cli import SuiteGroup

COMMANDS: dict[str, str] = {
    "stylize": "models.commands.stylize:stylize",
    "page": "models.commands.page:page",
    "sample": "models.commands.sample:sample",
    "interpolate": "models.commands.interpolate:interpolate",
    "convert": "models.commands.convert:convert",
    "weights": "models.commands.weights:weights",
    "train-encoder": "models.commands.train_encoder:command",
    "train": "models.commands.train:command",
    "finetune": "models.commands.finetune:command",
    "train-psp": "models.commands.train_psp:command",
}

main = SuiteGroup("blendgan", lazy=COMMANDS, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
