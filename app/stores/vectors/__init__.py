"""Vector stores: code that both engines share, and one adapter for each (`edge`, `qdrant`)."""
