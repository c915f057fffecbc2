"""Networks that compare the maps of two tiles and classify them as match or no match."""
