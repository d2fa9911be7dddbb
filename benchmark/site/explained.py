"""Words of the site that stand beside the numbers: how sure they are, and whom to trust for them."""

from __future__ import annotations

INTERVALS = (
    "Intervals are 95%. With three or more sampling seeds they are Student's t over whole measurements; with fewer, a "
    "bootstrap (means) or an infinitesimal jackknife (distances) over faces, because the ten pictures of one face are "
    "not independent. A rank is printed only as sharply as intervals separate: 2-4 means that nobody knows which."
)

TRUST = {
    "re-run from weights": "This suite ran the method from its weights and measured its pictures.",
    "re-scored from pictures": "This suite measured pictures that were made elsewhere.",
    "judged by people": "People compared pictures two by two on this suite's page; the numbers compare inside one study alone.",
    "self-reported": "Nobody but the author has measured it. Shown in grey, never ranked.",
    "published": "Printed in the paper. Measured with the paper's own code, so it stands apart.",
}
