"""Indexes files, folders, zips, scenes and STAC items as tiles. Entry point: `ingest.IngestService`.

Called by the API, the command line, workers and `schedules`; it calls `catalogue`, `jobs` and `maintenance`.
"""
