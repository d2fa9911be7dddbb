"""`aahq-bench`: Tables 1-3, figures, records and the leaderboard."""

from __future__ import annotations

from suite.cli import SuiteGroup

COMMANDS: dict[str, str] = {
    "reproduce": "benchmark.commands.reproduce:command",
    "table1": "benchmark.commands.table1:command",
    "tables": "benchmark.commands.tables:command",
    "compare": "benchmark.commands.compare:command",
    "protocol": "benchmark.commands.protocol:command",
    "figures": "benchmark.commands.figures:command",
    "page": "benchmark.commands.page:command",
    "new-method": "benchmark.commands.new_method:command",
    "check": "benchmark.commands.check:command",
    "inputs": "benchmark.commands.inputs:command",
    "answer": "benchmark.commands.answer:command",
    "reference": "benchmark.commands.reference:command",
    "score-images": "benchmark.commands.score_images:command",
    "distance": "benchmark.commands.distance:command",
    "watch": "benchmark.commands.watch:command",
    "judge": "benchmark.commands.judge:command",
    "submit": "benchmark.commands.submit:command",
    "validate": "benchmark.commands.validate:command",
    "site": "benchmark.commands.site:command",
    "doctor": "benchmark.commands.doctor:command",
    "train-reader": "benchmark.commands.train_reader:command",
    "blending": "benchmark.commands.blending:command",
}

main = SuiteGroup("aahq-bench", lazy=COMMANDS, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
