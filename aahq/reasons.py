"""Why a row is dropped: typed reasons with a sentence for people. A dropped row keeps its reason and its number."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from suite.errors import SuiteError, did_you_mean

R = TypeVar("R")
# What the disk says to one row it says to all.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)

# reason -> what it means, for reports and cards. Each stage's reasons stand together.
REASONS: dict[str, str] = {
    # sources: the work itself cannot be offered
    "bad_record": "the source's record of the work is malformed or lacks a field",
    "unreadable": "the folder's entry cannot be read (a link that leads nowhere, no permission, no regular file)",
    "no_picture": "the work holds no picture (a video, a model, or nothing)",
    "not_open": "the source does not give the work as open access",
    # consent: may we?
    "robots": "robots.txt does not allow the page or the picture for this crawler",
    "robots_unreachable": "robots.txt could not be read (server error, network), which counts as a no",
    "no_evidence": "nothing says that the picture may be taken: no readable page, no open licence, no permission",
    "site_reserved": "the site reserves its pictures from AI training (robots.txt, tdmrep.json, ai.txt, RSL, or its terms)",
    "page_noai": "the work's page carries a reservation (noai, noimageai, noindex, noml, tdm-reservation, RSL)",
    "tag_noai": "the artist tagged the work NoAI",
    "ai_made": "the work is marked as made by a generator",
    "adult": "the work is marked as mature content",
    "header_noai": "a header of the picture's answer reserves it (X-Robots-Tag, tdm-reservation, Content-Usage, RSL)",
    "embedded_noai": "the file's own XMP, IPTC or C2PA data prohibit data mining or training",
    "removed": "taken out on request with 'aahq remove'; it leaves no row",
    "opted_out": "the artist, address or file is on the local opt-out list",
    # fetch
    "url_refused": "the address is not plain http(s), or hides something (user name, control characters, bad port)",
    "address_refused": "the address leads to a private, loopback, link-local or reserved network",
    "gone": "the server says that the picture is gone (404, 410)",
    "forbidden": "the server refuses the picture (401, 403, 451)",
    "http_status": "the server answered with a status that means no picture",
    "server_error": "the server failed (5xx) on every try",
    "network": "the connection failed on every try (name, connection, TLS, reset)",
    "timeout": "the server did not answer, or not completely, in time",
    "bad_response": "the answer is not proper HTTP",
    "redirects": "redirected in a loop, too often or to nowhere",
    "too_large": "the body is larger than the limit, as sent or unpacked",
    "cut_short": "the body is shorter than announced",
    "bad_encoding": "the body's Content-Encoding is unknown or broken",
    "not_an_image": "the answer or file is no picture",
    "empty": "the body or file is empty",
    # screen
    "truncated": "the picture file ends too early",
    "corrupt": "the picture file cannot be decoded",
    "unknown_format": "the file is in none of the formats that are read",
    "animated": "the file holds several frames",
    "too_many_pixels": "the picture is larger than the limit, or unpacks to far more than its size admits",
    "too_small": "the picture is too small to hold a usable face",
    "transparent": "most of the picture is transparent",
    "unsupported_mode": "the picture's pixel format is not one that has a safe way to 8-bit RGB",
    # any stage
    "fault": "the program failed on it; the ledger's table `faults` keeps the traceback",
    # faces
    "bad_points": "its eyes and mouth make no crop: on one spot, farther apart than any picture, or not numbers",
    "no_face": "no detector found a face; the picture is kept aside for a person to look at",
    # dedup
    "duplicate": "another face of the same cluster is kept (exact copy, near copy, mirror, crop or step of one work)",
    # quality
    "quality_small": "the face covers too few pixels of its picture before warping",
    "quality_blurred": "the face is not sharp at its own scale",
    "quality_compressed": "compression blocks show",
    "quality_exposure": "too dark, too bright or nearly without contrast",
    "quality_pose": "the head is turned, tilted or nodded too far",
    "quality_cut": "too much of the crop lies outside the picture",
    "quality_flat": "the crop holds hardly any detail at all",
    # review
    "reviewer": "a person dropped it in review",
    "reviewers_disagree": "reviewers disagree about it and nobody has settled it yet",
}


class Rejected(Exception):
    """A picture or face that a stage refuses.

    Args:
        reason: a key of `REASONS`.
        detail: the evidence or number behind it, one line ("sharpness 12.1 < 40").
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        if reason not in REASONS:
            raise KeyError(f"no reason {reason!r}{did_you_mean(reason, REASONS)}")
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Refusal:
    """A worker's answer for a row that it refuses; `trace` is the traceback where the program failed on it."""

    reason: str
    detail: str
    trace: str = ""


def guarded(work: Callable[..., R], *arguments: Any) -> R | Refusal:
    """What `work` answers for one row; what it raises becomes the row's refusal.

    Raises:
        SuiteError, ImportError, OSError: what concerns every row: a missing model or package, a full or failing disk.
    """
    try:
        return work(*arguments)
    except Rejected as refused:
        return Refusal(refused.reason, refused.detail)
    except (SuiteError, ImportError):
        raise
    # The one place that catches everything: no list of types is complete for what foreign files do to decoders.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return Refusal("fault", what, traceback.format_exc())
