"""`aahq align`: this stage alone."""

from __future__ import annotations

from aahq.commands.shared import stage_command

command = stage_command(
    "align",
    """Cut every found face of OUT by the FFHQ recipe, and measure it for dedup and quality.

    \b
    Example:
      aahq align art
    """,
)
