"""Adapters that turn tiles into embeddings."""
