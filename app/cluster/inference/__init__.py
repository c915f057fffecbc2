"""Queries that workers embed: batching, transport to a worker and back, and the local fallback."""
