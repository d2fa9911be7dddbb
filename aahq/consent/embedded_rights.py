"""What a picture file itself says of AI: IPTC/PLUS data mining and source type in XMP, training-mining in C2PA.

- `plus:DataMining` (XMP; IPTC Photo Metadata 2023.1): a term of the PLUS vocabulary, `DMI-PROHIBITED...` in all its forms is
a no;
  the ones that point to a constraint elsewhere too, since nobody reads it here.
- `Iptc4xmpExt:DigitalSourceType`: `trainedAlgorithmicMedia` and its composite form mean made by a generator.
- `tdm:reservation` in XMP (TDM Reservation Protocol): 1 is a no.
- "NoAI" and the like as a keyword or in the rights and instructions of XMP and of the older IPTC records (IIM 2:25, 2:40,
2:116).
- The parameters that programs for Stable Diffusion write into PNG texts mean made by a generator.
- C2PA manifests: the assertion `c2pa.training-mining` (C2PA 1.x) or `cawg.training-mining` (CAWG): "notAllowed" and
  "constrained" for data mining or any training are a no.

The XMP terms are long and unlike anything else, so they are searched for in the raw metadata: a reservation in a damaged
packet, in UTF-16 or under an unusual prefix is found too. In doubt the answer is no.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2

_DMI = re.compile(rb"DMI-(?:UNSPECIFIED|ALLOWED|PROHIBITED(?:-[A-Z]{1,40})*)", re.IGNORECASE)
_AI_SOURCE = re.compile(
    rb"(?:compositeWithTrained|(?<![A-Za-z])trained)AlgorithmicMedia|compositeSynthetic|"
    rb"Steps: \d{1,5}, Sampler: [\w+ ]{1,40}"
)
_TDM = re.compile(rb"""tdm:reservation\s*(?:=\s*["']\s*|>\s*)(?!0\s*["'<]|["'<])[^"'<>]{1,20}""", re.IGNORECASE)
_NO_AI = re.compile(
    rb"(?<![a-z])no[-_ ]?(?:image[-_ ]?)?ai(?![a-z])|no ai[- ](?:training|use)|no (?:machine learning|generative ai)|"
    rb"not (?:to )?be used (?:for|to) (?:ai|machine learning|train)",
    re.IGNORECASE,
)
_OPENED = re.compile(rb"<(?:\w{1,20}:)?xmpmeta")
_CLOSED = re.compile(rb"</(?:\w{1,20}:)?xmpmeta")
# IIM: 0x1c, record 2, data set (25 keywords, 40 instructions, 116 copyright), length, text.
_IIM = re.compile(rb"\x1c\x02[\x19\x28\x74](?=([\x00-\x7f][\x00-\xff]))", re.DOTALL)
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_SEGMENT_MAX = 1 << 16
_ASSERTION = re.compile(rb"(?:c2pa|cawg)\.training-mining[\w.]{0,40}")
_MINING = ("data_mining", "ai_training", "ai_generative_training")
_JUMBF_TYPE = b"jumb"
# Bytes that one packed text, and all of a file together, may unpack to.
_UNPACKED_MAX = 4 * 2**20
_UNPACKED_TOTAL = 16 * 2**20
# Escaped characters are undone in windows, which overlap by more than the longest term escaped throughout.
_WINDOW, _OVERLAP = 2**20, 1024


@dataclass(frozen=True)
class Rights:
    """What was found.

    Attributes:
        prohibits: the term or assertion that prohibits mining or training, or None.
        carrier: where that stands: "XMP", "IPTC" or "C2PA".
        ai_made: the source type that says "made by a generator", or None.
        allows: an explicit permission for data mining, or None.
    """

    prohibits: str | None = None
    ai_made: str | None = None
    allows: str | None = None
    carrier: str = "embedded metadata"


def read_rights(source: Path | bytes) -> Rights:
    """Read a picture file's embedded rights; any bytes are read, however broken, in memory of the file's own order."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    rights = _Found()
    try:
        for part in _parts(data, _Budget()):
            rights.look(part)
    except _TooMuchError:
        # Nobody packs a page of words like that; in doubt the answer is no.
        rights.prohibit(0, "embedded metadata", f"metadata that unpack to more than {_UNPACKED_TOTAL >> 20} MiB")
    return rights.rights()


class _TooMuchError(Exception):
    """A file unpacks to more than any picture's metadata do."""


class _Budget:
    """What all packed texts of a file may unpack to together."""

    def __init__(self) -> None:
        self.left = _UNPACKED_TOTAL

    def unpack(self, packed: bytes) -> bytes:
        """The text, or as much of it as one may have. Raises `zlib.error` and `_TooMuchError`."""
        text = zlib.decompressobj().decompress(packed, min(_UNPACKED_MAX, self.left + 1))
        self.left -= len(text)
        if self.left < 0:
            raise _TooMuchError
        return text


class _Found:
    """What the parts of a file say together, the surest prohibition first."""

    def __init__(self) -> None:
        self._prohibits: dict[int, tuple[str, str]] = {}
        self._allows: str | None = None
        self._made: str | None = None

    def prohibit(self, rank: int, carrier: str, words: str) -> None:
        self._prohibits.setdefault(rank, (carrier, words))

    def rights(self) -> Rights:
        carrier, words = self._prohibits[min(self._prohibits)] if self._prohibits else ("embedded metadata", None)
        return Rights(words, self._made, self._allows, carrier)

    def look(self, part: bytes) -> None:
        """Take one part of the metadata into account, in every spelling that it may have."""
        if assertion := _c2pa_prohibits(part):
            self.prohibit(2, "C2PA", assertion)
        if words := _iptc_words(part):
            self.prohibit(4, "IPTC", words)
        self._read(part)
        if b"D\0M\0I" in part or b"d\0A\0l" in part:
            # UTF-16 packets become readable without their zero bytes.
            self._read(part.replace(b"\0", b""))
        for start in range(0, len(part), _WINDOW):
            window = part[start : start + _WINDOW + _OVERLAP]
            if b"&#" in window:
                self._read(html.unescape(window.decode("latin-1")).encode("latin-1", "replace"))

    def _read(self, text: bytes) -> None:
        for match in _DMI.finditer(text):
            term = match.group().decode("ascii").upper()
            if term.startswith("DMI-PROHIBITED"):
                self.prohibit(0, "XMP", f"plus:DataMining {term}")
            elif term == "DMI-ALLOWED":
                self._allows = f"plus:DataMining {term}"
        if reserved := _TDM.search(text):
            self.prohibit(1, "XMP", reserved.group().decode("latin-1"))
        for packet in _packets(text):
            if reserved := _NO_AI.search(packet):
                self.prohibit(3, "XMP", reserved.group().decode("latin-1"))
        if self._made is None and (made := _AI_SOURCE.search(text)):
            self._made = made.group().decode()


def _packets(text: bytes) -> Iterator[bytes]:
    """What stands between the tags of XMP packets."""
    at = 0
    while opened := _OPENED.search(text, at):
        closed = _CLOSED.search(text, opened.end())
        if closed is None:
            return
        yield text[opened.end() : closed.start()]
        at = closed.end()


def _iptc_words(blob: bytes) -> str | None:
    """Words against AI in keywords, instructions or copyright of IIM records."""
    left = _UNPACKED_TOTAL
    for record in _IIM.finditer(blob):
        length = int.from_bytes(record[1], "big")
        left -= length
        if match := _NO_AI.search(blob, record.end() + 2, record.end() + 2 + length):
            return match.group().decode("latin-1")
        if left < 0:
            # Pixels that look like records; real ones are few.
            return None
    return None


def _parts(data: bytes, budget: _Budget) -> Iterator[bytes]:
    """The parts of a picture file that may hold metadata: without pixels where the format is known, else all of it."""
    if data.startswith(b"\xff\xd8"):
        yield from _jpeg_segments(data)
    elif data.startswith(b"\x89PNG"):
        yield from _png_chunks(data, budget)
    else:
        yield data
        if data.startswith(b"GIF8"):
            yield from _gif_blocks(data)


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """APPn and comment payloads; pieces of extended XMP and of JUMBF are joined to what they were before the split."""
    extended: list[tuple[bytes, int, bytes]] = []
    jumbf, at = bytearray(), 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] < 0xC0:
            # Stray bytes, or a length that is wrong: on to the next thing that looks like a marker.
            at = data.find(b"\xff", at + 1)
            if at < 0:
                break
            continue
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            break
        if marker == 0xFF:
            at += 1
            continue
        payload = data[at + 4 : at + 2 + size]
        if payload.startswith(b"http://ns.adobe.com/xmp/extension/\0"):
            # Name 35, digest 32, full length 4, offset 4.
            extended.append((payload[35:67], int.from_bytes(payload[71:75], "big"), payload[75:]))
        elif marker == 0xEB and payload.startswith(b"JP"):
            # Identifier 2, instance 2, sequence 4; later pieces repeat the box's header of 8.
            jumbf += payload[8:] if int.from_bytes(payload[4:8], "big") <= 1 else payload[16:]
        elif 0xE0 <= marker <= 0xEF or marker == 0xFE:
            yield payload
        at += 2 + max(2, size)
    # In the file's order as well: some writers count their offsets wrong.
    for pieces in (extended, sorted(extended, key=lambda piece: piece[:2])):
        yield b"".join(piece for _, _, piece in pieces)
    yield bytes(jumbf)
    # XMP that stands elsewhere: after the scan, or where a broken segment hid it.
    start = data.find(_XMP_SEGMENT)
    while start >= 0:
        yield data[start : start + _SEGMENT_MAX]
        start = data.find(_XMP_SEGMENT, start + _SEGMENT_MAX)
    # Anything appended after the picture, up to a bound: MPO and "XMP at the end" files.
    end = data.rfind(b"\xff\xd9")
    yield data[end : end + _UNPACKED_MAX] if end > 0 else b""


def _png_chunks(data: bytes, budget: _Budget) -> Iterator[bytes]:
    at = 8
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        if kind != b"IDAT":
            yield body
        texts = [body] if kind == b"tEXt" else []
        if kind in (b"iTXt", b"zTXt"):
            for start in (match.end() for match in re.finditer(rb"\0", body[:400])):
                # Where the packed text begins depends on three optional fields; zlib's own header (RFC 1950) tells.
                if _is_zlib(body[start : start + 2]):
                    try:
                        texts.append(budget.unpack(body[start:]))
                    except zlib.error:
                        continue
        for text in texts:
            yield text
            if body.startswith(b"Raw profile type "):
                yield _unhexed(text)
        at += 12 + size


def _is_zlib(head: bytes) -> bool:
    """Whether two bytes are a zlib header: deflate with any window, a checksum of 31."""
    return len(head) == 2 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and int.from_bytes(head, "big") % 31 == 0


def _unhexed(text: bytes) -> bytes:
    """The profile in a text that ImageMagick writes: name, length, then hex in lines."""
    # An empty line (or the keyword), the profile's name, its length, and then nothing but hex.
    digits = re.sub(rb"[^0-9A-Fa-f]", b"", b"".join(text.split(b"\n")[3:]))
    return bytes.fromhex(digits[: len(digits) & ~1].decode("ascii"))


def _gif_blocks(data: bytes) -> Iterator[bytes]:
    """The application extensions, their sub-blocks of up to 255 bytes joined."""
    at = data.find(b"\x21\xff\x0b")
    while at >= 0:
        place, joined = at + 14, bytearray()
        while place < len(data) and data[place]:
            joined += data[place + 1 : place + 1 + data[place]]
            place += 1 + data[place]
        yield bytes(joined)
        at = data.find(b"\x21\xff\x0b", max(place, at + 14))


def _c2pa_prohibits(blob: bytes) -> str | None:
    for match in _ASSERTION.finditer(blob):
        label = match.group().decode("ascii")
        box = _enclosing_box(blob, match.start())
        if box is None:
            continue
        entries = _entries(box)
        if entries is None:
            return f"{label}: unreadable"
        for name, entry in entries.items():
            use = entry.get("use") if isinstance(entry, dict) else entry
            if str(name).rpartition(".")[2] in _MINING and use != "allowed":
                return f"{label}: {name} is {use}"
    return None


def _enclosing_box(blob: bytes, label_at: int) -> bytes | None:
    """The JUMBF superbox whose description holds the label at this place; None where the label is only mentioned.

    Superbox: length 4, "jumb"; description box: length 4, "jumd", type 16, toggles 1, label, zero byte.
    """
    start = label_at - 33
    if start < 0 or blob[start + 4 : start + 8] != _JUMBF_TYPE or blob[start + 12 : start + 16] != b"jumd":
        return None
    size = int.from_bytes(blob[start : start + 4], "big")
    return blob[start : start + size] if size else blob[start:]


def _entries(box: bytes) -> dict[Any, Any] | None:
    """The assertion's entries from its CBOR or JSON box; None where it cannot be read."""
    at = 8 + int.from_bytes(box[8:12], "big")
    while at + 8 <= len(box):
        size, kind = int.from_bytes(box[at : at + 4], "big"), box[at + 4 : at + 8]
        body = box[at + 8 : at + size] if size else box[at + 8 :]
        if kind in (b"cbor", b"json"):
            try:
                value = cbor2.loads(body) if kind == b"cbor" else json.loads(body)
            except (ValueError, EOFError, RecursionError, cbor2.CBORError):
                return None
            entries = value.get("entries", value) if isinstance(value, dict) else None
            return entries if isinstance(entries, dict) else None
        at += max(size, 8)
    return None
