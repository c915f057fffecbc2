"""Schedules: when they run, and which files and STAC items they read."""
