"""Cards of a release that is there already, with its checksums brought up to date."""

from __future__ import annotations

from pathlib import Path

from aahq.release.cards import make_cards
from aahq.release.schema import MANIFEST, SIGNATURE, SUMS
from aahq.remove.shrink import find_release, open_release, read_metadata
from suite.errors import SuiteError
from suite.files import sha256_bytes, write_whole
from suite.ownership import claim_file


def update_cards(release: Path, to: Path | None = None) -> list[Path]:
    """Write the cards of a release.

    Args:
        release: the release's folder, or the build's around it.
        to: where; beside the manifest, with their lines in SHA256SUMS, where None.

    Returns:
        The cards' paths.
    """
    if to is not None:
        root = find_release(release)
        cards, _ = _make(root)
        for name in cards:
            claim_file("--out", to / name, is_card)
        for name, data in cards.items():
            write_whole(to / name, data)
        return [to / name for name in cards]
    with open_release(release) as root:
        cards, sums = _make(root)
        for name, data in cards.items():
            write_whole(root / name, data)
        manifest = sums.pop(MANIFEST, "")
        sums |= {name: sha256_bytes(data) for name, data in cards.items()}
        lines = [f"{digest}  {path}\n" for path, digest in (*sums.items(), (MANIFEST, manifest))]
        text = "".join(lines)
        if text != (root / SUMS).read_text(encoding="utf-8"):
            # Somebody signed other cards.
            (root / SIGNATURE).unlink(missing_ok=True)
        write_whole(root / SUMS, text)
        return [root / name for name in cards]


def is_card(path: Path) -> bool:
    """Whether a file is a datasheet or a Croissant that this program drew."""
    head = path.read_bytes()[: 1 << 20]
    return head.startswith(b"# Datasheet of ") or (b"mlcommons.org/croissant" in head and b'"rai:' in head)


def _make(root: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """The cards of a release, and its checksums by path."""
    try:
        sums = dict(line.split("  ", 1)[::-1] for line in (root / SUMS).read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise SuiteError(f"RELEASE {root / SUMS}: {error}; 'aahq verify {root}' lists what is broken") from None
    shards = {path: digest for path, digest in sums.items() if path.startswith("shards/")}
    return make_cards(root, root / MANIFEST, read_metadata(root), shards), sums
