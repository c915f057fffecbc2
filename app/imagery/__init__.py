"""From files to pixels: decoding, windows of scenes, scaling, footprints, STAC, zips, previews."""
