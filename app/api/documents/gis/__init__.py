"""Documents that GIS and STAC clients read."""
