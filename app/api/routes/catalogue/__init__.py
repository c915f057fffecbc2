"""Collections, their items and indexes, and models."""
