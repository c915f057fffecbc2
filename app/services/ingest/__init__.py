"""Files, folders, zips, scenes and STAC items to indexed tiles. Face: `ingest.IngestService`.

Called by the API, and by `schedules` for what changed.
"""
