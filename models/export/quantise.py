"""The encoder in int8, for the CPU: static quantisation, QDQ, per channel; its accuracy loss is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import ArrayLike, NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.bundle.card import Normalisation
from models.bundle.errors import AccuracyError, BundleError
from models.bundle.runtime import OnnxEncoder, normalised
from models.bundle.trained_card import Int8Report
from models.evaluation.metrics.retrieval import retrieval_metrics

CALIBRATION_TILES = 256
MAX_LOSS = 0.3
"""Points of mAP that int8 may lose."""
_CALIBRATION_BATCH = 8
# The convolutions, and the operators between them so that a trunk stays in int8. Head, norms and masks take hardly any time.
_OPERATORS = ["Conv", "Relu", "Add", "MaxPool", "AveragePool", "Concat"]

Score = Callable[[OnnxEncoder], float]
"""The quality of an encoder, in points (0..100). It may read any output, so it may also score re-ranked lists."""


@dataclass(frozen=True, slots=True)
class Int8:
    """How to quantise an encoder to int8, and the accuracy that it may lose.

    tiles: (N, S, S, B) uint8 of training imagery, 256 of all kinds are enough; the ranges of all maps are measured on them.
    score: measured on other imagery. max_loss: points that it may fall. reduce_range: 7-bit weights, for processors
    without VNNI (most before 2019), whose 16-bit sums can overflow.
    """

    tiles: NDArray[np.uint8]
    score: Score
    max_loss: float = MAX_LOSS
    reduce_range: bool = False


def retrieval_score(
    queries: NDArray[np.uint8],
    labels: ArrayLike,
    database: NDArray[np.uint8] | None = None,
    database_labels: ArrayLike | None = None,
) -> Score:
    """mAP in points of ranking `database` for `queries`, or the queries among themselves.

    queries, database: (Q, S, S, B) and (N, S, S, B) uint8. labels: Q and N; both databases or neither.

    Raises:
        ValueError: a database without labels, or labels without one.
    """
    if (database is None) != (database_labels is None):
        raise ValueError("a database needs its labels, and labels their database")

    def score(encoder: OnnxEncoder) -> float:
        wanted = encoder(queries)["embedding"]
        if database is None or database_labels is None:
            report = retrieval_metrics(wanted, labels, wanted, labels, exclude_self=True)
        else:
            report = retrieval_metrics(wanted, labels, encoder(database)["embedding"], database_labels, exclude_self=False)
        return 100 * report.mean_average_precision

    return score


def quantise_encoder(source: Path, target: Path, normalisation: Normalisation, int8: Int8) -> Int8Report:
    """Write the int8 graph of the float32 `encoder.onnx` at `source` to `target`, another file; returns the measured loss.

    The layers after the map (head, norm, candidate features) stay float32.

    Raises:
        BundleError: no calibration tiles, or tiles of another shape. AccuracyError: it loses more than `int8.max_loss`.
    """
    _check_tiles(source, int8.tiles)
    _quantise(source, target, normalisation, int8)
    scale = (normalisation.mean, normalisation.std)
    before, after = (float(int8.score(OnnxEncoder(path, *scale, threads=torch.get_num_threads()))) for path in (source, target))
    if not before - after <= int8.max_loss:  # written so that NaN is refused too
        raise AccuracyError(
            f"int8 costs {before - after:.2f} points ({before:.2f} to {after:.2f}), more than {int8.max_loss:.2f}; "
            "calibrate on more and other tiles, or write the bundle in float32"
        )
    return Int8Report(
        calibration_tiles=len(int8.tiles), score_float32=before, score_int8=after, loss=before - after, allowed=int8.max_loss
    )


def _quantise(source: Path, target: Path, normalisation: Normalisation, int8: Int8) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch, "prepared.onnx")
        # Symbolic shape inference does not support the exporter's operators; that of ONNX is enough for static maps.
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            _Tiles(int8.tiles, normalisation),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=_after_map(onnx.load(prepared)),
            per_channel=True,
            reduce_range=int8.reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _check_tiles(source: Path, tiles: NDArray[np.uint8]) -> None:
    axes = onnx.load(source).graph.input[0].type.tensor_type.shape.dim
    bands, height, width = (axis.dim_value for axis in axes[1:])
    if tiles.ndim != 4 or tiles.dtype != np.uint8 or len(tiles) == 0 or tiles.shape[1:] != (height, width, bands):
        raise BundleError(
            f"calibration tiles: {tiles.dtype} of shape {tiles.shape}; pass uint8 of (N, {height}, {width}, {bands})"
        )


def _after_map(model: onnx.ModelProto) -> list[str]:
    """Names of all nodes that depend on the output `map`; nodes are in topological order."""
    reached, names = {"map"}, []
    for node in model.graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
            names.append(node.name)
    return names


class _Tiles(CalibrationDataReader):  # type: ignore[misc]
    """Batches of normalised tiles."""

    def __init__(self, tiles: NDArray[np.uint8], normalisation: Normalisation) -> None:
        starts = range(0, len(tiles), _CALIBRATION_BATCH)
        self._batches: Iterator[NDArray[np.float32]] = (
            normalised(tiles[start : start + _CALIBRATION_BATCH], normalisation.mean, normalisation.std) for start in starts
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next batch as the graph's input, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"tiles": batch}
