"""The graphs of a bundle on ONNX Runtime, each called with nothing around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from app.inference.bundles import read_bundle
from models.bundle.sessions import open_session


@dataclass(frozen=True, slots=True)
class BareParts:
    """A bundle's graphs, bare. size: pixels per side of a tile. scale, shift: (3, 1, 1) of the normalisation."""

    size: int
    encoder: ort.InferenceSession
    query_half: ort.InferenceSession
    tail: ort.InferenceSession
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]

    @classmethod
    def open(cls, bundle: Path, threads: int) -> BareParts:
        """As the service opens them."""
        card = read_bundle(bundle)
        encoder, half, tail = (
            open_session(bundle / name, threads) for name in ("encoder.onnx", "query_half.onnx", "tail.onnx")
        )
        if card.normalisation is None:
            raise SystemExit("the bundle normalises nothing")
        mean, std = (np.array(values)[:, None, None] for values in (card.normalisation.mean, card.normalisation.std))
        return cls(card.input_size, encoder, half, tail, (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32))

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """A JPEG of about 256 x 256 pixels, as (S, S, 3)."""
        picture = Image.fromarray(simplejpeg.decode_jpeg(data, "RGB"))
        return np.asarray(picture.resize((self.size, self.size), Image.Resampling.BILINEAR, reducing_gap=2.0))

    def encode(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """embedding (1, D), pair (1, P) uint8, map (1, C, h, w)."""
        tile = pixels.transpose(2, 0, 1) * self.scale + self.shift
        found: list[NDArray[np.float32]] = self.encoder.run(["embedding", "pair", "map"], {"tiles": tile[np.newaxis]})
        return found

    def half(self, map_: NDArray[np.float32]) -> NDArray[np.float32]:
        """(1, P)."""
        found: NDArray[np.float32] = self.query_half.run(["half"], {"map": map_})[0]
        return found

    def logits(self, half: NDArray[np.float32], pairs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(M, 2)."""
        found: NDArray[np.float32] = self.tail.run(["logits"], {"half": half, "pair": pairs})[0]
        return found
