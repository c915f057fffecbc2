"""Plain values used by all layers: tiles, geometry, collections, search, jobs, schedules, model cards."""
