"""Under which names and addresses pictures may be asked for, kept by an index: one artist is found among millions at once.

The ledger notes which pictures are new or were renamed; `keep_spellings` fills their names in.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

import idna

from aahq.ledger import RECORD, Ledger, recorded
from aahq.web.addresses import AddressPattern, address_key
from suite.progress import progress

# To be raised with every change of `name_key` or `address_key`: what is kept is then computed anew.
FORM = 1
KEPT = "spellings"
BATCH = 2000
# Fewer take a second.
SHOWN = 20_000


def keep_spellings(ledger: Ledger) -> None:
    """Fill in the spellings that are missing; outside of a transaction, by the holder of the folder's lock."""
    form = f"{FORM}, Unicode {unicodedata.unidata_version}, idna {idna.__version__}"
    if ledger.get(KEPT) != form:
        with ledger.transaction():
            ledger.db.execute("DELETE FROM spellings")
            ledger.db.execute("INSERT OR IGNORE INTO unspelt SELECT id FROM pictures")
            ledger.put(KEPT, form)
    total = ledger.count("unspelt")
    if total < SHOWN:
        for _ in _fill(ledger):
            pass
        return
    with progress(what="names", total=total, unit="pictures") as bar:
        for count in _fill(ledger):
            bar.update(count)


def _fill(ledger: Ledger) -> Iterator[int]:
    query = f"SELECT id, {RECORD} FROM unspelt JOIN pictures ON id = picture LIMIT {BATCH}"
    while rows := ledger.db.execute(query).fetchall():
        with ledger.transaction():
            for row in rows:
                candidate = recorded(row)
                addresses = {address_key(url) for url in (*candidate.places, row["image_url"]) if url}
                spelt = {_storable(text) for text in (row["key"], *candidate.artist_keys, *addresses)}
                ledger.db.execute("DELETE FROM spellings WHERE picture = ?", (row["id"],))
                ledger.db.executemany("INSERT INTO spellings VALUES (?, ?)", [(row["id"], text) for text in spelt])
                ledger.db.execute("DELETE FROM unspelt WHERE picture = ?", (row["id"],))
        yield len(rows)


def pictures_spelt(ledger: Ledger, texts: Iterable[str], addresses: Iterable[AddressPattern]) -> set[str]:
    """Ids of the pictures that may be meant; whoever asks compares them in full.

    Args:
        texts: keys at the source, and names in the form of `name_key`.
        addresses: what addresses are asked for.
    """
    asked: list[tuple[str, str | None]] = [(text, None) for text in texts]
    for entry in addresses:
        asked += _ranges(entry)
    found: set[str] = set()
    for first, end in asked:
        if end is None:
            rows = ledger.rows("SELECT picture FROM spellings WHERE spelling = ?", (_storable(first),))
        else:
            query = "SELECT picture FROM spellings WHERE spelling >= ? AND spelling < ?"
            rows = ledger.rows(query, (_storable(first), _storable(end)))
        found |= {row["picture"] for row in rows}
    return found


def _ranges(entry: AddressPattern) -> list[tuple[str, str | None]]:
    """Where the keys lie that `entry.covers`: single ones, and ranges without their end."""
    if entry.prefix:
        return [(entry.key.removesuffix("/"), None), (entry.key, f"{entry.key[:-1]}{chr(ord(entry.key[-1]) + 1)}")]
    # With a query it also covers the page without one; without one, the page with any.
    plain = entry.key.partition("?")[0]
    return [(entry.key, None), (plain, None)] if plain != entry.key else [(plain, None), (f"{plain}?", f"{plain}@")]


def _storable(text: str) -> str:
    """A file's name may be bytes that are no text, which SQLite does not take."""
    return text.encode("utf-8", "replace").decode()
