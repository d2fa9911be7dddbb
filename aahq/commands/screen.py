"""`aahq screen`: this stage alone."""

from __future__ import annotations

from aahq.commands.shared import stage_command

command = stage_command(
    "screen",
    """Decode every fetched picture of OUT to canonical 8-bit sRGB, or refuse it with a reason.

    \b
    Example:
      aahq screen art
    """,
)
