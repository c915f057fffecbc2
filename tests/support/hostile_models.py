"""Graphs that do not end, or that allocate without a limit, where `tiny_graph` has its embedding."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.bundles import tiny_graph

ENDLESS = 2**62


def looping_graph(*, only_bright: bool = False, count: int = ENDLESS) -> onnx.ModelProto:
    """`tiny_graph` with a loop of `count` rounds. only_bright: once for tiles whose normalised mean is below 1."""
    model = tiny_graph()
    graph = model.graph
    (last,) = (node for node in graph.node if "embedding" in node.output)
    last.output[0] = "raw"
    graph.initializer.append(numpy_helper.from_array(np.array(count), "count"))
    graph.initializer.append(numpy_helper.from_array(np.array(True), "go"))
    rounds = "count"
    if only_bright:
        graph.initializer.extend(
            (numpy_helper.from_array(np.array(1), "once"), numpy_helper.from_array(np.array(1, np.float32), "bright"))
        )
        graph.node.append(helper.make_node("ReduceMean", ["means"], ["level"], keepdims=0))
        graph.node.append(helper.make_node("Greater", ["level", "bright"], ["is_bright"]))
        graph.node.append(helper.make_node("Where", ["is_bright", "count", "once"], ["rounds"]))
        rounds = "rounds"
    body = helper.make_graph(
        [helper.make_node("Neg", ["before"], ["after"]), helper.make_node("Identity", ["going"], ["goes_on"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    graph.node.append(helper.make_node("Loop", [rounds, "go", "raw"], ["embedding"], body=body))
    onnx.checker.check_model(model)
    return model


def hungry_graph(values: int) -> onnx.ModelProto:
    """`tiny_graph` plus the sum of `values` float32 zeros."""
    model = tiny_graph()
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([values]), "many"))
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "axis"))
    (last,) = (node for node in graph.node if "embedding" in node.output)
    last.output[0] = "raw"
    graph.node.extend(
        (
            helper.make_node("ConstantOfShape", ["many"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros", "axis"], ["sum"], keepdims=0),
            helper.make_node("Add", ["raw", "sum"], ["embedding"]),
        )
    )
    onnx.checker.check_model(model)
    return model
