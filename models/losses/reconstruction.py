"""Mean squared error of an autoencoder's reconstruction: residual-dyad's unsupervised stage."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Reconstruction(nn.Module):
    """What the encoder keeps is what the decoder can draw again (residual-dyad, section III)::

    L = 1 / (N B H W) sum (x - x')^2
    """

    def forward(self, reconstructions: Tensor, images: Tensor) -> Tensor:
        """The mean squared error, a scalar at least 0.

        reconstructions, images: (N, B, H, W) floats of one dtype and range.

        Raises:
            ValueError: their shapes differ, which would otherwise be stretched silently.
        """
        if reconstructions.shape != images.shape:
            shapes = f"{tuple(reconstructions.shape)} and {tuple(images.shape)}"
            raise ValueError(f"a reconstruction has the shape of its image, not {shapes}")
        return functional.mse_loss(reconstructions, images)
