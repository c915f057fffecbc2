"""Scenes and images to tiles: where a GeoTIFF is cut."""
