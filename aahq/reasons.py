"""Why a row is dropped: typed reasons, what each means for people, and what follows from it."""

from __future__ import annotations

import errno
import sqlite3
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from suite.errors import SuiteError, did_you_mean

R = TypeVar("R")
# What the disk says to one row it says to all.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Reason:
    """What follows from a reason.

    Attributes:
        text: what it means, for reports.
        retry: "at once" where the request is repeated before it counts as failed; "later" where only
            `aahq crawl --retry` offers the work again (which it does for both); "" where no retry would help.
        unreached: no answer came from the host, so the same picture's other addresses there are not tried.
        withdrawn: the artist's, the site's or the law's no: no other address of the picture is tried, and a rebuild
            counts it as refused, not as gone.
        link: what it says of a listed address: "gone", "changed", "refused" or "unknown".
    """

    text: str
    retry: Literal["", "at once", "later"] = ""
    unreached: bool = False
    withdrawn: bool = False
    link: Literal["gone", "changed", "refused", "unknown"] = "unknown"


# The one table of reasons; each stage's stand together.
REASONS: dict[str, Reason] = {
    # sources: the work itself cannot be offered
    "bad_record": Reason("the source's record of the work is malformed or lacks a field"),
    "unreadable": Reason(
        "the folder's entry cannot be read (a link that leads nowhere, no permission, no regular file)"
    ),
    "no_picture": Reason("the work holds no picture (a video, a model, or nothing)"),
    "not_open": Reason("the source does not give the work as open access"),
    # consent: may we?
    "robots": Reason(
        "robots.txt does not allow the page or the picture for this crawler", withdrawn=True, link="refused"
    ),
    "robots_unreachable": Reason(
        "robots.txt could not be read (server error, network), which counts as a no", retry="later"
    ),
    "no_evidence": Reason(
        "nothing says that the picture may be taken: no readable page, no open licence, no permission", withdrawn=True
    ),
    "site_reserved": Reason(
        "the site reserves its pictures from AI training (robots.txt, tdmrep.json, ai.txt, RSL, or its terms)",
        withdrawn=True,
        link="refused",
    ),
    "page_noai": Reason(
        "the work's page carries a reservation (noai, noimageai, noindex, noml, tdm-reservation, RSL)",
        withdrawn=True,
        link="refused",
    ),
    "tag_noai": Reason("the artist tagged the work NoAI", withdrawn=True),
    "ai_made": Reason("the work is marked as made by a generator", withdrawn=True),
    "adult": Reason("the work is marked as mature content", withdrawn=True),
    "header_noai": Reason(
        "a header of the picture's answer reserves it (X-Robots-Tag, tdm-reservation, Content-Usage, RSL)",
        withdrawn=True,
        link="refused",
    ),
    "embedded_noai": Reason("the file's own XMP, IPTC or C2PA data prohibit data mining or training", withdrawn=True),
    "removed": Reason("taken out on request with 'aahq remove'; it leaves no row", withdrawn=True),
    "opted_out": Reason("the artist, address or file is on the local opt-out list", withdrawn=True),
    # fetch
    "url_refused": Reason(
        "the address is not plain http(s), or hides something (user name, control characters, bad port)"
    ),
    "address_refused": Reason("the address leads to a private, loopback, link-local or reserved network"),
    "gone": Reason("the server says that the picture is gone (404, 410)", link="gone"),
    "forbidden": Reason("the server refuses the picture (401, 403, 451)", link="refused"),
    "http_status": Reason("the server answered with a status that means no picture"),
    "server_error": Reason("the server failed (5xx) on every try", retry="at once"),
    "network": Reason(
        "the connection failed on every try (name, connection, TLS, reset)", retry="at once", unreached=True
    ),
    "timeout": Reason("the server did not answer, or not completely, in time", retry="at once", unreached=True),
    "bad_response": Reason("the answer is not proper HTTP", retry="at once"),
    "redirects": Reason("redirected in a loop, too often or to nowhere", link="changed"),
    "too_large": Reason("the body is larger than the limit, as sent or unpacked"),
    "cut_short": Reason("the body is shorter than announced", retry="at once"),
    "bad_encoding": Reason("the body's Content-Encoding is unknown or broken"),
    "not_an_image": Reason("the answer or file is no picture", link="changed"),
    "empty": Reason("the body or file is empty", link="changed"),
    # screen
    "truncated": Reason("the picture file ends too early"),
    "corrupt": Reason("the picture file cannot be decoded"),
    "unknown_format": Reason("the file is in none of the formats that are read"),
    "animated": Reason("the file holds several frames"),
    "too_many_pixels": Reason("the picture is larger than the limit, or unpacks to far more than its size admits"),
    "too_small": Reason("the picture is too small to hold a usable face"),
    "transparent": Reason("most of the picture is transparent"),
    "unsupported_mode": Reason("the picture's pixel format is not one that has a safe way to 8-bit RGB"),
    # any stage
    "fault": Reason("the program failed on it; the ledger's table `faults` keeps the traceback"),
    # faces
    "bad_points": Reason(
        "its eyes and mouth make no crop: on one spot, farther apart than any picture, or not numbers"
    ),
    "no_face": Reason("no detector found a face; the picture is kept aside for a person to look at"),
    # safety
    "unsafe": Reason("a classifier of the person's own choice scored it at or above its limit"),
    "listed": Reason("a list of hashes names it (illegal material, takedowns); its file is deleted", withdrawn=True),
    # dedup
    "duplicate": Reason(
        "another face of the same cluster is kept (exact copy, near copy, mirror, crop or step of one work)"
    ),
    # quality
    "quality_small": Reason("the face covers too few pixels of its picture before warping"),
    "quality_blurred": Reason("the face is not sharp at its own scale"),
    "quality_compressed": Reason("compression blocks show"),
    "quality_exposure": Reason("too dark, too bright or nearly without contrast"),
    "quality_pose": Reason("the head is turned, tilted or nodded too far"),
    "quality_cut": Reason("too much of the crop lies outside the picture"),
    "quality_flat": Reason("the crop holds hardly any detail at all"),
    # review
    "reviewer": Reason("a person dropped it in review"),
    "over_quota": Reason(
        "left out of a release that takes so many of its source, decade, medium, style, artist or licence"
    ),
    "reviewers_disagree": Reason("reviewers disagree about it and nobody has settled it yet"),
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

    @property
    def entry(self) -> Reason:
        """The reason's entry in the table."""
        return REASONS[self.reason]


@dataclass(frozen=True)
class Rejection:
    """A worker's answer for a row that it refuses; `trace` is the traceback where the program failed on it."""

    reason: str
    detail: str
    trace: str = ""


class RowError(SuiteError):
    """What a row itself holds is broken: its rejection where rows are worked on, one line where nobody works on rows."""


def guarded(work: Callable[..., R], *arguments: Any) -> R | Rejection:
    """What `work` answers for one row; what it raises becomes the row's refusal.

    Raises:
        SuiteError, ImportError, OSError: what concerns every row: a missing model or package, a full or failing disk.
    """
    try:
        return work(*arguments)
    except Rejected as refused:
        return Rejection(refused.reason, refused.detail)
    except RowError as error:
        return Rejection("fault", str(error), traceback.format_exc())
    except (SuiteError, ImportError):
        raise
    except sqlite3.Error as error:
        # A value that the ledger cannot hold is the row's; that it is full, locked or damaged concerns all.
        if not isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
            raise
        return Rejection("fault", f"{type(error).__name__}: {error}", traceback.format_exc())
    # The one place that catches everything: no list of types is complete for what foreign files do to decoders.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return Rejection("fault", what, traceback.format_exc())
