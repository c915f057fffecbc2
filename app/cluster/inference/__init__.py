"""Queries that are embedded by workers: how they get there and how answers come back."""
