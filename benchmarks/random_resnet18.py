"""A ResNet18-shaped encoder of random weights as a bundle, for measuring speed where no trained one is needed. No torch.

python benchmarks/random_resnet18.py FOLDER [--size 256] [--float]

Batch normalisation is folded, as every exporter does. With int8: static, QDQ, per channel, calibrated on random tiles.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

DIMENSION = 128
STAGES = (64, 128, 256, 512)
BLOCKS = 2
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CALIBRATION_TILES = 32


def build(folder: Path, size: int = 256, int8: bool = True) -> Path:
    """Write `card.json` and `encoder.onnx` to the new folder, whose name becomes the model's id; returns the folder.

    size: side of the input in pixels.
    """
    folder.mkdir(parents=True)
    encoder = folder / "encoder.onnx"
    model = _Graph(size).model()
    if int8:
        _quantise(model, encoder, size)
    else:
        onnx.save(model, encoder)
    card = {
        "format": 1,
        "id": folder.name,
        "title": f"ResNet18 of random weights, {'int8' if int8 else 'float32'}",
        "kind": "onnx",
        "input_size": size,
        "bands": ["red", "green", "blue"],
        "dimension": DIMENSION,
        "normalisation": {"mean": MEAN, "std": STD},
        "training_data": "none",
        "files": {encoder.name: hashlib.sha256(encoder.read_bytes()).hexdigest()},
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1))
    return folder


class _Graph:
    """Collects the nodes of one network, in order."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        """(N, 3, S, S) float32 `tiles` to (N, 128) float32 `embedding`."""
        value = self._relu(self._conv("tiles", 3, STAGES[0], kernel=7, stride=2))
        value = self._node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        width = STAGES[0]
        for stage, channels in enumerate(STAGES):
            for block in range(BLOCKS):
                stride = 2 if stage > 0 and block == 0 else 1
                value = self._block(value, width, channels, stride)
                width = channels
        value = self._node("Flatten", [self._node("GlobalAveragePool", [value])])
        head = self._weight((DIMENSION, width), fan_in=width)
        self._nodes.append(helper.make_node("Gemm", [value, head, self._zeros(DIMENSION)], ["embedding"], transB=1))
        graph = helper.make_graph(
            self._nodes,
            "resnet18",
            [helper.make_tensor_value_info("tiles", TensorProto.FLOAT, ["N", 3, self._size, self._size])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", DIMENSION])],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        return model

    def _block(self, value: str, width: int, channels: int, stride: int) -> str:
        """Two 3 x 3 convolutions beside the identity, or beside a 1 x 1 one where the shape changes."""
        branch = self._relu(self._conv(value, width, channels, kernel=3, stride=stride))
        branch = self._conv(branch, channels, channels, kernel=3, stride=1, gain=0.5)
        if stride != 1 or width != channels:
            value = self._conv(value, width, channels, kernel=1, stride=stride)
        return self._relu(self._node("Add", [branch, value]))

    def _conv(self, value: str, width: int, channels: int, *, kernel: int, stride: int, gain: float = 1.0) -> str:
        weight = self._weight((channels, width, kernel, kernel), fan_in=width * kernel**2, gain=gain)
        pads = [kernel // 2] * 4
        inputs = [value, weight, self._zeros(channels)]
        return self._node("Conv", inputs, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=pads)

    def _relu(self, value: str) -> str:
        return self._node("Relu", [value])

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        output = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], f"{kind}{len(self._nodes)}", **attributes))
        return output

    def _weight(self, shape: tuple[int, ...], *, fan_in: int, gain: float = 1.0) -> str:
        """He's initialisation, so that activations keep their size through the layers."""
        scale = gain * math.sqrt(2 / fan_in)
        return self._initializer((self._random.standard_normal(shape) * scale).astype(np.float32))

    def _zeros(self, count: int) -> str:
        return self._initializer(np.zeros(count, np.float32))

    def _initializer(self, values: NDArray[np.float32]) -> str:
        name = f"weight{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name


class _RandomTiles(CalibrationDataReader):  # type: ignore[misc]
    """Normalised noise, one tile at a time."""

    def __init__(self, size: int) -> None:
        random = np.random.default_rng(1)
        shape = (1, 3, size, size)
        self._tiles: Iterator[NDArray[np.float32]] = (
            random.standard_normal(shape).astype(np.float32) for _ in range(CALIBRATION_TILES)
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next tile as the graph's input, None after the last."""
        tile = next(self._tiles, None)
        return None if tile is None else {"tiles": tile}


def _quantise(model: onnx.ModelProto, target: Path, size: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        plain, prepared = Path(scratch, "plain.onnx"), Path(scratch, "prepared.onnx")
        onnx.save(model, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            _RandomTiles(size),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def main() -> None:
    """Write the bundle that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--float", action="store_true", help="leave the weights float32")
    options = parser.parse_args()
    print(build(options.folder, options.size, int8=not options.float))


if __name__ == "__main__":
    main()
