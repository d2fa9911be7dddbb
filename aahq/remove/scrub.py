"""Overwrite what SQLite leaves of deleted rows in its file: the pages' unallocated space.

`PRAGMA secure_delete` overwrites what is deleted. But where SQLite moves rows between pages to make room, copies of them may
stay in the space between a page's cell pointers and its cells, which belongs to no row and is used for later ones. It
is found by the file format alone (https://sqlite.org/fileformat2.html, section 1.6). Writing the database anew (VACUUM)
does the same in ten times the time.

Run as a program of its own, `python scrub.py FILE`: POSIX lets go of all locks that a process has on a file as soon as it
closes the file once, also those of its own SQLite (https://sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import os
import struct
import sys

# The first byte of a page of a B-tree: interior and leaf, of an index and of a table; and the bytes of its header.
HEADER = {2: 12, 5: 12, 10: 8, 13: 8}
# Pages of other kinds begin by a page's number in four bytes, whose first is below 2 in a database of fewer pages than this;
# but for those that an automatic vacuum keeps.
MOST_PAGES = 1 << 25
# A whole number of pages of any size, which is a power of two up to 64 kB.
BLOCK = 1 << 20


def scrub(path: str) -> int:
    """Overwrite the unallocated space of every page by zeros; returns how many pages held something there.

    The caller holds the database's write lock, and its log is empty: nobody then takes space meanwhile.

    Args:
        path: an SQLite database.

    Raises:
        ValueError: it is none, or one that has to be written anew instead.
        OSError: from the disk.
    """
    with open(path, "r+b", buffering=0) as file:
        size = _page_size(file.read(100), os.fstat(file.fileno()).st_size)
        written, start = 0, 0
        file.seek(0)
        block = bytearray(BLOCK)
        while length := file.readinto(block):
            found = 0
            for page in range(0, length - size + 1, size):
                gap, end = unallocated(block, page, 100 if start + page == 0 else 0, size)
                if gap < end and block.count(0, gap, end) != end - gap:
                    block[gap:end] = bytes(end - gap)
                    found += 1
            if found:
                file.seek(start)
                file.write(memoryview(block)[:length])
            written += found
            start += length
        os.fsync(file.fileno())
    return written


def _page_size(head: bytes, length: int) -> int:
    """Bytes of a page, from the first 100 of the file (section 1.3)."""
    size = int.from_bytes(head[16:18], "big")
    size = 1 << 16 if size == 1 else size
    if head[:16] != b"SQLite format 3\0" or any(head[52:56]) or length >= MOST_PAGES * size:
        raise ValueError("no SQLite database, or one whose pages cannot be told apart by their first byte")
    return size


def unallocated(block: bytes | bytearray, page: int, before: int, size: int) -> tuple[int, int]:
    """Where in `block` the unallocated space of the page at `page` begins and ends; nothing for a page of another kind.

    Args:
        block: bytes with the whole page in them.
        page: where it begins.
        before: bytes of it before its header: 100 in the database's first page.
        size: of a page.
    """
    head = page + before
    known = HEADER.get(block[head])
    if known is None:
        return 0, 0
    cells, content = struct.unpack_from(">HH", block, head + 3)
    first = head + known + 2 * cells
    end = page + (content or 1 << 16)
    return (first, end) if end <= page + size else (0, 0)


if __name__ == "__main__":
    scrub(sys.argv[1])
