"""Labels of many tiles at once, from CSV or GeoJSON and back. Face: `labels.LabelService`.

Called by the API and the command line.
"""
