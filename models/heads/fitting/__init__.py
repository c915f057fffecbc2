"""Fitting of a head: joint loss, optimiser, cross-fitting. NumPy only."""
