"""Garbage collection: what crashed processes left in the stores. Face: `garbage.GarbageCollector`.

Called by the workers of a cluster every hour, and by `ingest` for images of its own collection.
"""
