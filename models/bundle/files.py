"""Names of the files of a bundle."""

from __future__ import annotations

import re

CARD_FILE = "card.json"
ENCODER_FILE = "encoder.onnx"
ENCODER_DATA_FILE = "encoder.onnx.data"
"""Tensors of `encoder.onnx` that are stored outside the graph."""
QUERY_FEATURES_FILE = "query_half.onnx"
TAIL_FILE = "tail.onnx"
WEIGHTS_FILE = "weights.safetensors"
HEAD_FILE = "head.npz"
"""`weight` (D, F) and `bias` (D,) of the head, where the embedding is a linear function of the feature."""
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""What the name of a bundle's file must match."""
