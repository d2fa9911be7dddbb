"""Cards of a release that is there already, with its checksums brought up to date."""

from __future__ import annotations

from pathlib import Path

from aahq.release.cards import make_cards
from aahq.release.schema import MANIFEST, SUMS
from aahq.remove.shrink import find_release, read_card
from suite.errors import SuiteError
from suite.files import sha256_bytes, write_whole


def update_cards(release: Path, to: Path | None = None) -> list[Path]:
    """Write the cards of a release.

    Args:
        release: the release's folder, or the build's around it.
        to: where; beside the manifest, with their lines in SHA256SUMS, where None.

    Returns:
        The cards' paths.
    """
    root = find_release(release)
    try:
        sums = dict(line.split("  ", 1)[::-1] for line in (root / SUMS).read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise SuiteError(f"RELEASE {root / SUMS}: {error}; 'aahq verify {root}' lists what is broken") from None
    shards = {path: digest for path, digest in sums.items() if path.startswith("shards/")}
    cards = make_cards(root, root / MANIFEST, read_card(root), shards)
    for name, data in cards.items():
        write_whole((to or root) / name, data)
    if to is None:
        manifest = sums.pop(MANIFEST, "")
        sums |= {name: sha256_bytes(data) for name, data in cards.items()}
        lines = [f"{digest}  {path}\n" for path, digest in (*sums.items(), (MANIFEST, manifest))]
        write_whole(root / SUMS, "".join(lines))
    return [(to or root) / name for name in cards]
