"""ONNX Runtime on the CPU: how its sessions are opened, and what it raises."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotSupported
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException as OrtRuntimeError

from app.domain.cards import ModelCard
from app.errors import InvalidBundle

ERRORS_ONLY = 3
ORT_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotSupported, OrtRuntimeError)


def open_session(path: Path, card: ModelCard, threads: int, *, optimise: bool = True) -> ort.InferenceSession:
    """A graph of a bundle. optimise: False where it is only looked at.

    Raises:
        InvalidBundle: ONNX Runtime cannot open it.
    """
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    # Threads that wait sleep: spinning ones would take the cores from decoding and other requests. Measured on a busy
    # machine only; an idle one may lose a little by it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise InvalidBundle(f"model {card.id!r}: ONNX Runtime cannot open {path.name}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """An error's message in one line of reasonable length."""
    return " ".join(str(error).split())[:300]
