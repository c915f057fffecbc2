"""Plain values that every floor shares: tiles, geometry, collections, search, jobs, model cards."""
