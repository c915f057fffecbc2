"""A new index beside the live one, the gate that compares both, the switch and the rollback. Face: `reindex.ReindexService`.

Called by the API, by `training` through the container, and by `schedules`.
"""
