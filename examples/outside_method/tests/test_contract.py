"""Colour transfer keeps the leaderboard's contract and does what it says."""

import torch
from colour_transfer.method import load

from benchmark.leaderboard.check import blurred, examine
from benchmark.run.generate import to_float
from models.method import Face


def test_contract() -> None:
    broken = [f"{finding.clause}: {finding.why}" for finding in examine(load(None, "cpu")) if not finding.holds]
    assert broken == []


def test_colours_are_the_styles() -> None:
    faces, styles = to_float(blurred([1, 2], 64)) * 0.3, to_float(blurred([3, 4], 64)) * 0.3
    made = load(None, "cpu").from_reference(Face(images=faces), styles, [0, 0])
    for picture, style in zip(made.flatten(2), styles.flatten(2)):
        # 1e-3: the small multiple of the identity that keeps flat colours invertible.
        torch.testing.assert_close(picture.mean(1), style.mean(1), atol=1e-3, rtol=0)
        torch.testing.assert_close(torch.cov(picture), torch.cov(style), atol=1e-3, rtol=0)
