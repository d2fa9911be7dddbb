"""`aahq sign`: sign a release with a key of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option


@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    help="A private SSH key, or the public half of one that ssh-agent or a security key holds.",
)
@json_option
def command(release: Path, key: Path, as_json: bool) -> None:
    """Sign RELEASE: read every byte of it, then write SHA256SUMS.sig with a key of your own.

    'aahq verify', 'sync' and 'rebuild' check it where --signers is given; so does OpenSSH alone, see
    docs/stewardship.md. What changes a release takes its signature away: sign it again. 'ssh-keygen -t ed25519 -f ada'
    makes a key, and ada.pub for others.

    \b
    Example:
      aahq sign art/release --key ~/.ssh/id_ed25519
    """
    from aahq.release.sign import sign_release
    from aahq.remove.shrink import open_release

    with open_release(release) as root:
        signature = sign_release(root, key)
    emit({"signature": str(signature)}, f"{signature}", as_json)
