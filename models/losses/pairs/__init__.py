"""Losses that compare embeddings with each other."""
