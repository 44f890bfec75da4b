"""The autoencoder: its layers, and the error that detects anomalies."""

from __future__ import annotations

import torch

from hwcost.zoo.autoencoder import HIDDEN, Autoencoder, reconstruction_error, separation


def test_the_autoencoder_tells_strange_samples_by_their_error() -> None:
    assert HIDDEN == (128, 128, 128, 128, 8, 128, 128, 128, 128)
    net = Autoencoder(None, features=6).eval()
    x = torch.randn(5, 6)
    torch.testing.assert_close(reconstruction_error(net, x), (net(x) - x).square().mean(1))
    assert separation(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0])) == 1.0
    assert separation(torch.tensor([1.0]), torch.tensor([1.0])) == 0.5
