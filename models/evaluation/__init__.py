"""How well a model retrieves and classifies. NumPy only, so that the torch-free side may measure itself with it."""
