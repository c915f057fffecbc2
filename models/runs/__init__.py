"""Whole runs, from folders of images to bundles, reports and tables."""
