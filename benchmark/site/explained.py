"""What each number is, in words, with the file that computes it: the page that people look for first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One family of numbers.

    Attributes:
        start: metric names that start so are of this family.
        what: how it is computed.
        read: how to read it.
        code: where.
    """

    start: tuple[str, ...]
    title: str
    what: str
    read: str
    code: str


METRICS = (
    Metric(
        ("FID",),
        "FID, and FD of other features",
        "Each picture becomes a vector: by the published Inception network of 2015 for FID, by another network for FD, "
        "which then carries that network's name. A Gaussian is fitted to the vectors of the generated pictures and one "
        "to those of the artistic faces of the release; the Fréchet distance between the two is printed. Resizing, "
        "range and weights belong to the extractor and stand in the protocol.",
        "Lower is better; 0 would be the same distribution. An FD of other features is not an FID and never shares a "
        "column with one. Where there are fewer pictures than dimensions the number is shown and not ranked.",
        "benchmark/metrics/frechet.py, benchmark/metrics/extractors/features.py",
    ),
    Metric(
        ("FID-infinity", "FD-infinity"),
        "FID-infinity",
        "The Fréchet distance measured at several numbers of pictures and extrapolated to infinitely many, "
        "because its bias depends on the number and on the method.",
        "Lower is better. An extrapolation from one sampling seed has no interval and is not ranked.",
        "benchmark/metrics/frechet.py",
    ),
    Metric(
        ("KID", "KD"),
        "KID, and KD of other features",
        "The squared maximum mean discrepancy with the cubic polynomial kernel between the same vectors; unbiased.",
        "Lower is better; values around 0, negative ones too, cannot be told from 0.",
        "benchmark/metrics/mmd.py",
    ),
    Metric(
        ("LPIPS", "diversity"),
        "LPIPS diversity",
        "Every face is drawn in ten styles. LPIPS is measured between all 45 pairs of its ten pictures and averaged, "
        "then averaged over faces. 'diversity-' names the same protocol with another perceptual network.",
        "Higher is more diverse, but noise is diverse as well: read it beside the value of noise and of real pictures, "
        "which each method's page prints, and beside the distance.",
        "benchmark/metrics/lpips.py",
    ),
    Metric(
        ("true identity kept", "true style followed"),
        "True identity kept, true style followed",
        "Painted portraits say who and how they are. A network trained to read those factors reads each generated "
        "picture; the identity is kept (the style is followed) when, of ten candidates, the true one lies nearest.",
        "Higher is better; guessing gives 0.1. The reader's own ceiling is printed on each method's page.",
        "benchmark/metrics/factor_metrics.py, benchmark/metrics/extractors/factor_net.py",
    ),
    Metric(
        ("identity similarity", "style similarity"),
        "Identity and style similarity",
        "The cosine between the features of a picture and those of its face, or of its style reference; averaged over "
        "a face's styles, then over faces. The extractor's name stands in brackets.",
        "Higher is better. Only for methods that restyle given faces, and for reference-guided pictures.",
        "benchmark/run/cell_features.py, benchmark/metrics/extractors/dlib_identity.py",
    ),
    Metric(
        ("precision", "recall", "density", "coverage"),
        "Precision, recall, density, coverage",
        "Nearest-neighbour estimates of how much of the generated set lies among the real one, and the reverse.",
        "Higher is better. The interval comes from leaving out one face at a time (jackknife).",
        "benchmark/metrics/prdc.py",
    ),
    Metric(
        ("nearest-neighbour ratio", "copies"),
        "Memorisation",
        "How much nearer the generated pictures lie to training pictures than held-out ones do, and the share of "
        "pictures that are nearer to a training picture than any held-out one.",
        "A ratio near 1 and few copies are as it should be.",
        "benchmark/metrics/prdc.py",
    ),
    Metric(
        ("CMMD",),
        "CMMD",
        "Maximum mean discrepancy with a Gaussian kernel between CLIP features.",
        "Lower is better.",
        "benchmark/metrics/mmd.py",
    ),
)

INTERVALS = (
    "Intervals are 95%. With three or more sampling seeds they are Student's t over whole measurements; with fewer, a "
    "bootstrap (means) or an infinitesimal jackknife (distances) over faces, because the ten pictures of one face are "
    "not independent. A rank is printed only as sharply as intervals separate: 2-4 means that nobody knows which."
)

TRUST = {
    "re-run from weights": "This suite ran the method from its weights and measured its pictures.",
    "re-scored from pictures": "This suite measured pictures that were made elsewhere.",
    "self-reported": "Nobody but the author has measured it. Shown in grey, never ranked.",
    "published": "Printed in the paper. Measured with the paper's own code, so it stands apart.",
}


def metric_anchor(name: str) -> str:
    """The place on the page where a metric is explained."""
    exact = [m for m in METRICS if "infinity" in name and "infinity" in m.title.lower()]
    found = exact or [m for m in METRICS if any(name.startswith(s) for s in (*m.start, *_fd(m)))]
    return f"metric-{METRICS.index(found[0])}" if found else "metrics"


def _fd(metric: Metric) -> tuple[str, ...]:
    return ("FD",) if metric.start == ("FID",) else ()
