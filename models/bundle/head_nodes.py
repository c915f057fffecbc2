"""The nodes of a linear head in an encoder's graph: from `feature` to the L2-normalised `embedding`."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

EMBEDDING, FEATURE = "embedding", "feature"


def append_head(graph: onnx.GraphProto, weight: NDArray[np.float32], bias: NDArray[np.float32], source: str = FEATURE) -> None:
    """Add the nodes that compute `embedding` from the float32 value `source`; the graph's outputs are not changed.

    weight: (D, F). bias: (D,).
    """
    graph.initializer.append(numpy_helper.from_array(weight, "head.weight"))
    graph.initializer.append(numpy_helper.from_array(bias, "head.bias"))
    graph.node.append(helper.make_node("Gemm", [source, "head.weight", "head.bias"], ["head.projected"], name="head", transB=1))
    graph.node.append(helper.make_node("LpNormalization", ["head.projected"], [EMBEDDING], name="head_norm", axis=1, p=2))
