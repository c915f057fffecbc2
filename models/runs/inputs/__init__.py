"""Inputs of a run: images, splits, the starting model."""
