"""Filters in CQL2 (OGC 21-065r2): text and JSON, evaluated on tiles."""
