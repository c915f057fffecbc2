"""Adapters that run jobs."""
