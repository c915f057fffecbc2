"""Imports labels of many tiles from CSV or GeoJSON, and exports them as CSV. Entry point: `labels.LabelService`.

Called by the API and the command line; it calls `catalogue`.
"""
