"""Reads raster files into arrays: GDAL, decoding, windows, bands, scaling, previews."""
