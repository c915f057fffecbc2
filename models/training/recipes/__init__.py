"""Recipes: everything that a training run depends on except its data."""
