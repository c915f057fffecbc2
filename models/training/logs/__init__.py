"""Logs of a run: progress bar, JSON lines, TensorBoard."""
