"""Where the numbers of a run go: progress bar, JSON lines, TensorBoard."""
