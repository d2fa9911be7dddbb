"""`aahq-bench`: Tables 1-3, figures, records and the leaderboard."""

from __future__ import annotations

from suite.cli import SuiteGroup

COMMANDS: dict[str, str] = {}

main = SuiteGroup("aahq-bench", lazy=COMMANDS, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
