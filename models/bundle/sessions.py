"""ONNX Runtime on the CPU: how sessions are opened, and the errors that it raises."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotSupported
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException as OrtRuntimeError

from models.bundle.errors import BundleError

ORT_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotSupported, OrtRuntimeError)
_ERRORS_ONLY = 3


def open_session(path: Path, threads: int = 0, *, model: str | None = None, optimise: bool = True) -> ort.InferenceSession:
    """Open a graph. threads: 0 for all cores. model: its id, for messages. optimise: False if the graph is only inspected.

    Raises:
        BundleError: ONNX Runtime cannot open it.
    """
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    # Waiting threads sleep: spinning threads would take the cores from decoding and other requests. Measured on a busy machine
    # only; an idle one may be a little slower without spinning.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        name = path.parent.name if model is None else f"model {model!r}"
        reason = one_line(error, hide=path)
        raise BundleError(f"{name}: ONNX Runtime cannot open {path.name}: {reason}") from error


def one_line(error: Exception, hide: Path | None = None) -> str:
    """An error's message in one line of at most 300 characters. hide: a path of which only the name is shown to clients."""
    message = str(error) if hide is None else str(error).replace(str(hide), hide.name)
    return " ".join(message.split())[:300]
