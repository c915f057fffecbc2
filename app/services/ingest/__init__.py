"""Indexes files, folders, zips, scenes and STAC items as tiles. Entry point: `ingest.IngestService`.

The data of a job flow in this order: `job_files` (which files), `unpacking`, `readers` with `file_reader` (files to `events`),
`writer` (tiles to points). `run` takes the events and counts; `plan` and `chunks` share a job among workers.

Called by the API, the command line, workers and `schedules`; it calls `catalogue`, `jobs` and `maintenance`.
"""
