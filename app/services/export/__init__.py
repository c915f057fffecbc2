"""Exports: all items of a list or a search as one file, in the formats of GIS and of tables."""
