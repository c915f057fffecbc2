"""Reads imagery: sources/ (archives, STAC, kinds), raster/ (decoding, bands, scaling), tiling/ (scenes to tiles), footprints."""
