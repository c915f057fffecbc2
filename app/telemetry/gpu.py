"""How busy the graphics cards of this machine are, as NVIDIA's library says; nothing where that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

NAMES = ("dyad_gpu_busy_ratio", "dyad_gpu_memory_used_bytes", "dyad_gpu_memory_total_bytes")


class GpuCollector(Collector):
    """Asks at every scrape for each of `NAMES`; the share of time in which a card is busy is 0 to 1."""

    def __init__(self) -> None:
        self._is_there = find_spec("pynvml") is not None

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: a card is not asked before the first scrape."""
        return []

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        if not self._is_there:
            return
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:  # no driver, so no card
            return
        try:
            yield from _ask(pynvml.nvmlDeviceGetCount())
        finally:
            pynvml.nvmlShutdown()


def _ask(cards: int) -> list[GaugeMetricFamily]:
    import pynvml

    busy = GaugeMetricFamily(NAMES[0], "Share of the last moments in which the card computed", labels=["gpu"])
    used = GaugeMetricFamily(NAMES[1], "Memory in use on the card", labels=["gpu"])
    total = GaugeMetricFamily(NAMES[2], "Memory of the card", labels=["gpu"])
    for number in range(cards):
        card = pynvml.nvmlDeviceGetHandleByIndex(number)
        memory = pynvml.nvmlDeviceGetMemoryInfo(card)
        busy.add_metric([str(number)], pynvml.nvmlDeviceGetUtilizationRates(card).gpu / 100)
        used.add_metric([str(number)], memory.used)
        total.add_metric([str(number)], memory.total)
    return [busy, used, total]
