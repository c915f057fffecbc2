"""Embeddings that others computed, without images."""
