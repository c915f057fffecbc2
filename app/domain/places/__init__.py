"""Places on Earth: footprints, systems of coordinates, groups of overlapping tiles."""
