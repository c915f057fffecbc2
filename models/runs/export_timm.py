"""Export a network of timm as an ONNX encoder: `python -m models.runs.export_timm NAME --weights FILE --bands B --out FOLDER`.

It writes `timm.onnx` (pooled features, without a classifier; large ones with `timm.onnx.data`) and `facts.json` (size, mean and
std of its input, as timm states them).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from models.backbones.timm_trunk import TimmTrunk
from models.backbones.weights import WeightsError, load_weights

RGB = 3


def main() -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(description="Export a network of timm as an ONNX encoder.")
    parser.add_argument("name", help="architecture of timm")
    parser.add_argument("--weights", type=Path, required=True, help="file of its weights, .safetensors or .pth")
    parser.add_argument("--bands", type=int, default=RGB, help="number of bands")
    parser.add_argument("--size", type=int, help="height and width of the input in pixels; default: of the architecture")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    arguments = parser.parse_args()
    try:
        export(arguments.name, arguments.weights, arguments.bands, arguments.size, arguments.out)
    except (WeightsError, ValueError) as error:
        sys.stderr.write(f"dyad: {' '.join(str(error).split())}\n")
        return 1
    return 0


def export(name: str, weights: Path, bands: int, size: int | None, folder: Path) -> None:
    """Write the graph and the facts.

    Raises:
        ValueError: timm has no such architecture. WeightsError: the weights do not fit it.
    """
    trunk = TimmTrunk(name, bands=bands)
    load_weights(trunk, weights)
    config: dict[str, Any] = trunk.network.pretrained_cfg
    side = size or int(config["input_size"][-1])
    mean, std = list(config["mean"]), list(config["std"])
    if bands != len(mean):
        mean, std = [], []
    example = torch.zeros(2, bands, side, side)
    torch.onnx.export(
        trunk.network.eval(), (example,), folder / "timm.onnx", input_names=["image"], output_names=["features"],
        dynamic_shapes=({0: torch.export.Dim("N")},), dynamo=True, external_data=_is_large(trunk), verbose=False,
    )  # fmt: skip
    (folder / "facts.json").write_text(json.dumps({"size": side, "mean": mean, "std": std}))


def _is_large(trunk: TimmTrunk) -> bool:
    return sum(each.numel() for each in trunk.parameters()) * 4 > 1 << 30


if __name__ == "__main__":
    sys.exit(main())
