"""Recipes: all settings of a training run except its data."""
