"""The learning side. PyTorch only; knows nothing of the web."""
