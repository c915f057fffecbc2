"""Batches through a `TileNetwork`: one after the other on any device, or overlapping on a GPU.

Naively, three things take as long on a GPU as the network itself: copying tiles while the GPU waits, launching some hundred
small kernels for a small batch, and copying results back one by one. So tiles are copied through page-locked memory on a stream
of their own while the previous batch is computed, and the kernels of each batch size are captured once as a CUDA graph and
replayed with one launch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.torch_network import Encoded, TileNetwork

log = logging.getLogger(__name__)

Mode = Literal["eager", "graphs", "compile"]
"""eager: kernel by kernel. graphs: captured. compile: fused by `torch.compile`, which needs a C compiler, then captured."""
Rows = tuple[NDArray[np.generic], ...]
"""Outputs of a batch, in the order of `Encoded`."""
WARM_UPS = 3
SLOTS = 2


class Runner(Protocol):
    """Runs batches; one call at a time."""

    def run(self, parts: Sequence[NDArray[np.uint8]]) -> Iterator[Rows]:
        """The outputs of each part, (n, S, S, B) uint8 with 1 <= n <= the runner's batch, in arrays of their own."""


class PlainRunner(Runner):
    """One batch after the other, without preparation: for the CPU.

    is_compiled: through `torch.compile`.
    """

    def __init__(self, network: TileNetwork, device: torch.device, *, is_compiled: bool = False) -> None:
        self._call: Callable[[Tensor], Encoded] = torch.compile(network, dynamic=True) if is_compiled else network
        self._device = device

    @torch.inference_mode()
    def run(self, parts: Sequence[NDArray[np.uint8]]) -> Iterator[Rows]:
        """See `Runner`."""
        for part in parts:
            # A copy: torch takes neither read-only arrays nor ones with negative strides.
            made = self._call(torch.from_numpy(part.copy()).to(self._device))
            yield tuple(output.cpu().numpy() for output in made)


class CudaRunner(Runner):
    """Keeps a GPU busy: two batches are in flight, one is copied while the other is computed.

    shape: (S, S, B) of a tile. batch: largest number of tiles in a run; smaller batches are padded to a power of two, so that
    few sizes are captured.
    """

    def __init__(
        self, network: TileNetwork, device: torch.device, shape: tuple[int, int, int], batch: int, mode: Mode = "graphs"
    ) -> None:
        self._device, self._shape, self._batch, self._mode = device, shape, batch, mode
        self._call: Callable[[Tensor], Encoded] = torch.compile(network, dynamic=False) if mode == "compile" else network
        with torch.cuda.device(device):
            self._compute, self._copies = (torch.cuda.Stream(device) for _ in range(2))  # type: ignore[no-untyped-call]
            sample = self._warm(torch.zeros((1, *shape), dtype=torch.uint8, device=device))
            self._slots = [_Slot(sample, shape, batch, device) for _ in range(SLOTS)]
            self._graphs: dict[int, _Graph | None] = {}

    @torch.inference_mode()
    def run(self, parts: Sequence[NDArray[np.uint8]]) -> Iterator[Rows]:
        """See `Runner`."""
        waiting: list[_Slot] = []
        with torch.cuda.device(self._device):
            for number, part in enumerate(parts):
                if len(waiting) == SLOTS:
                    yield waiting.pop(0).finish()
                slot = self._slots[number % SLOTS]
                self._begin(slot, part)
                waiting.append(slot)
            for slot in waiting:
                yield slot.finish()

    def _begin(self, slot: _Slot, part: NDArray[np.uint8]) -> None:
        """Send one batch; after its size was captured, this does not wait for the GPU."""
        size = min(self._batch, 1 << (len(part) - 1).bit_length())
        forward = self._forward(size)
        slot.send(part, self._copies)
        with torch.cuda.stream(self._compute):
            self._compute.wait_event(slot.arrived)
            slot.fetch(forward(slot.tiles[:size]), self._compute)

    def _forward(self, size: int) -> Callable[[Tensor], Encoded]:
        if self._mode == "eager":
            return self._call
        if size not in self._graphs:
            self._graphs[size] = self._capture(size)
        return self._graphs[size] or self._call

    def _capture(self, size: int) -> _Graph | None:
        """The kernels of one batch size; None if they cannot be captured, then the batch runs more slowly."""
        static = torch.zeros((size, *self._shape), dtype=torch.uint8, device=self._device)
        self._warm(static)
        try:
            return _Graph(self._call, static, self._compute)
        except RuntimeError as error:
            log.warning("batches of %d run without a CUDA graph: %s", size, str(error).splitlines()[0])
            return None

    def _warm(self, tiles: Tensor) -> Encoded:
        """Let cuDNN measure its algorithms, and the compiler compile, before capture."""
        with torch.inference_mode(), torch.cuda.stream(self._compute), torch.backends.cudnn.flags(benchmark=True):
            for _ in range(WARM_UPS):
                made = self._call(tiles)
        self._compute.synchronize()
        return made


class _Graph:
    """The network's kernels for one batch size, replayed with one launch."""

    def __init__(self, call: Callable[[Tensor], Encoded], static: Tensor, stream: torch.cuda.Stream) -> None:
        self._tiles = static
        self._graph = torch.cuda.CUDAGraph()
        # thread_local: another model may run on the same GPU at the same time.
        with (
            torch.backends.cudnn.flags(benchmark=True),
            torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"),
        ):
            self._made = call(static)

    def __call__(self, tiles: Tensor) -> Encoded:
        """The outputs, which the next call on the same stream overwrites."""
        self._tiles.copy_(tiles, non_blocking=True)
        self._graph.replay()
        return self._made


class _Slot:
    """Memory for one batch: page-locked on the host, plain on the device."""

    def __init__(self, sample: Encoded, shape: tuple[int, int, int], batch: int, device: torch.device) -> None:
        self.tiles = torch.zeros((batch, *shape), dtype=torch.uint8, device=device)
        self.arrived, self._done = (torch.cuda.Event() for _ in range(2))  # type: ignore[no-untyped-call]
        self._sent = torch.zeros((batch, *shape), dtype=torch.uint8, pin_memory=True)
        self._made = [torch.empty((batch, *each.shape[1:]), dtype=each.dtype, pin_memory=True) for each in sample]
        self._count = 0

    def send(self, part: NDArray[np.uint8], stream: torch.cuda.Stream) -> None:
        """Begin to copy tiles to the device. Rows after them keep old tiles, whose results are never read."""
        self._count = count = len(part)
        np.copyto(self._sent.numpy()[:count], part)
        with torch.cuda.stream(stream):
            self.tiles[:count].copy_(self._sent[:count], non_blocking=True)
            self.arrived.record(stream)

    def fetch(self, made: Encoded, stream: torch.cuda.Stream) -> None:
        """Begin to copy results back, on the stream that computes them."""
        for target, output in zip(self._made, made, strict=True):
            target[: self._count].copy_(output[: self._count], non_blocking=True)
        self._done.record(stream)

    def finish(self) -> Rows:
        """Wait for the results and return copies."""
        self._done.synchronize()
        return tuple(output[: self._count].numpy().copy() for output in self._made)
