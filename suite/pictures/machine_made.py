"""The one writer of pictures that a trained network made: whatever the format, the file says so in XMP.

`Iptc4xmpExt:DigitalSourceType` of the IPTC Photo Metadata Standard, with a term of its vocabulary (https://cv.iptc.org/newscodes/
digitalsourcetype/). Programs that keep a file's metadata keep it; `aahq build` rejects such pictures as `ai_made`.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from PIL import Image

from suite.files import whole_file
from suite.ownership import png_mark

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# A trained network's own; and where it stands beside, or in, pictures from elsewhere.
MADE, COMPOSITE = f"{_VOCABULARY}trainedAlgorithmicMedia", f"{_VOCABULARY}compositeWithTrainedAlgorithmicMedia"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="{mark}"'
    ' Iptc4xmpExt:DigitalSourceType="{term}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
# How PNG, GIF and MP4 name a packet (XMP Specification, Part 3).
_PNG_KEY, _GIF_NAME = "XML:com.adobe.xmp", b"XMP DataXMP"
_MP4_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
# Readers that take a GIF packet for sub-blocks come out at its end wherever they enter this.
_GIF_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"


def xmp_packet(composite: bool = False, mark: str = "") -> bytes:
    """The XMP packet, UTF-8."""
    return _PACKET.format(term=COMPOSITE if composite else MADE, mark=mark).encode()


def save_made(
    image: Image.Image,
    target: Path | IO[bytes],
    kind: str,
    *,
    composite: bool = False,
    mark: str = "",
    text: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Write a picture, or frames of an animation, with its XMP.

    Args:
        image: the picture; with `save_all` and `append_images` among the options the first frame.
        target: a path, written whole, or an open file.
        kind: "PNG" (also animated), "WEBP", "GIF" or "JPEG".
        composite: pictures from elsewhere are in it: a sheet with its inputs, a face put back into its photograph.
        mark: whose own it is (see `suite.ownership.is_png_of`); letters, digits and blanks.
        text: key -> value, for PNG's text chunks.
        options: Pillow's, of that format.
    """
    if isinstance(target, Path):
        with whole_file(target) as part, part.open("wb") as out:
            save_made(image, out, kind, composite=composite, mark=mark, text=text, **options)
        return
    packet = xmp_packet(composite, mark)
    if kind == "PNG":
        info = png_mark(mark)
        for key, value in (text or {}).items():
            info.add_text(key, str(value))
        info.add_itxt(_PNG_KEY, packet.decode())
        image.save(target, kind, pnginfo=info, **options)
    elif kind == "GIF":
        image.save(target, kind, **options)
        # In the place of the file's last byte, which ends it.
        target.seek(-1, 2)
        target.write(b"\x21\xff\x0b" + _GIF_NAME + packet + _GIF_TRAILER + b"\x3b")
    else:
        image.save(target, kind, xmp=packet, **options)


def made_video_box(composite: bool = False) -> bytes:
    """A box to append to an MP4 or MOV file, with the packet in it."""
    body = _MP4_UUID + xmp_packet(composite)
    return (8 + len(body)).to_bytes(4, "big") + b"uuid" + body
