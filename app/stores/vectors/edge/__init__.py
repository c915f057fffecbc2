"""Vectors in this process: one Qdrant Edge shard per index."""
