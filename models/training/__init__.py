"""Training: recipes, tasks and the training loop."""
