"""The demo scene: a generated, georeferenced landscape for a service that has no data yet."""
