"""Vector stores: what both engines share, and an adapter for each."""
