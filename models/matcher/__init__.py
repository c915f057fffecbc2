"""Networks that look at the maps of two tiles and say whether they match."""
