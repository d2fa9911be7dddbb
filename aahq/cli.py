"""`aahq`: build and review the dataset, handle takedown requests. One line per command; each is loaded when used."""

from __future__ import annotations

from suite.cli import SuiteGroup

COMMANDS: dict[str, str] = {
    "build": "aahq.commands.build:command",
    "crawl": "aahq.commands.crawl:command",
    "survival": "aahq.commands.survival:command",
    "plan": "aahq.commands.plan:command",
    "screen": "aahq.commands.stages:screen",
    "faces": "aahq.commands.stages:faces",
    "align": "aahq.commands.stages:align",
    "align-picture": "aahq.commands.align_picture:align_picture",
    "safety": "aahq.commands.safety:command",
    "dedup": "aahq.commands.stages:dedup",
    "quality": "aahq.commands.stages:quality",
    "review": "aahq.commands.review:command",
    "release": "aahq.commands.release:command",
    "why": "aahq.commands.why:command",
    "report": "aahq.commands.report:command",
    "sign": "aahq.commands.sign:command",
    "verify": "aahq.commands.verify:command",
    "rebuild": "aahq.commands.rebuild:command",
    "cards": "aahq.commands.cards:command",
    "lookup": "aahq.commands.lookup:command",
    "remove": "aahq.commands.remove:command",
    "sync": "aahq.commands.sync:command",
    "style-map": "aahq.commands.style_map:command",
    "demo": "aahq.commands.demo:command",
    "doctor": "aahq.commands.doctor:command",
    "portraits": "aahq.commands.portraits:command",
    "gallery": "aahq.commands.gallery:command",
}

main = SuiteGroup("aahq", lazy=COMMANDS, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
