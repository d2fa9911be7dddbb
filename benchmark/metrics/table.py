"""Every metric, one row each: its names, its range, which way is better, what computes it, what it says in words.

Records are checked by these rows, tables and the leaderboard ranked by them, and the site explains by them.
"""

from __future__ import annotations

import re

from benchmark.metrics.metric import Metric, Vouched
from benchmark.tasks.controls import COLOURS, NOISE, PAINTED, REAL, SHUFFLED, UNCHANGED
from suite.errors import SuiteError

# A method is not ranked when a larger share of its pictures lies nearer to training pictures than new ones do.
MOST_COPIES = 0.5
FRECHET, KERNEL = "benchmark.metrics.frechet:measure", "benchmark.metrics.mmd:measure"
NEIGHBOURS, MEMORY = "benchmark.metrics.prdc:measure", "benchmark.metrics.prdc:measure_copies"
READER = "the reader (in the package) and `lite0`"
COSINE, RETRIEVAL = "benchmark.run.cell_features:extract", "benchmark.metrics.retrieval:share_right"
ANSWER = "benchmark.metrics.extractors.lite0:Lite0Diversity"

FIRST = "those of the first extractor"
OWN: Vouched = "its own weights"
RANDOM: Vouched = "random weights"
# Eight faces ten times each are no eighty pictures: a distance between sets counts the repeats against the unchanged
# input, so it meets noise in a test of its own.
FRECHET_ORDERS = ((REAL, PAINTED, COLOURS, NOISE), (PAINTED, UNCHANGED), (SHUFFLED, NOISE))
KERNEL_ORDERS = ((PAINTED, COLOURS, NOISE), (PAINTED, UNCHANGED), (REAL, COLOURS), (SHUFFLED, NOISE))
SETS = ((REAL, COLOURS, NOISE), (PAINTED, NOISE), (PAINTED, UNCHANGED))
VARIED = ((PAINTED, COLOURS, UNCHANGED),)
NEAR = ((PAINTED, NOISE), (REAL, NOISE))
HELD_OUT = "it is measured by few held-out pictures, whose own chance no face tells"

METRICS = (
    Metric(
        r"(FID|FD).*-infinity",
        (-1e9, 1e9),
        False,
        "features",
        FRECHET,
        title="FID-infinity",
        unpaired="an extrapolation from random parts of the pictures: no share of it is a face's",
        what="The Fréchet distance measured at several numbers of pictures and extrapolated to infinitely many, "
        "because its bias depends on the number and on the method.",
        read="Lower is better; near 0 the extrapolation may fall below it. From one sampling seed it has no interval and is "
        "not ranked.",
        weights="as its base",
    ),
    Metric(
        "FID",
        (-1e-3, 1e6),
        False,
        "features",
        FRECHET,
        column="FID",
        title="FID, and FD of other features",
        what="Each picture becomes a vector: by the published Inception network of 2015 for FID, by another network for "
        "FD, which then carries that network's name. A Gaussian is fitted to the vectors of the generated pictures and "
        "one to those of the artistic faces of the release; the Fréchet distance between the two is printed. Resizing, "
        "range and weights belong to the extractor and stand in the protocol.",
        read="Lower is better; 0 would be the same distribution. An FD of other features is not an FID and never shares "
        "a column with one. Where there are fewer pictures than dimensions the number is shown and not ranked.",
        weights="`inception` or `inception-pytorch`",
        orders=SETS,
        vouched=RANDOM,
    ),
    Metric(
        "FD",
        (-1e-3, 1e9),
        False,
        "features",
        FRECHET,
        column="FID",
        weights="`lite0`, `dinov2`",
        orders=FRECHET_ORDERS,
        vouched=OWN,
    ),
    Metric(
        "KID",
        (-10.0, 1e6),
        False,
        "features",
        KERNEL,
        title="KID, and KD of other features",
        what="The squared maximum mean discrepancy with the cubic polynomial kernel between the same vectors; unbiased.",
        read="Lower is better; values around 0, negative ones too, cannot be told from 0.",
        weights="`inception` or `inception-pytorch`",
        orders=SETS,
        vouched=RANDOM,
    ),
    Metric(
        "KD", (-1e6, 1e9), False, "features", KERNEL, weights="`lite0`, `dinov2`", orders=KERNEL_ORDERS, vouched=OWN
    ),
    Metric(
        "LPIPS",
        (0.0, 2.0),
        True,
        "faces",
        "benchmark.metrics.lpips:Diversity",
        column="LPIPS",
        title="LPIPS diversity",
        what="Every face is drawn in ten styles. LPIPS is measured between all 45 pairs of its ten pictures and averaged, "
        "then averaged over faces. 'diversity-' names the same protocol with another perceptual network.",
        read="Higher is more diverse, but noise is diverse as well: read it beside the value of noise and of real "
        "pictures, which each method's page prints, and beside the distance.",
        against="itself",
        weights="`alexnet`",
        orders=VARIED,
        wrong=((SHUFFLED, PAINTED), (NOISE, COLOURS)),
        vouched=RANDOM,
    ),
    Metric(
        "diversity",
        (0.0, 10.0),
        True,
        "faces",
        "benchmark.metrics.lpips:Diversity",
        column="LPIPS",
        against="itself",
        weights="`lite0`",
        orders=((PAINTED, COLOURS, UNCHANGED), (PAINTED, NOISE), (REAL, NOISE)),
        vouched=OWN,
    ),
    Metric(
        "identity retrieval",
        (0.0, 1.0),
        True,
        "faces",
        RETRIEVAL,
        title="Identity and style retrieval",
        what="Painted portraits say who and how they are. A reader trained to tell people and styles apart embeds each "
        "picture; the identity is kept (the style is followed) when, of ten photographs (of the face's ten references), "
        "the right one is the nearest.",
        read="Higher is better; guessing gives 0.1. The painted answer, a control, is the most that can be reached.",
        against="face",
        weights=READER,
        orders=((PAINTED, SHUFFLED), (PAINTED, NOISE), (UNCHANGED, SHUFFLED), (COLOURS, NOISE)),
        vouched=OWN,
    ),
    Metric(
        "style retrieval",
        (0.0, 1.0),
        True,
        "faces",
        RETRIEVAL,
        against="reference",
        weights=READER,
        orders=((PAINTED, COLOURS, UNCHANGED), (PAINTED, SHUFFLED), (COLOURS, NOISE)),
        vouched=OWN,
    ),
    Metric(
        "distance to the painted answer",
        (0.0, 10.0),
        False,
        "faces",
        ANSWER,
        title="Distance to the painted answer",
        what="The painter of the data can paint the face itself in the reference's style: the right answer. Printed is the "
        "perceptual distance between a picture and that answer, in EfficientNet-Lite0's maps, averaged over a face's "
        "styles, then over faces.",
        read="Lower is better; the painted answer itself is at 0.",
        against="face and reference",
        weights="`lite0`; painted portraits",
        orders=((PAINTED, COLOURS, NOISE), (PAINTED, UNCHANGED, NOISE), (PAINTED, SHUFFLED, NOISE)),
        vouched=OWN,
    ),
    Metric(
        "identity similarity",
        (-1.0, 1.0),
        True,
        "faces",
        COSINE,
        title="Identity similarity",
        what="The cosine between the features of a picture and those of its face, by ArcFace (Deng et al. 2019) and by dlib's "
        "descriptor; averaged over a face's styles, then over faces. The network's name stands in brackets.",
        read="Higher is better. Only for methods that restyle given faces. The unchanged input scores 1.",
        against="face",
        weights="`arcface` (non-commercial research); dlib's come with the extra `align`",
        orders=((UNCHANGED, PAINTED, SHUFFLED, NOISE),),
        wrong=((COLOURS, PAINTED),),
        vouched=OWN,
    ),
    Metric(
        "style similarity",
        (-1.0, 1.0),
        True,
        "faces",
        COSINE,
        title="Style similarity",
        what="The cosine between the features of a picture and those of its reference, by CSD (Somepalli et al. 2024), a style "
        "descriptor trained on a CLIP ViT-L/14, and by BlendGAN's own style encoder. CSD's authors say that the weights "
        "that they uploaded do not give the numbers of their paper.",
        read="Higher is better; the reference itself scores 1. BlendGAN is trained to follow its own encoder, which "
        "therefore flatters it.",
        against="reference",
        weights="`csd` (2.4 GB), `style_encoder`; `painted` comes with the package, for painted portraits at 64 px",
        orders=((PAINTED, UNCHANGED), (PAINTED, SHUFFLED), (PAINTED, NOISE), (COLOURS, UNCHANGED)),
        vouched=OWN,
    ),
    Metric(
        "CFSD",
        (-1e-6, 1e9),
        False,
        "faces",
        "benchmark.metrics.cfsd:structural_distance",
        title="CFSD",
        what="Content feature structural distance (Chung et al. 2024): how far the places of a picture are alike in other ways "
        "than those of its face, in VGG-19's map relu3_1. A sum over places, so that sizes do not compare: 512 px here.",
        read="Lower is better; the unchanged input scores 0.",
        against="face",
        weights="`vgg19`",
        orders=((UNCHANGED, PAINTED, SHUFFLED, NOISE),),
        vouched=RANDOM,
    ),
    Metric(
        "ArtFID",
        (1.0, 1e10),
        False,
        "faces",
        "benchmark.metrics.art_fid:measure",
        title="ArtFID",
        what="(1 + Fréchet distance between the pictures and their references) x (1 + LPIPS between a picture and its face); "
        "the distance is in features of an Inception trained on artworks (Wright & Ommer 2022). At 512 px.",
        read="Lower is better. With fewer different references than 2,049 it is shown and not ranked. "
        "Only for methods that restyle given faces by reference.",
        against="face and reference",
        weights="`art-inception`, `alexnet`",
        orders=((PAINTED, COLOURS, NOISE), (PAINTED, SHUFFLED, NOISE)),
        vouched=RANDOM,
    ),
    Metric(
        "preferred by people|person kept, say people",
        (0.0, 1.0),
        True,
        "faces",
        "benchmark.people.analysis:judged",
        title="What people say",
        what="Two results of one face and one style beside each other: which is the better picture, and which is more clearly "
        "the same person? By Bradley and Terry's model of all answers, the share of comparisons that a method would win "
        "against the others of its study.",
        read="Higher is better; one half is the middle of the study. Judges that fail its catch trials are left out. Numbers "
        "of two studies do not compare.",
        against="face and reference",
        weights="three judges or more (`aahq-bench judge`)",
    ),
    Metric(
        "precision|recall|coverage",
        (0.0, 1.0),
        True,
        "first features",
        NEIGHBOURS,
        title="Precision, recall, density, coverage",
        what="Nearest-neighbour estimates of how much of the generated set lies among the real one, and the reverse.",
        read="Higher is better. The interval comes from leaving out one face, reference or picture at a time (jackknife).",
        weights=FIRST,
        orders=NEAR,
        vouched=OWN,
    ),
    Metric("density", (0.0, 1e4), True, "first features", NEIGHBOURS, weights=FIRST, orders=NEAR, vouched=OWN),
    Metric(
        "copies",
        (0.0, 1.0),
        False,
        "first features",
        MEMORY,
        title="Memorisation",
        what="How much nearer the generated pictures lie to training pictures than held-out ones do, and the share of "
        "pictures that are nearer to a training picture than the nearest hundredth of the held-out ones.",
        read="A ratio near 1 is as it should be; new pictures score copies of about 0.07 with 16 held-out pictures to compare "
        "with, 0.012 with 400.",
        against="training set",
        weights=FIRST,
        unpaired=HELD_OUT,
    ),
    Metric(
        "nearest-neighbour ratio",
        (0.0, 1e4),
        None,
        "first features",
        MEMORY,
        against="training set",
        weights=FIRST,
        unpaired=HELD_OUT,
    ),
    Metric(
        "CMMD",
        (-1e-3, 1e4),
        False,
        "kernel features",
        "benchmark.metrics.mmd:measure_gaussian",
        title="CMMD",
        what="Maximum mean discrepancy with a Gaussian kernel between CLIP features.",
        read="Lower is better.",
        weights="`clip`",
    ),
)


def metric_of(name: str) -> Metric:
    """The row of a metric by its name in a record.

    Raises:
        SuiteError: no row has such a name.
    """
    for metric in METRICS:
        if re.match(metric.names, name):
            return metric
    known = ", ".join(metric.names.replace("|", ", ") for metric in METRICS[1:])
    raise SuiteError(f"metric: {name!r} is not known; known names start with {known}")


def copied(metric: str, value: float) -> str:
    """Why a method with this number is not ranked: most of its pictures are training pictures. "" for any other number."""
    if not metric.startswith("copies") or value <= MOST_COPIES:
        return ""
    return f"{metric} is {value:.2f}: its pictures lie nearer to training pictures than new pictures do"


def explained() -> list[Metric]:
    """The rows that have words of their own, in the order in which a reader wants them."""
    return sorted((metric for metric in METRICS if metric.title), key=lambda metric: metric.title == "FID-infinity")


def place_explained(name: str) -> int:
    """Which of `explained()` tells what the number `name` is."""
    at = METRICS.index(metric_of(name))
    return explained().index(next(metric for metric in METRICS[at::-1] if metric.title))
