"""Middle maps of images by the frozen lower part of an encoder, computed once and kept in files.

Training the upper part on them costs a fourth of training on images, because the lower part takes most of the time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.backbones.efficientnet import EfficientNetTrunk
from models.bundle.sessions import open_session
from models.data.samplers import Indices
from models.training.recipes.augmentation import NONE, Augmentation
from models.training.transforms import augment, to_unit

MEAN, STD = 0.498, 0.502
"""Normalisation of the EfficientNet-Lite weights, the same for each band, on the 0..1 scale."""
BATCH = 64


@dataclass(frozen=True, slots=True)
class View:
    """A version of each image. name: of its file. size: pixels per side. augmentation: drawn with `seed`."""

    name: str
    size: int
    augmentation: Augmentation = NONE
    seed: int = 0


class LowerPart:
    """The lower part of a trunk on ONNX Runtime, which is twice as fast as PyTorch on a CPU."""

    def __init__(self, trunk: EfficientNetTrunk, *, threads: int = 0) -> None:
        """Export the lower part for tiles of any size. threads: of ONNX Runtime, 0 for PyTorch's number."""
        self._trunk = trunk.eval()
        self._threads = threads or torch.get_num_threads()
        self._sessions: dict[int, ort.InferenceSession] = {}

    def maps(self, pixels: NDArray[np.uint8], rows: Indices, view: View, file: Path, tick: Callable[[int], None]) -> Path:
        """Write the (N, M, S / 16, S / 16) float16 middle maps of `pixels[rows]` to `file`, unless it exists; returns it.

        pixels: (T, R, R, B) uint8, R at least the size of the view. tick: called with the number of images of each batch.
        """
        if file.exists():
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        generator = torch.Generator().manual_seed(view.seed)
        part = file.with_name(f".{file.name}")
        maps: np.memmap[Any, np.dtype[np.float16]] | None = None
        for start in range(0, len(rows), BATCH):
            images = torch.from_numpy(pixels[rows[start : start + BATCH]]).permute(0, 3, 1, 2)
            found = self._run(prepared(images, view, generator))
            if maps is None:
                shape = (len(rows), *found.shape[1:])
                maps = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=shape)
            maps[start : start + BATCH] = found
            tick(len(images))
        if maps is None:
            raise ValueError(f"{file.name}: no images")
        maps.flush()
        part.replace(file)
        return file

    def _run(self, tiles: Tensor) -> NDArray[np.float32]:
        size = tiles.shape[2]
        if size not in self._sessions:
            self._sessions[size] = _session(self._trunk, size, self._threads)
        found: NDArray[np.float32] = self._sessions[size].run(None, {"tiles": tiles.numpy()})[0]
        return found


def read_maps(file: Path) -> NDArray[np.float16]:
    """The maps of a file, memory-mapped copy-on-write."""
    maps: NDArray[np.float16] = np.load(file, mmap_mode="c")
    return maps


def prepared(images: Tensor, view: View, generator: torch.Generator) -> Tensor:
    """(N, B, R, R) uint8 to normalised (N, B, S, S) float32 of a view."""
    values = to_unit(images) if view.augmentation == NONE else augment(images, view.augmentation, generator)
    if values.shape[2] != view.size:
        values = functional.interpolate(values, size=view.size, mode="bilinear", antialias=True)
    return values.sub_(MEAN).div_(STD).contiguous()


class _Lower(nn.Module):
    def __init__(self, trunk: EfficientNetTrunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, tiles: Tensor) -> Tensor:
        return self.trunk.lower(tiles)


def _session(trunk: EfficientNetTrunk, size: int, threads: int) -> ort.InferenceSession:
    tiles = torch.zeros(2, trunk.bands, size, size)
    program = torch.onnx.export(
        _Lower(trunk).cpu().float().eval(), (tiles,), input_names=["tiles"], dynamic_shapes=({0: torch.export.Dim("N")},),
        dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    if program is None:
        raise ValueError("torch.onnx.export returned no graph")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "lower.onnx")
        path.write_bytes(program.model_proto.SerializeToString())
        return open_session(path, threads, model="lower part")
