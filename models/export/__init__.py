"""Export of trained networks to model bundles: ONNX graphs, int8, card and weights in one folder, and back."""
