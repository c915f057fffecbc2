"""What a file or archive contains: file kinds, zips, STAC items and catalogues, dates and platforms of scenes."""
