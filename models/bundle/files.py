"""What the files of a bundle are called."""

from __future__ import annotations

CARD_FILE = "card.json"
ENCODER_FILE = "encoder.onnx"
QUERY_HALF_FILE = "query_half.onnx"
TAIL_FILE = "tail.onnx"
WEIGHTS_FILE = "weights.safetensors"
HEAD_FILE = "head.npz"
"""`weight` (D, F) and `bias` (D,) of the head, where a bundle differs from another in it alone."""
