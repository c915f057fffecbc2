"""Vectors on a Qdrant server or cluster: one Qdrant collection per index."""
