"""The games' losses of pictures that are compared with others."""

from __future__ import annotations

import torch

from models.training.blendgan_settings import BlendGANSettings
from models.training.games import Games


def test_features_are_missed_where_pictures_differ() -> None:
    settings = BlendGANSettings(size=32, steps=1, batch=4)
    games = Games(settings, 8, {4: 8, 8: 8, 16: 8, 32: 8})
    pictures = {name: torch.rand(2, 3, 32, 32) * 2 - 1 for name in ("photo", "art")}
    assert games.missed_features(pictures, pictures) == 0
    made = {name: torch.rand(2, 3, 32, 32).requires_grad_(True) for name in pictures}
    missed = games.missed_features(made, pictures)
    differences = [
        (one - aim).abs().mean()
        for name, domain in (("d_face", "photo"), ("d_style", "art"), ("d_style_latent", "art"))
        for one, aim in zip(
            games.networks[name].maps(made[domain])[1:], games.networks[name].maps(pictures[domain])[1:]
        )
    ]
    torch.testing.assert_close(missed, torch.stack(differences).mean())
    missed.backward()
    assert all(one.grad is not None and one.grad.abs().max() > 0 for one in made.values())
