"""Reads imagery: sources/ (archives, STAC), raster/ (decoding, bands, scaling), tiling/ (scenes to tiles), footprints."""
