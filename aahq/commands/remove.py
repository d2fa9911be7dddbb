"""`aahq remove`: carry out a takedown request."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import out_argument
from suite.cli import emit, json_option


@click.command()
@out_argument
@click.option("--artist", "artists", multiple=True, metavar="NAME", help="Everything by this artist, now and later.")
@click.option("--work", "works", multiple=True, metavar="URL", help="The work of this page.")
@click.option("--url", "urls", multiple=True, metavar="URL", help="This page or picture; with * all that begin so.")
@click.option("--picture", "pictures", multiple=True, metavar="ID", help="An id of the manifest, or a file's name.")
@click.option("--sha256", "digests", multiple=True, metavar="HEX", help="A file, pixels or a face with this digest.")
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="This very picture.")
@click.option("--gone", "gone", multiple=True, type=click.Path(path_type=Path), help="A release that never comes back.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@json_option
def command(
    out: Path,
    artists: tuple[str, ...],
    works: tuple[str, ...],
    urls: tuple[str, ...],
    pictures: tuple[str, ...],
    digests: tuple[str, ...],
    image: Path | None,
    gone: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take works, and the copies of them that dedup found, out of OUT: ledger, files, log of the review, releases, cards.

    What stays is `tombstones.json`: salted hashes that keep every later crawl from bringing them back, under another
    address or in another size too. Releases are written anew; `superseded.json` in them lists manifests that must no
    longer be used, and `removals.json` is what other copies need for 'aahq sync'. Killed on the way, the next command
    on OUT ends it. What matches nothing yet is skipped by future crawls.

    \b
    Examples:
      aahq remove art --artist janepainter
      aahq remove art --work https://www.artstation.com/artwork/aB3dE --dry-run
      aahq remove art --picture 51b3f0a2c9-00 --sha256 9f86d081...
    """
    from aahq.open_folder import open_folder
    from aahq.remove.lookup import picture_question
    from aahq.remove.releases import forget_release
    from aahq.remove.remove import Wanted, check, find, remove
    from aahq.remove.tombstones import TOMBSTONES

    if image is not None:
        digests = (*digests, *picture_question(image).digests)
    wanted = Wanted(artists, works, urls, pictures, digests)
    if not gone or wanted:
        check(wanted)
    with open_folder(out) as ledger:
        for place in gone:
            forget_release(ledger, place)
        if not wanted:
            emit({"gone": [str(place) for place in gone]}, f"{len(gone)} releases are no longer named", as_json)
            return
        if dry_run:
            named, copies = find(ledger, wanted)
            summary = {"named": named, "copies": copies, "pictures": len(named) + len(copies), "dry_run": True}
            emit(summary, f"would remove {len(named)} pictures and {len(copies)} copies of them", as_json)
            return
        done = remove(ledger, wanted)
    lines = [
        f"removed {len(done.named)} pictures and {len(done.copies)} copies of them: {done.faces} faces, {done.files} files"
    ]
    lines += [
        f"{release['folder']}: {release['rows']} rows fewer, manifest {release['manifest_sha256'][:16]}"
        + (f" supersedes {release['superseded'][:16]}" if release["superseded"] else "")
        + (f"; no longer signed: 'aahq sign {release['folder']} --key KEY'" if release["unsigned"] else "")
        for release in done.releases
    ]
    lines += [
        f"{place}: no release there now, so what it holds is still in it; this is finished when it is back, or by "
        f"'aahq sync PLACE --from {out / TOMBSTONES}' where it is; --gone {place} if it never comes back"
        for place in done.owed
    ]
    if not done.named:
        lines.append("no match; future crawls will skip it")
    emit(done.as_dict(), "\n".join(lines), as_json)
