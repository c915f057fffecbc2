"""Values of bands: which bands, their fill and statistics, and the scaling to 0..255."""
