"""Sources of imagery: file kinds, zips, STAC Items and catalogues, dates and platforms of scenes."""
