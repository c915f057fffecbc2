"""Raster files to arrays: GDAL, decoding, windows, bands, scaling, previews."""
