"""Hand-crafted descriptors and codebooks: the baselines of the papers."""
