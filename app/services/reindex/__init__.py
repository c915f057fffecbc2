"""Builds a new index, compares it with the live one, switches, and rolls back. Entry points: `ReindexService`,
`RollbackService`.

Called by the API, the command line, `schedules`, and `training` through the container; it calls `search`, `catalogue` and
`jobs`.
"""
