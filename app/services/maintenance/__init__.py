"""Garbage collection: deletes what killed processes left in the stores. Entry point: `garbage.GarbageCollector`.

Called at the start of a single process, by cluster workers every hour, and by `ingest` for images of its collection.
"""
