"""The ledger: SQLite, one row per picture and one per face, each with its source, terms, hashes, state and reason.

A stage moves rows from one state to the next in small transactions. A row points only to files that are whole, so a
process killed at any moment leaves rows that are done and rows that are not, and nothing between.

    picture: found -> fetched -> screened -> faced        (or rejected, at any of them)
    face:    found -> aligned -> unique | duplicate -> kept   (or rejected)
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from aahq.candidates import Candidate
from aahq.reasons import RowError
from suite.errors import SuiteError
from suite.files import canonical_json, sha256_bytes

LEDGER = "ledger.sqlite"
# Seconds to wait for another program's transaction on the ledger.
PATIENCE = 5.0
# Ids are digests, so that new rows go anywhere in an index: with SQLite's own 2 MB a large one is read from the disk at each.
CACHE_KB = 1 << 16
LOCKED = (
    "another program holds the ledger (a database browser, a backup); close it or wait, and run the same command again "
    "to go on: what was done stands"
)
PICTURE_STATES = ("found", "fetched", "screened", "faced", "rejected")
# What `recorded` reads.
RECORD = "source, key, page_url, image_url, artist, candidate"
J = TypeVar("J", dict[str, Any], list[Any])
FACE_STATES = ("found", "aligned", "unique", "duplicate", "kept", "rejected")

# The n-th script lifts a ledger from version n to n + 1. Scripts are only ever added.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE cursors (
        source TEXT NOT NULL, query TEXT NOT NULL, cursor TEXT,
        done INTEGER NOT NULL DEFAULT 0, taken INTEGER NOT NULL DEFAULT 0, stop TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (source, query)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pictures (
        id TEXT PRIMARY KEY,
        source TEXT NOT NULL, key TEXT NOT NULL,
        page_url TEXT NOT NULL, image_url TEXT NOT NULL,
        artist TEXT NOT NULL, title TEXT NOT NULL, license TEXT NOT NULL, published TEXT NOT NULL,
        candidate TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'found'
            CHECK (state IN ('found', 'fetched', 'screened', 'faced', 'rejected')),
        stage TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
        consent TEXT, decided_at TEXT, fetched_at TEXT,
        file TEXT, response_sha256 TEXT, bytes INTEGER,
        pixel_sha256 TEXT, phash TEXT, width INTEGER, height INTEGER, notes TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX pictures_by_state ON pictures (state, id);
    CREATE TABLE faces (
        id TEXT PRIMARY KEY,
        picture TEXT NOT NULL REFERENCES pictures (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        box TEXT NOT NULL, landmarks TEXT NOT NULL, detector TEXT NOT NULL, score REAL NOT NULL,
        inter_ocular REAL NOT NULL, yaw REAL, pitch REAL, roll REAL,
        state TEXT NOT NULL DEFAULT 'found'
            CHECK (state IN ('found', 'aligned', 'unique', 'duplicate', 'kept', 'rejected')),
        stage TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
        recipe TEXT, size INTEGER, file TEXT, sha256 TEXT, pixel_sha256 TEXT,
        phash TEXT, phash_mirror TEXT, embedding BLOB, quality TEXT,
        cluster TEXT, keeper INTEGER NOT NULL DEFAULT 0, split TEXT, flag TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX faces_by_state ON faces (state, id);
    CREATE INDEX faces_by_picture ON faces (picture, number);
    CREATE INDEX faces_by_cluster ON faces (cluster);
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY, stage TEXT NOT NULL, started_at TEXT NOT NULL, seconds REAL NOT NULL,
        rows INTEGER NOT NULL, kept INTEGER NOT NULL
    ) STRICT;
    """,
    # What rows were before people decided about them: see aahq/stages/review.py.
    """
    CREATE TABLE before_review (
        id TEXT PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE,
        state TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, flag TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE before_points (
        id TEXT PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE,
        made INTEGER NOT NULL,
        box TEXT, landmarks TEXT, detector TEXT, score REAL, inter_ocular REAL, yaw REAL, pitch REAL, roll REAL
    ) STRICT, WITHOUT ROWID;
    """,
    # Rows of some kB in tables with a row number (without one SQLite reads them whole to find any); what only dedup reads
    # stands apart; a file is found by its name; the traceback of each row on which the program failed.
    """
    CREATE TABLE new_pictures (
        id TEXT PRIMARY KEY,
        source TEXT NOT NULL, key TEXT NOT NULL,
        page_url TEXT NOT NULL, image_url TEXT NOT NULL,
        artist TEXT NOT NULL, title TEXT NOT NULL, license TEXT NOT NULL, published TEXT NOT NULL,
        candidate TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'found'
            CHECK (state IN ('found', 'fetched', 'screened', 'faced', 'rejected')),
        stage TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
        consent TEXT, decided_at TEXT, fetched_at TEXT,
        file TEXT, response_sha256 TEXT, bytes INTEGER,
        pixel_sha256 TEXT, phash TEXT, width INTEGER, height INTEGER, notes TEXT
    ) STRICT;
    INSERT INTO new_pictures SELECT * FROM pictures;
    CREATE TABLE new_faces (
        id TEXT PRIMARY KEY,
        picture TEXT NOT NULL REFERENCES pictures (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        box TEXT NOT NULL, landmarks TEXT NOT NULL, detector TEXT NOT NULL, score REAL NOT NULL,
        inter_ocular REAL NOT NULL, yaw REAL, pitch REAL, roll REAL,
        state TEXT NOT NULL DEFAULT 'found'
            CHECK (state IN ('found', 'aligned', 'unique', 'duplicate', 'kept', 'rejected')),
        stage TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
        recipe TEXT, size INTEGER, file TEXT, sha256 TEXT, pixel_sha256 TEXT,
        phash TEXT, phash_mirror TEXT, quality TEXT,
        cluster TEXT, keeper INTEGER NOT NULL DEFAULT 0, split TEXT, flag TEXT NOT NULL DEFAULT ''
    ) STRICT;
    INSERT INTO new_faces SELECT id, picture, number, box, landmarks, detector, score, inter_ocular, yaw, pitch, roll,
        state, stage, reason, detail, recipe, size, file, sha256, pixel_sha256, phash, phash_mirror, quality,
        cluster, keeper, split, flag FROM faces;
    CREATE TABLE descriptors (
        id TEXT PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE, embedding BLOB NOT NULL
    ) STRICT;
    INSERT INTO descriptors SELECT id, embedding FROM faces WHERE embedding IS NOT NULL;
    DROP TABLE faces;
    DROP TABLE pictures;
    ALTER TABLE new_pictures RENAME TO pictures;
    ALTER TABLE new_faces RENAME TO faces;
    CREATE INDEX pictures_by_state ON pictures (state, id);
    CREATE INDEX pictures_by_file ON pictures (file);
    CREATE INDEX pictures_by_artist ON pictures (artist);
    CREATE INDEX faces_by_state ON faces (state, id);
    CREATE INDEX faces_by_picture ON faces (picture, number);
    CREATE INDEX faces_by_cluster ON faces (cluster);
    CREATE INDEX faces_by_file ON faces (file);
    CREATE TABLE faults (
        id TEXT NOT NULL, stage TEXT NOT NULL, at TEXT NOT NULL, traceback TEXT NOT NULL, PRIMARY KEY (id, stage)
    ) STRICT;
    CREATE TRIGGER pictures_forget_faults AFTER DELETE ON pictures BEGIN DELETE FROM faults WHERE id = OLD.id; END;
    CREATE TRIGGER faces_forget_faults AFTER DELETE ON faces BEGIN DELETE FROM faults WHERE id = OLD.id; END;
    """,
    # Which descriptors were compared with which, so that a build that adds little compares little; and why a face was joined
    # to others, whatever is decided about it later.
    """
    ALTER TABLE descriptors ADD COLUMN compared INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE faces ADD COLUMN why TEXT NOT NULL DEFAULT '';
    CREATE TABLE near_faces (
        a TEXT NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
        b TEXT NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
        flipped INTEGER NOT NULL, cosine REAL NOT NULL, PRIMARY KEY (a, b, flipped)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX near_faces_by_b ON near_faces (b);
    """,
    # What a learned copy model says of the faces, and which of them it calls copies.
    """
    CREATE TABLE copy_descriptors (
        id TEXT PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE,
        straight BLOB NOT NULL, mirrored BLOB NOT NULL, compared INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE near_copies (
        a TEXT NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
        b TEXT NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
        flipped INTEGER NOT NULL, cosine REAL NOT NULL, PRIMARY KEY (a, b, flipped)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX near_copies_by_b ON near_copies (b);
    """,
    # What each screen says of a picture or a face, with the digest of what said so and of the pixels that it was shown.
    """
    CREATE TABLE screen_scores (
        id TEXT NOT NULL, screen TEXT NOT NULL, method TEXT NOT NULL, pixel_sha256 TEXT NOT NULL, score REAL NOT NULL,
        PRIMARY KEY (id, screen)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER pictures_forget_scores AFTER DELETE ON pictures BEGIN
        DELETE FROM screen_scores WHERE id = OLD.id;
    END;
    CREATE TRIGGER faces_forget_scores AFTER DELETE ON faces BEGIN DELETE FROM screen_scores WHERE id = OLD.id; END;
    """,
    # What a removal of one among millions finds by an index: names and addresses in the form that is compared
    # (`aahq.remove.spellings` fills them in for the rows of `unspelt`), and files that a row named once. Which files of
    # earlier versions no row names is not known.
    """
    CREATE TABLE spellings (
        picture TEXT NOT NULL REFERENCES pictures (id) ON DELETE CASCADE, spelling TEXT NOT NULL,
        PRIMARY KEY (picture, spelling)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX spellings_by_spelling ON spellings (spelling);
    CREATE TABLE unspelt (picture TEXT PRIMARY KEY REFERENCES pictures (id) ON DELETE CASCADE) STRICT, WITHOUT ROWID;
    INSERT INTO unspelt SELECT id FROM pictures;
    CREATE TRIGGER pictures_new AFTER INSERT ON pictures BEGIN INSERT OR IGNORE INTO unspelt VALUES (NEW.id); END;
    CREATE TRIGGER pictures_renamed AFTER UPDATE OF candidate, artist, page_url, image_url ON pictures
    WHEN (OLD.candidate, OLD.artist, OLD.page_url, OLD.image_url)
        IS NOT (NEW.candidate, NEW.artist, NEW.page_url, NEW.image_url)
    BEGIN INSERT OR IGNORE INTO unspelt VALUES (NEW.id); END;
    CREATE TABLE unnamed_files (file TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TRIGGER pictures_leave_file AFTER DELETE ON pictures WHEN OLD.file IS NOT NULL
    BEGIN INSERT OR IGNORE INTO unnamed_files VALUES (OLD.file); END;
    CREATE TRIGGER pictures_change_file AFTER UPDATE OF file ON pictures WHEN OLD.file IS NOT NEW.file AND OLD.file IS NOT NULL
    BEGIN INSERT OR IGNORE INTO unnamed_files VALUES (OLD.file); END;
    CREATE TRIGGER faces_leave_file AFTER DELETE ON faces WHEN OLD.file IS NOT NULL
    BEGIN INSERT OR IGNORE INTO unnamed_files VALUES (OLD.file); END;
    CREATE TRIGGER faces_change_file AFTER UPDATE OF file ON faces WHEN OLD.file IS NOT NEW.file AND OLD.file IS NOT NULL
    BEGIN INSERT OR IGNORE INTO unnamed_files VALUES (OLD.file); END;
    INSERT INTO meta SELECT 'stray files', 'true' WHERE EXISTS (SELECT 1 FROM pictures);
    INSERT INTO meta SELECT 'deleted is overwritten', 'true' WHERE NOT EXISTS (SELECT 1 FROM pictures);
    """,
    # What the review page lists without reading a row: see aahq/review/catalog.py.
    """
    CREATE INDEX faces_by_reason ON faces (state, reason, id);
    CREATE INDEX faces_flagged ON faces (state, flag, id) WHERE flag != '';
    CREATE INDEX faces_reviewed ON faces (id) WHERE stage = 'review';
    CREATE INDEX faces_without_file ON faces (id) WHERE file IS NULL OR sha256 IS NULL;
    CREATE INDEX pictures_without_face ON pictures (id)
        WHERE state = 'rejected' AND stage = 'faces' AND file IS NOT NULL AND width IS NOT NULL;
    CREATE INDEX pictures_by_source ON pictures (source, id);
    """,
)


def picture_id(source: str, key: str) -> str:
    """A picture's name in ledger and release: it depends on where the picture is, never on when it was found."""
    return sha256_bytes(f"{source}\n{key}".encode())[:20]


def face_id(picture: str, number: int) -> str:
    """The name of the picture's face with that number, counted from 0."""
    return f"{picture}-{number:02}"


def recorded(row: sqlite3.Row | Mapping[str, Any]) -> Candidate:
    """The candidate of a picture's row; where its record is broken, what the row's own columns say of it.

    Args:
        row: with the columns of `RECORD`.
    """
    try:
        return Candidate.from_json(row["candidate"])
    except RowError:
        urls = (row["image_url"],) if row["image_url"] else ()
        return Candidate(row["source"], row["key"], row["page_url"] or None, urls, row["artist"] or None)


def column_json(text: str | None, empty: J) -> J:
    """The JSON value of a row's column; `empty` where there is none, or one that is broken or of another type."""
    try:
        value = json.loads(text) if text else empty
    except (ValueError, RecursionError):
        return empty
    return value if isinstance(value, type(empty)) else empty


def refuse_foreign_ledger(path: Path) -> None:
    """Refuse a database of another program: opening it as a ledger would change it.

    A damaged one, and one that was never begun, are left to the ledger.

    Raises:
        SuiteError: it is not ours.
    """
    with (
        suppress(sqlite3.DatabaseError),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
    ):
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and not tables >= {"meta", "cursors", "pictures", "faces", "runs"}:
            raise SuiteError(f"OUT {path}: is a database of another program; give another folder")


class Ledger:
    """One connection to a build's ledger. Only the main process of a build writes.

    Args:
        folder: the build's folder.
        create: make the ledger where there is none.

    Raises:
        SuiteError: no ledger there, one of a newer version, or a file that is no ledger.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.folder = folder
        self.path = folder / LEDGER
        if not create and not self.path.is_file():
            raise SuiteError(f"OUT {folder}: no {LEDGER} there; start with 'aahq build {folder} --source ...'")
        if self.path.exists():
            refuse_foreign_ledger(self.path)
        try:
            self.db = sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE)
            self.db.row_factory = sqlite3.Row
            self.db.execute("PRAGMA journal_mode = WAL")
            # NORMAL in WAL mode survives a killed process whole; after a power cut the last transactions may be redone.
            self.db.execute("PRAGMA synchronous = NORMAL")
            self.db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            # What is deleted is overwritten, and not only forgotten: see aahq/remove/scrub.py.
            self.db.execute("PRAGMA secure_delete = ON")
            # Off while it migrates: dropping a table that is copied would else delete what refers to it.
            self._migrate()
            self.db.execute("PRAGMA foreign_keys = ON")
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise SuiteError(f"OUT {self.path}: {LOCKED}", 1) from None
            if any(word in str(error) for word in ("I/O", "full", "readonly", "unable to open")):
                # Nothing is wrong with the ledger: moving it away would lose it.
                raise SuiteError(
                    f"OUT {self.path}: {error}; free some space, make the folder writable, "
                    "and run the same command again to go on",
                    1,
                ) from None
            raise SuiteError(
                f"OUT {self.path}: not usable as a ledger ({error}); move it away and build again, or restore a copy"
            ) from None

    def _migrate(self) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise SuiteError(f"OUT {self.path}: ledger version {version}; this program knows up to {len(MIGRATIONS)}")
        for number in range(version, len(MIGRATIONS)):
            # executescript commits what is open, so the script carries its own transaction.
            self.db.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")

    def close(self) -> None:
        """Close the connection; SQLite folds the write-ahead log into the file."""
        self.db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing of it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def rows(self, sql: str, values: Iterable[Any] = ()) -> Iterator[sqlite3.Row]:
        """The rows of a query, one at a time."""
        return iter(self.db.execute(sql, tuple(values)))

    def one(self, sql: str, values: Iterable[Any] = ()) -> Any:
        """The first cell of a query's first row, or None."""
        row = self.db.execute(sql, tuple(values)).fetchone()
        return None if row is None else row[0]

    def pending(self, table: str, state: str, columns: str, batch: int) -> Iterator[list[sqlite3.Row]]:
        """Batches of the rows in a state, by rising id; rows may leave the state while the iteration goes on."""
        last = ""
        while rows := self.db.execute(
            f"SELECT {columns} FROM {table} WHERE state = ? AND id > ? ORDER BY id LIMIT ?", (state, last, batch)
        ).fetchall():
            last = rows[-1]["id"]
            yield rows

    def count(self, table: str, *states: str) -> int:
        """How many rows are in one of the states (in any, without states)."""
        where = f"WHERE state IN ({','.join('?' * len(states))})" if states else ""
        return int(self.one(f"SELECT count(*) FROM {table} {where}", states))

    def update(self, table: str, id: str, **values: Any) -> None:
        """Set columns of one row; inside a transaction."""
        names = ", ".join(f"{name} = ?" for name in values)
        self.db.execute(f"UPDATE {table} SET {names} WHERE id = ?", (*values.values(), id))

    def reject(self, table: str, id: str, stage: str, reason: str, detail: str, trace: str = "") -> None:
        """Move a row to `rejected`, with the stage that did it, its reason and the evidence; inside a transaction.

        Args:
            trace: the traceback where the program failed on the row; kept in `faults`.
        """
        self.update(table, id, state="rejected", stage=stage, reason=reason, detail=detail)
        self.keep_trace(id, stage, trace)

    def keep_trace(self, id: str, stage: str, trace: str) -> None:
        """Keep the traceback, where there is one, of a row on which the program failed; inside a transaction."""
        if trace:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self.db.execute("INSERT OR REPLACE INTO faults VALUES (?, ?, ?, ?)", (id, stage, now, trace))

    def insert(self, table: str, values: Mapping[str, Any]) -> bool:
        """Add a row unless its id is there already; True when it was added. Inside a transaction."""
        names = ", ".join(values)
        done = self.db.execute(
            f"INSERT INTO {table} ({names}) VALUES ({','.join('?' * len(values))}) ON CONFLICT DO NOTHING",
            tuple(values.values()),
        )
        return done.rowcount > 0

    def add_candidate(self, candidate: Candidate) -> bool:
        """Add a picture on offer in state `found`, unless it is known; inside a transaction."""
        return self.insert(
            "pictures",
            {
                "id": picture_id(candidate.source, candidate.key),
                "source": candidate.source,
                "key": candidate.key,
                "page_url": candidate.page_url or "",
                "image_url": next(iter(candidate.image_urls), ""),
                "artist": candidate.artist or "",
                "title": candidate.title,
                "license": candidate.license or "",
                "published": candidate.published or "",
                "candidate": candidate.to_json(),
            },
        )

    def get(self, name: str) -> Any:
        """A value kept by `put`, or None."""
        text = self.one("SELECT value FROM meta WHERE name = ?", (name,))
        return None if text is None else json.loads(text)

    def put(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, canonical_json(value)))
