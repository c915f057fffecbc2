"""The processes of a run: one alone, or several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from models.data.samplers import Shard


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a run; rank 0 is the main one, which writes files and reports."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    @property
    def shard(self) -> Shard:
        """This process's share of every batch."""
        return Shard(self.rank, self.world)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, with gradients averaged over all processes if there are several; it must be on the device."""
        if self.world == 1:
            return module
        return DistributedDataParallel(module, device_ids=[self.device] if self.device.type == "cuda" else None)

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Mean of each value over the processes, which must all call it with the same keys."""
        return dict(zip(values, self._reduced(list(values.values())).tolist(), strict=True))

    def share(self, value: float) -> float:
        """The main process's value, in all processes."""
        if self.world == 1:
            return value
        number = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(number, src=0)
        return float(number.item())

    def _reduced(self, values: list[float]) -> Tensor:
        numbers = torch.tensor(values, dtype=torch.float64, device=self.device)
        if self.world > 1:
            distributed.all_reduce(numbers)
        return numbers / self.world


@contextmanager
def join_processes(device: str | None = None) -> Iterator[Process]:
    """This process, in the group that torchrun describes in the environment, or alone.

    device: "cpu" or "cuda"; None takes a GPU if there is one. With several processes each takes the GPU of its local rank.
    """
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Process(torch.device(kind))
        return
    own = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield Process(own, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
