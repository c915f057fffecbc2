"""The head that is trained in seconds on stored features: NumPy only, no torch."""
