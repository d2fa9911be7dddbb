"""Networks and training steps beside the code that their authors published (`--peers DIR`), in turn, from the same weights."""

from __future__ import annotations

import torch

from speed.published import baselines, blendgan
from speed.published.loading import Peers
from speed.published.pairs import Pair, gaps
from speed.run import Row, ratio
from suite.errors import SuiteError

# A side that tells other figures than the other does other work, and a ratio of the two says nothing.
MOST_APART = 1e-3


def rows(peers: Peers) -> list[Row]:
    """What the folder has code for; the rest is left out with a line that says what is missing."""
    device = torch.device("cpu")
    works = [
        (lambda: blendgan.forward(peers, device, 256), 1.5, 3),
        (lambda: blendgan.forward(peers, device, 1024), 2.5, 3),
        (lambda: blendgan.FaceGame(peers, device, 128, 4, channels_last=True).pair(), 1.5, 3),
        (lambda: blendgan.path_length(peers, device, 256), 1.5, 3),
        (lambda: baselines.adain(peers, device, 256, 1), 1.3, 5),
        (lambda: baselines.munit(peers, device, 128, 64), 1.3, 3),
        (lambda: baselines.funit(peers, device, 128, 64), 1.3, 3),
        (lambda: baselines.stargan2(peers, device, 128), 1.3, 3),
        (lambda: baselines.drit(peers, device), 1.3, 3),
        (lambda: baselines.mdmm(peers, device), 1.3, 3),
    ]
    out = []
    for make, aim, rounds in works:
        try:
            pair = make()
        except SuiteError as error:
            print(error)
            continue
        out.append(compared(pair, aim, rounds))
    return out


def compared(pair: Pair, aim: float, rounds: int) -> Row:
    """The row of one comparison.

    Raises:
        SuiteError: the two sides' figures differ, so that they do other work.
    """
    apart = max(gaps(pair.ours(), pair.theirs()).values())
    if not apart <= MOST_APART:
        raise SuiteError(f"{pair.what}: the two sides' figures differ by {apart:.1e} of their size")
    times, own, other = ratio(pair.ours, pair.theirs, rounds)
    note = f"the published code, {other:.2f} s against {own:.2f} s; figures differ by {apart:.0e} of their size"
    return Row(pair.what, times, "x faster", f"at least {aim}", note, times >= aim)
