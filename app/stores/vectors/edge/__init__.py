"""The embedded vector store: one Qdrant Edge shard per index."""
