"""Losses that compare embeddings with one vector per class."""
