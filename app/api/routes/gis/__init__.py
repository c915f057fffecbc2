"""Layers of maps, saved searches and STAC."""
