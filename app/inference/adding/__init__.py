"""`dyad models add`: makes a bundle of any ONNX encoder. `add_encoder` is its entry."""
