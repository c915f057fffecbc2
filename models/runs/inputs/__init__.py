"""What a run trains and evaluates on: images, splits, the starting model."""
