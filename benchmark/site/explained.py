"""Words of the site that stand beside the numbers: how sure they are, and whom to trust for them."""

from __future__ import annotations

INTERVALS = (
    "Intervals are 95%, Student's t over faces and over references together: neither a face's ten pictures nor a reference's "
    "are independent. The real pictures stay as they are, and a Fréchet distance's bias at this number of pictures is in no "
    "interval. Ranks come from paired tests, since all methods answer the same faces and references: 2-4 means that nobody "
    "knows which, and who shares a letter cannot be told apart at 5% for the whole column (Holm). Records that do not say "
    "what their faces pull are ranked by whether intervals overlap."
)

TRUST = {
    "re-run from weights": "This suite ran the method from its weights and measured its pictures.",
    "re-scored from pictures": "This suite measured pictures that were made elsewhere.",
    "judged by people": "People compared pictures two by two on this suite's page; the numbers compare inside one study alone.",
    "self-reported": "Nobody but the author has measured it. Shown in grey, never ranked.",
    "published": "Printed in the paper. Measured with the paper's own code, so it stands apart.",
}
