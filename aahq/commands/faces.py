"""`aahq faces`: this stage alone."""

from __future__ import annotations

from aahq.commands.shared import stage_command

command = stage_command(
    "faces",
    """Find the faces of every screened picture of OUT, with 68 landmarks each.

    \b
    Example:
      aahq faces art
    """,
)
