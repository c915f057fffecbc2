"""The search table of an index: arrays that answer searches and filters faster than the engine, whose points they repeat."""
