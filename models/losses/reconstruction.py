"""Mean squared error of an autoencoder's reconstruction: residual-dyad's unsupervised stage."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Reconstruction(nn.Module):
    """The mean squared error over all values, equation 5 of residual-dyad::

    L = 1 / (N B H W) sum (x - x')^2
    """

    def forward(self, reconstructions: Tensor, images: Tensor) -> Tensor:
        """The mean squared error, a scalar at least 0.

        reconstructions, images: (N, B, H, W) floats of one dtype and range.

        Raises:
            ValueError: their shapes differ, which broadcasting would hide.
        """
        if reconstructions.shape != images.shape:
            shapes = f"{tuple(reconstructions.shape)} and {tuple(images.shape)}"
            raise ValueError(f"reconstructions and images must have one shape, not {shapes}")
        return functional.mse_loss(reconstructions, images)
