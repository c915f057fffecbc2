"""Rasters through GDAL: opening, windows, placement, pages, band names, limits."""
