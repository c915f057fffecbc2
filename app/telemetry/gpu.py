"""Metrics of the NVIDIA GPUs of this machine, read with NVML; no metrics if `pynvml` is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

NAMES = ("dyad_gpu_busy_ratio", "dyad_gpu_memory_used_bytes", "dyad_gpu_memory_total_bytes")


class GpuCollector(Collector):
    """Reads the metrics in `NAMES` at every scrape; the busy ratio is 0 to 1."""

    def __init__(self) -> None:
        self._is_installed = find_spec("pynvml") is not None

    def describe(self) -> list[GaugeMetricFamily]:
        """No description: the GPU is not read before the first scrape."""
        return []

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        if not self._is_installed:
            return
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:  # no driver
            return
        try:
            yield from _read(pynvml.nvmlDeviceGetCount())
        finally:
            pynvml.nvmlShutdown()


def _read(count: int) -> list[GaugeMetricFamily]:
    import pynvml

    busy = GaugeMetricFamily(NAMES[0], "Fraction of the last sample period in which the GPU was busy", labels=["gpu"])
    used = GaugeMetricFamily(NAMES[1], "GPU memory in use", labels=["gpu"])
    total = GaugeMetricFamily(NAMES[2], "Total GPU memory", labels=["gpu"])
    for number in range(count):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(number)
        memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
        busy.add_metric([str(number)], pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100)
        used.add_metric([str(number)], memory.used)
        total.add_metric([str(number)], memory.total)
    return [busy, used, total]
