"""Commands that label, train, evaluate and re-index."""
